using System.Collections.Immutable;
using System.Threading.Channels;
using Dawn.Identity;
using Dawn.Sessions;
using Microsoft.Extensions.Primitives;

namespace Dawn.Agents.External;

/// <summary>Keeps the agents that run equal to <c>Dawn:McpServers</c>: at start, and whenever the configuration changes.</summary>
/// <param name="create">Makes the agent of an entry; by default a child process or a URL, as the entry says.</param>
internal sealed partial class ExternalServers(
    IConfiguration configuration,
    IAgentHost host,
    ILoggerFactory loggers,
    TimeProvider time,
    Entropy entropy,
    Func<ExternalServerSettings, ExternalAgent>? create = null) : IHostedService
{
    // An editor writes a file in several steps.
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(500);

    private readonly ILogger _logger = loggers.CreateLogger<ExternalServers>();
    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly Dictionary<string, (string Fingerprint, IHostedAgent Agent)> _running = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly CancellationTokenSource _stopping = new();
    private IDisposable? _watch;
    private Task _watching = Task.CompletedTask;
    private bool _hasTaken;

    /// <summary>What is wrong with the settings, by key: also of entries whose name keeps them from being agents at all.</summary>
    public ImmutableSortedDictionary<string, string> Problems { get; private set; } = ImmutableSortedDictionary<string, string>.Empty;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        _watch = ChangeToken.OnChange(configuration.GetReloadToken, Note);
        host.Changed += NoteFreedName;
        await ReconcileAsync();
        _watching = WatchAsync();
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _watch?.Dispose();
        host.Changed -= NoteFreedName;
        await _stopping.CancelAsync();
        await _watching;
        await Task.WhenAll(_running.Values.Select(one => host.RemoveAsync(one.Agent).AsTask()));
        _running.Clear();
    }

    private void Note() => _changes.Writer.TryWrite(true);

    private void NoteFreedName()
    {
        if (_hasTaken)
        {
            Note();
        }
    }

    private async Task WatchAsync()
    {
        try
        {
            while (await _changes.Reader.WaitToReadAsync(_stopping.Token))
            {
                await Task.Delay(Settle, time, _stopping.Token);
                _changes.Reader.TryRead(out _);
                try
                {
                    await ReconcileAsync();
                }
                catch (Exception e) when (!_stopping.IsCancellationRequested)
                {
                    // The next change must find this loop alive.
                    LogFailed(e);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The node is stopping.
        }
    }

    /// <summary>Makes the agents equal to the settings as they are now.</summary>
    /// <returns>The ids that were added, removed or replaced.</returns>
    public async Task<IReadOnlyList<string>> ReconcileAsync()
    {
        await _gate.WaitAsync(_stopping.Token);
        try
        {
            var before = _running.ToDictionary(one => one.Key, one => one.Value.Fingerprint, StringComparer.Ordinal);
            await ReconcileCoreAsync();
            return [.. before.Keys.Union(_running.Keys).Where(id => before.GetValueOrDefault(id) != _running.GetValueOrDefault(id).Fingerprint).Order(StringComparer.Ordinal)];
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task ReconcileCoreAsync()
    {
        var wanted = configuration.GetSection(ExternalServerSettings.Section).GetChildren().ToDictionary(section => section.Key, StringComparer.Ordinal);
        var obsolete = _running.Where(one => !wanted.TryGetValue(one.Key, out var section) || ExternalServerSettings.Fingerprint(section) != one.Value.Fingerprint).ToArray();
        foreach (var (id, _) in obsolete)
        {
            _running.Remove(id);
        }

        // At once: each may take seconds to stop its process.
        await Task.WhenAll(obsolete.Select(async one =>
        {
            LogRemoved(one.Key);
            await host.RemoveAsync(one.Value.Agent);
        }));
        var problems = ImmutableSortedDictionary.CreateBuilder<string, string>();
        _hasTaken = false;
        foreach (var (id, section) in wanted.OrderBy(one => one.Key, StringComparer.Ordinal))
        {
            if (_running.TryGetValue(id, out var running))
            {
                if (running.Agent is BrokenServer broken)
                {
                    problems[section.Path] = broken.Problem!;
                }

                continue;
            }

            if (Add(id, section) is { } problem)
            {
                problems[section.Path] = problem;
                LogProblem(problem);
            }
        }

        Problems = problems.ToImmutable();
    }

    private string? Add(string id, IConfigurationSection section)
    {
        List<string> problems = [];
        var settings = ExternalServerSettings.Read(section, problems);
        var problem = problems.Count == 0 ? null : string.Join("; ", problems);
        if (!AgentId.IsValid(id) || AgentId.IsReserved(id))
        {
            return problem;
        }

        IHostedAgent agent = settings is null ? new BrokenServer(id, problem!) : (create ?? Create)(settings);
        if (!host.TryAdd(agent))
        {
            // Asked again when an agent goes: the name may be free then.
            _hasTaken = true;
            _ = agent.DisposeAsync();
            return $"{section.Path}: another agent has the name '{id}'; choose another";
        }

        _running[id] = (ExternalServerSettings.Fingerprint(section), agent);
        if (agent is ExternalAgent external)
        {
            LogAdded(id, agent.Origin);
            external.Start();
        }

        return problem;
    }

    private ExternalAgent Create(ExternalServerSettings settings) => settings.Url is null
        ? new StdioAgent(settings, loggers.CreateLogger<StdioAgent>(), time, entropy)
        : new HttpAgent(settings, loggers.CreateLogger<HttpAgent>(), time, entropy, loggers);

    [LoggerMessage(LogLevel.Information, "Agent {Agent} was added: {Origin}")]
    private partial void LogAdded(string agent, string origin);

    [LoggerMessage(LogLevel.Information, "Agent {Agent} is being removed: its settings changed or are gone")]
    private partial void LogRemoved(string agent);

    [LoggerMessage(LogLevel.Error, "A change of " + ExternalServerSettings.Section + " could not be followed")]
    private partial void LogFailed(Exception exception);

    [LoggerMessage(LogLevel.Error, "{Problem}")]
    private partial void LogProblem(string problem);

    /// <summary>An entry that can't be run, listed by its name so that people see what is wrong with it.</summary>
    private sealed class BrokenServer(string id, string problem) : IHostedAgent
    {
        public string Id => id;

        public string Origin => $"{ExternalServerSettings.Section}:{id}";

        public AgentPolicy Policy => AgentPolicy.OwnNode;

        public string PolicySetting => $"{Origin}:Share";

        public AgentCard? Card => null;

        public string? Problem => problem;

        public event Action? Changed
        {
            // Nothing about it ever changes: a change of its settings makes another.
            add { }
            remove { }
        }

        public Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken) => throw new MeshException(MeshError.AgentUnavailable, problem);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
