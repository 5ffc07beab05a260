using System.Collections.Immutable;
using System.Threading.Channels;
using Dawn.Agents;
using Microsoft.Extensions.Primitives;

namespace Dawn.Plugins;

/// <param name="Directory">Holds a folder for each plugin, and <c>agents</c> with one for each agent.</param>
/// <param name="CopyDirectory">Where the copies to load from are kept; emptied at start. Null takes a new temporary one.</param>
/// <param name="WithAgents">False loads transports and services alone.</param>
internal sealed record PluginHostOptions(string Directory, string? CopyDirectory = null, bool WithAgents = true);

/// <summary>Loads the plugins of a directory, and keeps what is loaded like what lies there: added, replaced and removed while the node runs.</summary>
internal sealed partial class PluginHost(PluginHostOptions options, IAgentHost agents, PluginSurroundings surroundings) : IHostedService, IAsyncDisposable
{
    /// <summary>A plugin's constructors and start, or its end, may take so long before it is given up on.</summary>
    internal static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <summary>A folder is loaded once nothing in it has changed for so long: copying takes a while.</summary>
    internal static readonly TimeSpan StableAfter = TimeSpan.FromMilliseconds(300);

    private static readonly TimeSpan PollUnwatched = TimeSpan.FromSeconds(1);
    // What a watcher misses: changes over a network's file system, or a directory that was itself replaced.
    private static readonly TimeSpan PollWatched = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PollWhileChanging = TimeSpan.FromMilliseconds(100);
    // What hangs must not hold up the node; it goes on loading meanwhile.
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(3);
    private const int MaxCopyAttempts = 20;

    private readonly ILogger _logger = surroundings.Loggers.CreateLogger<PluginHost>();
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Slot> _slots = new(StringComparer.Ordinal);
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private ImmutableDictionary<string, IPeerTransport> _transports = ImmutableDictionary.Create<string, IPeerTransport>(StringComparer.OrdinalIgnoreCase);
    private ImmutableArray<PluginStatus> _snapshot = [];
    private bool _hasStarted;
    private string? _copies;
    private int _copy;
    private ITimer? _timer;
    private FileSystemWatcher? _watcher;
    private IDisposable? _settingsWatcher;
    private Task _watching = Task.CompletedTask;

    /// <summary>All plugins, by name.</summary>
    public IReadOnlyList<PluginStatus> Snapshot => _snapshot;

    /// <summary>Raised after <see cref="Snapshot"/> or <see cref="Schemes"/> changed. Who holds listeners or connections of a transport that is gone lets go of them.</summary>
    public event Action? Changed;

    private TimeSpan Poll => _watcher is null ? PollUnwatched : PollWatched;

