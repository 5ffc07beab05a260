using System.Collections.Immutable;

namespace Dawn.Plugins;

internal sealed partial class PluginHost
{
    private const string RestartCure = "Stop the node and start it again ('dawn stop', then 'dawn run').";

    private async Task ReplaceAsync(Slot slot)
    {
        var folder = slot.Folder;
        var copy = Path.Combine(_copies!, $"{Interlocked.Increment(ref _copy)}-{folder.ShortName}");
        Plugin? plugin = null;
        try
        {
            await UnloadAsync(slot);
            var enabled = new PluginSettings(surroundings.Configuration, folder.ShortName).Enabled
                ?? (!folder.IsAgent || AgentManifest.Read(folder.Path, folder.ShortName).Enabled);
            if (!enabled)
            {
                Report(slot, new(folder.Name, folder.Kind, PluginState.Disabled, null, "It is turned off.", $"Set {PluginSettings.Root}:{folder.ShortName}:Enabled to true."));
                return;
            }

            Report(slot, new(folder.Name, folder.Kind, PluginState.Loading));
            folder.CopyTo(copy);
            plugin = new(folder.Name, copy, surroundings);
            await ProvisionAsync(plugin, folder.IsAgent);
            if (!await ActivateAsync(slot, plugin))
            {
                return;
            }

            Report(slot, new(folder.Name, plugin.Transports.IsEmpty ? folder.Kind : PluginKind.Transport, PluginState.Active, plugin.Version));
            Loaded(folder.Name, plugin.Version);
        }
        catch (Exception e) when (e is PluginException or IOException or UnauthorizedAccessException)
        {
            var problem = e as PluginException ?? new(
                $"Its files can't be copied to {_copies}: {e.Message.ReplaceLineEndings(" ").TrimEnd('.')}.", "Make room on that disk, wait until they are written, or make them readable for the node.");
            Report(slot, new(folder.Name, folder.Kind, problem.State, plugin?.Version, problem.Cause, problem.Cure));
            Failed(folder.Name, problem.Cause, problem.Cure);
            if (e is not PluginException)
            {
                DeleteQuietly(copy);
                slot.Retry(MaxCopyAttempts);
                _timer?.Change(PollUnwatched, Poll);
            }
        }
    }

    private async Task RemoveAsync(Slot slot)
    {
        await UnloadAsync(slot);
        lock (_gate)
        {
            _slots.Remove(slot.Folder.Name);
        }

        Report(slot, null);
        Removed(slot.Folder.Name);
    }

    private Task ReportRestart(Slot slot)
    {
        const string Cause = "Restart needed: its files or settings were changed, and registries and routing modes are loaded at the start of a node alone.";
        Report(slot, slot.Status! with { Cause = Cause, Cure = RestartCure });
        RestartNeeded(slot.Folder.Name, Cause, RestartCure);
        return Task.CompletedTask;
    }

    /// <summary>False where the node is stopping and takes no agents any more.</summary>
    private async Task<bool> ActivateAsync(Slot slot, Plugin plugin)
    {
        ImmutableArray<string> schemes = [.. plugin.Transports.SelectMany(t => t.Schemes)];
        PluginException? problem = null;
        lock (_gate)
        {
            if (schemes.FirstOrDefault(_transports.ContainsKey) is { } taken)
            {
                var other = _slots.Values.FirstOrDefault(s => s.Schemes.Contains(taken, StringComparer.OrdinalIgnoreCase));
                problem = new($"The scheme {taken} belongs to {other?.Folder.Name} already.", "Remove or disable one of the two.");
            }
            else if (_hasStarted && !(plugin.Registries.IsEmpty && plugin.Modes.IsEmpty))
            {
                problem = new("Restart needed: it offers a registry or routing modes, and a node takes those at its start alone.", RestartCure);
            }
            else
            {
                (slot.Plugin, slot.Schemes, slot.Registries, slot.Modes) = (plugin, schemes, plugin.Registries, plugin.Modes);
                _transports = _transports.AddRange(plugin.Transports.SelectMany(t => t.Schemes.Select(s => KeyValuePair.Create(s, t))));
            }
        }

        // Not under the lock: all who list agents hear of it at once.
        if (problem is null && plugin.Agent is { } agent && !agents.TryAdd(agent))
        {
            if (agents.Agents.All(other => other.Id != agent.Id))
            {
                await UnloadAsync(slot);
                return false;
            }

            problem = new($"Another agent of this node is called '{agent.Id}'.", $"Set another id in {AgentManifest.FileName}, or rename the folder.");
            await UnloadAsync(slot);
        }
        else if (problem is not null)
        {
            await DisposeAsync(plugin);
        }

        return problem is null ? true : throw problem;
    }

    private async Task UnloadAsync(Slot slot)
    {
        if (slot.Plugin is not { } plugin)
        {
            return;
        }

        lock (_gate)
        {
            _transports = _transports.RemoveRange(slot.Schemes);
            (slot.Plugin, slot.Schemes, slot.Registries, slot.Modes) = (null, [], [], []);
        }

        if (!plugin.Transports.IsEmpty || !plugin.Discoveries.IsEmpty)
        {
            RaiseChanged();
        }

        if (plugin.Agent is { } agent)
        {
            await BoundedAsync(plugin.Name, () => agents.RemoveAsync(agent).AsTask());
        }

        await DisposeAsync(plugin);
    }

