using System.Collections.Immutable;
using Dawn.Agents.Node;
using Dawn.Configuration;
using Dawn.Plugins;
using Dawn.Routing;
using Microsoft.Extensions.Primitives;

namespace Dawn.Node;

/// <summary>Follows edits of the settings while the node runs: refuses bad ones, applies the owners, and says which wait for a restart. Agents and plugins have watchers of their own.</summary>
internal sealed partial class SettingsWatch(
    IConfigurationRoot configuration,
    NodeOwners owners,
    PluginHost plugins,
    RoutingModes modes,
    TimeProvider time,
    ILogger<SettingsWatch> logger) : IHostedService
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, string> _started = Flatten(configuration);
    private ImmutableSortedSet<string> _restart = [];
    private DateTimeOffset _read = time.GetUtcNow();
    private IDisposable? _watch;

    /// <summary>Settings that were edited since the start and take effect at the next; full keys.</summary>
    public IReadOnlyCollection<string> Restart => Volatile.Read(ref _restart);

    /// <summary>When the settings were last read, or an edit refused.</summary>
    public DateTimeOffset LastRead
    {
        get
        {
            lock (_lock)
            {
                return _read;
            }
        }
    }

    /// <summary>Raised after the settings were read again, or an edit was refused.</summary>
    public event Action? Changed;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        DawnConfiguration.CheckEdits(configuration, Problems);
        foreach (var file in configuration.Providers.OfType<EditedJsonProvider>())
        {
            file.Refused += OnRefused;
        }

        _watch = ChangeToken.OnChange(configuration.GetReloadToken, Apply);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        _watch?.Dispose();
        foreach (var file in configuration.Providers.OfType<EditedJsonProvider>())
        {
            file.Check = null;
            file.Refused -= OnRefused;
        }

        return Task.CompletedTask;
    }

    private IReadOnlyList<string> Problems(IConfiguration edited)
    {
        var problems = new List<string>();
        var settings = SettingsRules.Read(edited, problems);
        // Which are installed is known only now; at the start the node says it and ends.
        if (modes.Available is { Count: > 0 } installed && !installed.Contains(settings.Mode))
        {
            problems.Add($"{DawnConfiguration.Section}:Mode is '{settings.Mode}'; installed: {string.Join(", ", installed)}");
        }

        problems.AddRange(SettingsRules.PluginProblems(edited, plugins.Snapshot));
        return problems;
    }

    private void OnRefused(string problem) => LogRefused(problem);

    private void Apply()
    {
        List<string> added;
        lock (_lock)
        {
            _read = time.GetUtcNow();
            var problems = new List<string>();
            var settings = SettingsRules.Read(configuration, problems);
            if (problems.Count == 0)
            {
                owners.Nodes = settings.Owners.ToHashSet();
            }

            var now = Flatten(configuration);
            var restart = now.Keys.Union(_started.Keys).Where(key => now.GetValueOrDefault(key) != _started.GetValueOrDefault(key)).ToImmutableSortedSet(StringComparer.OrdinalIgnoreCase);
            added = [.. restart.Except(_restart)];
            Volatile.Write(ref _restart, restart);
        }

        foreach (var key in added)
        {
            LogRestart(key);
        }

        Changed?.Invoke();
    }

    /// <summary>Settings that count from a start on, lists as one value each.</summary>
    private static Dictionary<string, string> Flatten(IConfiguration configuration)
    {
        var values = from pair in configuration.GetSection(DawnConfiguration.Section).AsEnumerable(makePathsRelative: true)
                     where !string.IsNullOrEmpty(pair.Value) && !SettingsRules.AtRunTime.Any(key => IsWithin(key, pair.Key))
                     let segments = pair.Key.Split(':')
                     let setting = int.TryParse(segments[^1], out _) ? string.Join(':', segments[..^1]) : pair.Key
                     group pair by $"{DawnConfiguration.Section}:{setting}" into bySetting
                     select (bySetting.Key, Value: string.Join('\n', bySetting.OrderBy(p => p.Key, ConfigurationKeyComparer.Instance).Select(p => p.Value)));
        return values.ToDictionary(v => v.Key, v => v.Value, StringComparer.OrdinalIgnoreCase);

        static bool IsWithin(string key, string path) => path.Equals(key, StringComparison.OrdinalIgnoreCase) || path.StartsWith(key + ":", StringComparison.OrdinalIgnoreCase);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Problem}")]
    private partial void LogRefused(string problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Key} was edited; it takes effect at the next start of this node ('dawn stop', then 'dawn run')")]
    private partial void LogRestart(string key);
}