    public IReadOnlyCollection<string> Schemes => [.. _transports.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Sections below <c>Dawn:Plugins</c> that belong to no installed plugin.</summary>
    public IReadOnlyList<string> UnknownSettings
    {
        get
        {
            var installed = _snapshot.Select(s => s.Name[(s.Name.LastIndexOf('/') + 1)..]).ToHashSet(StringComparer.OrdinalIgnoreCase);
            return [.. surroundings.Configuration.GetSection(PluginSettings.Root).GetChildren().Select(c => c.Key).Where(key => !installed.Contains(key))];
        }
    }

    /// <summary>The transport of a URI scheme; null where no plugin that is active offers it.</summary>
    public IPeerTransport? FindTransport(string scheme) => _transports.GetValueOrDefault(scheme);

    /// <summary>The discoveries of all active plugins, in the order of the plugins' names. Who runs one lets go of it when it is no longer here.</summary>
    public IReadOnlyList<IPeerDiscovery> Discoveries
    {
        get
        {
            lock (_gate)
            {
                return [.. _slots.Values.Where(s => s.Plugin is not null).OrderBy(s => s.Folder.Name, StringComparer.Ordinal).SelectMany(s => s.Plugin!.Discoveries)];
            }
        }
    }

    /// <summary>The registries that plugins offer, by plugin. From then on none is taken any more: a node has one, from its start to its end.</summary>
    /// <remarks>Called once, after the start. Waits for plugins that are called <c>registry-…</c> and still loading, as long as any plugin may take.</remarks>
    public Task<IReadOnlyList<(string Plugin, IAgentRegistry Offer)>> TakeRegistriesAsync(CancellationToken cancellationToken) => TakeAsync("registry-", slot => slot.Registries, cancellationToken);

    /// <summary>The routing modes that plugins offer, by plugin, under the same terms; awaited are plugins that are called <c>routing-…</c>.</summary>
    public Task<IReadOnlyList<(string Plugin, IRoutingMode Offer)>> TakeRoutingModesAsync(CancellationToken cancellationToken) => TakeAsync("routing-", slot => slot.Modes, cancellationToken);

    private async Task<IReadOnlyList<(string Plugin, T Offer)>> TakeAsync<T>(string prefix, Func<Slot, ImmutableArray<T>> offers, CancellationToken cancellationToken)
    {
        Task loading;
        lock (_gate)
        {
            loading = Task.WhenAll(_slots.Values.Where(s => s.Folder.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(s => s.Work));
        }

        try
        {
            await loading.WaitAsync(Deadline, surroundings.Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // Its own status says so.
        }

        lock (_gate)
        {
            _hasStarted = true;
            return [.. _slots.Values.OrderBy(s => s.Folder.Name, StringComparer.Ordinal).SelectMany(s => offers(s).Select(offer => (s.Folder.Name, offer)))];
        }
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _copies = options.CopyDirectory ?? Directory.CreateTempSubdirectory("dawn-plugins-").FullName;
        if (options.CopyDirectory is not null)
        {
            // What a killed process left behind.
            DeleteQuietly(_copies);
            Directory.CreateDirectory(_copies);
        }

        if (!Directory.Exists(options.Directory))
        {
            NoDirectory(options.Directory);
        }

        // Transports and services before agents: these may call at once.
        await PatientlyAsync(Reconcile(agentsToo: false), cancellationToken);
        await PatientlyAsync(Reconcile(), cancellationToken);
        _watcher = Watch();
        _settingsWatcher = ChangeToken.OnChange(surroundings.Configuration.GetReloadToken, Wake);
        _timer = surroundings.Time.CreateTimer(_ => Wake(), null, Poll, Poll);
        _watching = WatchAsync();
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_stopping.IsCancellationRequested)
        {
            return;
        }

        await _stopping.CancelAsync();
        _watcher?.Dispose();
        _settingsWatcher?.Dispose();
        _timer?.Dispose();
        await _watching;
        Slot[] slots;
        lock (_gate)
        {
            slots = [.. _slots.Values];
        }

        // Agents first, and what carries them last.
        await Task.WhenAll(slots.Where(s => s.Folder.IsAgent).Select(UnloadAfterWorkAsync));
        await Task.WhenAll(slots.Where(s => !s.Folder.IsAgent).Select(UnloadAfterWorkAsync));
        if (_copies is not null)
        {
            DeleteQuietly(_copies);
        }

        async Task UnloadAfterWorkAsync(Slot slot)
        {
            await slot.Work;
            await UnloadAsync(slot);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None);
        _stopping.Dispose();
    }

    /// <summary>Compares what is loaded with what lies in the directory, and begins what makes them alike.</summary>
    /// <returns>Ends when all of it is done.</returns>
    internal Task Reconcile(bool agentsToo = true)
    {
        agentsToo &= options.WithAgents;
        var found = PluginFolder.Scan(options.Directory);
        var started = _timer is not null;
        lock (_gate)
        {
            foreach (var folder in found.Where(f => agentsToo || !f.IsAgent))
            {
                if (!_slots.TryGetValue(folder.Name, out var slot))
                {
                    _slots[folder.Name] = slot = new(folder);
                }

                var stamp = folder.Stamp + new PluginSettings(surroundings.Configuration, folder.ShortName).Stamp;
                if (slot.Work.IsCompleted && slot.IsDue(stamp, wait: started, surroundings.Time))
                {
                    slot.Folder = folder;
                    slot.Work = Task.Run(() => slot.IsPinned ? ReportRestart(slot) : ReplaceAsync(slot));
                }
            }

            foreach (var slot in agentsToo ? _slots.Values.Where(s => s.Work.IsCompleted && !s.NeedsRestart && !found.Exists(f => f.Name == s.Folder.Name)).ToList() : [])
            {
                slot.Work = Task.Run(() => slot.IsPinned ? ReportRestart(slot) : RemoveAsync(slot));
            }

            if (_slots.Values.Any(s => s.IsChanging))
            {
                _timer?.Change(PollWhileChanging, Poll);
            }

            return Task.WhenAll(_slots.Values.Select(s => s.Work));
        }
    }

    private async Task WatchAsync()
    {
        string? scanProblem = null;
        try
        {
            await foreach (var wake in _wake.Reader.ReadAllAsync(_stopping.Token))
            {
                try
                {
                    // Its work goes on by itself: a plugin that hangs holds up no other.
                    _ = Reconcile();
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // At each look, but said once.
                    if (scanProblem != e.Message)
                    {
                        CantScan(options.Directory, scanProblem = e.Message);
                    }
                }

                // Copying raises many events at once.
                await Task.Delay(PollWhileChanging, surroundings.Time, _stopping.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private void Wake() => _wake.Writer.TryWrite(true);

    private FileSystemWatcher? Watch()
    {
        if (!Directory.Exists(options.Directory))
        {
            // Said already; polling sees when it comes.
            return null;
        }

        try
        {
            var watcher = new FileSystemWatcher(options.Directory) { IncludeSubdirectories = true };
            watcher.Created += (_, _) => Wake();
            watcher.Changed += (_, _) => Wake();
            watcher.Deleted += (_, _) => Wake();
            watcher.Renamed += (_, _) => Wake();
            // More at once than it could tell.
            watcher.Error += (_, _) => Wake();
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            // No such directory, or too many watches: polling sees the same, a little later.
            NotWatching(options.Directory, e.Message);
            return null;
        }
    }

    private async Task PatientlyAsync(Task work, CancellationToken cancellationToken)
    {
        try
        {
            await work.WaitAsync(StartPatience, surroundings.Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // Snapshot says which are still loading.
        }
    }
}