    /// <summary>Runs the plugin's code on a thread that nobody misses, and gives up on it after <see cref="Deadline"/>.</summary>
    private async Task ProvisionAsync(Plugin plugin, bool isAgent)
    {
        var provisioning = Task.Factory.StartNew(() => plugin.ProvisionAsync(isAgent, _stopping.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
        try
        {
            await provisioning.WaitAsync(Deadline, surroundings.Time);
        }
        catch (PluginException)
        {
            await DisposeAsync(plugin);
            throw;
        }
        catch (TimeoutException)
        {
            // Disposed by whoever is last: should it come back after all, then here.
            _ = provisioning.ContinueWith(
                (done, state) => { _ = done.Exception; _ = DisposeAsync((Plugin)state!); }, plugin, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            throw new PluginException(
                $"It did not start within {Deadline.TotalSeconds:0} s.", "Its constructors, ConfigureServices and StartAsync must return soon: ask its author. Touch or replace the folder to try again.");
        }
    }

    private async Task DisposeAsync(Plugin plugin)
    {
        await BoundedAsync(plugin.Name, () => plugin.DisposeAsync().AsTask());
        // On Windows files of a context that lives on stay until the next start.
        DeleteQuietly(plugin.Folder);
    }

    private async Task BoundedAsync(string name, Func<Task> end)
    {
        try
        {
            await Task.Run(end).WaitAsync(Deadline, surroundings.Time);
        }
        catch (TimeoutException)
        {
            EndsBadly(name, $"it did not end within {Deadline.TotalSeconds:0} s");
        }
        catch (Exception e)
        {
            // It is on its way out whatever it says.
            EndsBadly(name, e.Message);
        }
    }

    private void Report(Slot slot, PluginStatus? status)
    {
        lock (_gate)
        {
            slot.Status = status;
            _snapshot = [.. _slots.Values.Select(s => s.Status).OfType<PluginStatus>().OrderBy(s => s.Name, StringComparer.Ordinal)];
        }

        RaiseChanged();
    }

    private void RaiseChanged()
    {
        try
        {
            Changed?.Invoke();
        }
        catch (Exception e)
        {
            // One listener's failure is not the plugin's.
            HandlerFailed(e);
        }
    }

    private static void DeleteQuietly(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Not there, or still mapped by a plugin that has not been collected; the next start empties it.
        }
    }

    /// <summary>A folder's place: what lies there, what is loaded from it, and how that went. Guarded by the gate, or used by its own work alone.</summary>
    private sealed class Slot(PluginFolder folder)
    {
        private string? _loaded;
        private string? _seen;
        private long _seenAt;
        private int _attempts;

        public PluginFolder Folder { get; set; } = folder;

        public Plugin? Plugin { get; set; }

        public ImmutableArray<string> Schemes { get; set; } = [];

        /// <summary>What it offers, for as long as the node runs.</summary>
        public ImmutableArray<IAgentRegistry> Registries { get; set; } = [];

        /// <inheritdoc cref="Registries"/>
        public ImmutableArray<IRoutingMode> Modes { get; set; } = [];

        public bool IsPinned => !(Registries.IsEmpty && Modes.IsEmpty);

        /// <summary>True where that was said.</summary>
        public bool NeedsRestart => IsPinned && Status?.Cause is not null;

        public PluginStatus? Status { get; set; }

        public Task Work { get; set; } = Task.CompletedTask;

        /// <summary>True while a change waits to be stable.</summary>
        public bool IsChanging => _seen is not null;

        /// <summary>True once, for each stamp that is new and has been stable for long enough.</summary>
        public bool IsDue(string stamp, bool wait, TimeProvider time)
        {
            if (stamp == _loaded)
            {
                _seen = null;
                return false;
            }

            if (wait && stamp != _seen)
            {
                (_seen, _seenAt) = (stamp, time.GetTimestamp());
                return false;
            }

            if (wait && time.GetElapsedTime(_seenAt) < StableAfter)
            {
                return false;
            }

            (_loaded, _seen) = (stamp, null);
            return true;
        }

        /// <summary>Has the next look at the folder try again, so often.</summary>
        public void Retry(int attempts)
        {
            if (++_attempts <= attempts)
            {
                _loaded = null;
            }
        }
    }

    [LoggerMessage(LogLevel.Information, "Plugin {Plugin} {Version} is active")]
    private partial void Loaded(string plugin, string? version);

    [LoggerMessage(LogLevel.Information, "Plugin {Plugin} is gone")]
    private partial void Removed(string plugin);

    [LoggerMessage(LogLevel.Warning, "Plugin {Plugin} can't be used. {Cause} {Cure}")]
    private partial void Failed(string plugin, string cause, string cure);

    [LoggerMessage(LogLevel.Warning, "Plugin {Plugin}: {Cause} {Cure}")]
    private partial void RestartNeeded(string plugin, string cause, string cure);

    [LoggerMessage(LogLevel.Warning, "Plugin {Plugin} ends badly: {Cause}")]
    private partial void EndsBadly(string plugin, string cause);

    [LoggerMessage(LogLevel.Warning, "There is no plugin directory {Directory}: set Dawn:PluginDirectory, or create it")]
    private partial void NoDirectory(string directory);

    [LoggerMessage(LogLevel.Warning, "{Directory} can't be searched for plugins: {Cause}")]
    private partial void CantScan(string directory, string cause);

    [LoggerMessage(LogLevel.Information, "{Directory} is not watched but looked at each second: {Cause}")]
    private partial void NotWatching(string directory, string cause);

    [LoggerMessage(LogLevel.Error, "A handler of changed plugins failed")]
    private partial void HandlerFailed(Exception error);
}
