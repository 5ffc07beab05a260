using System.Collections.Immutable;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Gateway;

/// <summary>
/// What all agents offer together: once a client has come, fetched from each in the background and kept by the digest of its card, so that a list is answered at once
/// and no slow or dead agent delays another. A node without clients asks nobody: if each asked all, a network of N nodes would open N² sessions. Agents named <c>node</c> are left out, here as elsewhere: their tools run nodes, and belong to their own address.
/// </summary>
internal sealed partial class Catalog : IHostedService, IAsyncDisposable
{
    // Agents of a network that one list can sensibly show.
    private const int MaxAgents = 1024;

    // Fetches at once: they wait for the network most of the time, but each holds a leg.
    private const int MaxFetches = 64;

    // How long a list waits for agents that were never seen: what a person accepts once.
    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastRetry = TimeSpan.FromMinutes(1);

    private readonly IAgentDirectory _directory;
    private readonly CatalogFetch _fetch;
    private readonly TimeProvider _time;
    private readonly ILogger<Catalog> _logger;
    private readonly Lock _lock = new();
    private readonly Lock _reconcilingLock = new();
    private readonly Dictionary<AgentAddress, Watched> _agents = [];
    private readonly SemaphoreSlim _fetching = new(MaxFetches, MaxFetches);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Channel<bool> _directoryChanged = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private Task _reconciling = Task.CompletedTask;
    private volatile bool _isAwake;
    private CatalogView _view = CatalogView.Empty;

    public Catalog(IAgentDirectory directory, LegDialer dialer, TimeProvider time, ILogger<Catalog> logger) =>
        (_directory, _fetch, _time, _logger) = (directory, new(dialer), time, logger);

    public PublicNames ToolNames { get; } = new();

    public PublicNames PromptNames { get; } = new();

    /// <summary>Raised after parts of the view changed; handlers return at once.</summary>
    public event Action<CatalogParts>? Changed;

    // The first client starts it.
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>A client is here: from now on the lists are fetched, and kept up to date.</summary>
    public void Wake()
    {
        if (_isAwake)
        {
            return;
        }

        lock (_reconcilingLock)
        {
            if (_isAwake || _stopping.IsCancellationRequested)
            {
                return;
            }

            _directory.Changed += OnDirectoryChanged;
            Reconcile();
            _reconciling = ReconcileAsync();
            _isAwake = true;
        }
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _directory.Changed -= OnDirectoryChanged;
        await _stopping.CancelAsync();
        Task[] running;
        List<Watched> gone;
        lock (_lock)
        {
            running = [_reconciling, .. _agents.Values.Select(agent => agent.Running)];
            gone = [.. _agents.Values];
        }

        gone.ForEach(agent => agent.Gone.Cancel());

        await Task.WhenAll(running).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync() => await StopAsync(CancellationToken.None);

    /// <summary>The lists, after a short wait for agents that were never asked before.</summary>
    public async Task<CatalogView> GetAsync(CancellationToken cancellationToken)
    {
        Wake();
        // What the directory has just said counts, though the loop below may not have woken yet.
        ReconcileChanges();
        Task[] first;
        lock (_lock)
        {
            first = [.. _agents.Values.Where(agent => agent.Online && !agent.Tried.Task.IsCompleted).Select(agent => agent.Tried.Task)];
        }

        if (first.Length > 0)
        {
            await WaitAsync(Task.WhenAll(first), cancellationToken);
        }

        return Volatile.Read(ref _view);
    }

    /// <summary>False for an agent that must be greeted by <c>initialize</c>.</summary>
    public async Task<bool> IsPerRequestAsync(AgentAddress agent, CancellationToken cancellationToken)
    {
        Watched? watched;
        lock (_lock)
        {
            watched = _agents.GetValueOrDefault(agent);
        }

        if (watched is not null)
        {
            await WaitAsync(watched.Tried.Task, cancellationToken);
        }

        return watched?.Offer?.PerRequest ?? true;
    }

    /// <summary>Asks an agent again, because it said that its lists changed.</summary>
    public void Refresh(AgentAddress agent)
    {
        lock (_lock)
        {
            if (_agents.GetValueOrDefault(agent) is { } watched)
            {
                watched.Signal.Writer.TryWrite(true);
            }
        }
    }

    private async Task WaitAsync(Task task, CancellationToken cancellationToken)
    {
        try
        {
            await task.WaitAsync(FirstWait, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // Whoever is late comes with the next list, and is announced.
        }
    }

    private void OnDirectoryChanged() => _directoryChanged.Writer.TryWrite(true);

    private async Task ReconcileAsync()
    {
        try
        {
            while (await _directoryChanged.Reader.WaitToReadAsync(_stopping.Token))
            {
                ReconcileChanges();
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private void ReconcileChanges()
    {
        lock (_reconcilingLock)
        {
            if (_directoryChanged.Reader.TryRead(out _))
            {
                Reconcile();
            }
        }
    }

    private void Reconcile()
    {
        var online = _directory.Snapshot.Where(entry => entry.Online && entry.Address.Agent != AgentId.Node).Take(MaxAgents).ToDictionary(entry => entry.Address);
        var known = _directory.Snapshot.Select(entry => entry.Address).ToHashSet();
        var changed = CatalogParts.None;
        List<Watched> gone = [];
        lock (_lock)
        {
            foreach (var (address, agent) in _agents)
            {
                if (agent.Online && !online.ContainsKey(address))
                {
                    // Its lists stay for its return, where the digest will tell whether they still hold.
                    agent.Online = false;
                    changed |= PartsOf(agent.Offer, null);
                }

                if (!known.Contains(address))
                {
                    _agents.Remove(address);
                    gone.Add(agent);
                }
            }

            foreach (var (address, entry) in online)
            {
                if (!_agents.TryGetValue(address, out var agent))
                {
                    agent = _agents[address] = new(address);
                    agent.Running = WatchAsync(agent);
                }

                (agent.IsLocal, var wasOnline) = (entry.IsLocal, agent.Online);
                agent.Online = true;
                if (!wasOnline)
                {
                    changed |= PartsOf(null, agent.Offer);
                }

                if (agent.Digest != Digest(entry.Card))
                {
                    agent.Digest = Digest(entry.Card);
                    agent.Signal.Writer.TryWrite(true);
                }
            }
        }

        // Outside of the lock, since it runs what waits.
        gone.ForEach(agent => agent.Gone.Cancel());
        Publish(changed);
    }

    private async Task WatchAsync(Watched agent)
    {
        var stopped = agent.Gone.Token;
        try
        {
            var retry = FirstRetry;
            while (await agent.Signal.Reader.WaitToReadAsync(stopped))
            {
                agent.Signal.Reader.TryRead(out _);
                var fetched = await FetchAsync(agent, stopped);
                // Only now: whoever waits for the first answer looks at what was published.
                agent.Tried.TrySetResult();
                if (fetched)
                {
                    retry = FirstRetry;
                }
                else
                {
                    await Task.Delay(retry, _time, stopped);
                    retry = retry * 2 < LastRetry ? retry * 2 : LastRetry;
                    if (agent.Online)
                    {
                        agent.Signal.Writer.TryWrite(true);
                    }
                    else
                    {
                        // Asked again when it is back.
                        agent.Digest = null;
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // It left the network, or the node stops.
        }
        finally
        {
            agent.Tried.TrySetResult();
        }
    }

    private async Task<bool> FetchAsync(Watched agent, CancellationToken cancellationToken)
    {
        await _fetching.WaitAsync(cancellationToken);
        CatalogParts changed;
        try
        {
            var offer = await _fetch.FetchAsync(agent.Address, cancellationToken);
            lock (_lock)
            {
                changed = PartsOf(agent.Offer, offer);
                agent.Offer = offer;
            }
        }
        catch (Exception e) when (e is RelayException or ArgumentException or InvalidOperationException)
        {
            // The last two are what an agent's odd JSON throws; its next list may be better.
            if (e.InnerException is not MeshException { Error: MeshError.Stopping })
            {
                Report(agent, e.Message);
            }

            return false;
        }
        finally
        {
            _fetching.Release();
        }

        agent.Problem = null;
        Publish(changed);
        return true;
    }

    // Once for each cause: an agent that is away is asked again and again.
    private void Report(Watched agent, string problem)
    {
        if (agent.Online && agent.Problem != problem)
        {
            LogFetchFailed(agent.Address, problem);
        }

        agent.Problem = problem;
    }

    private void Publish(CatalogParts changed)
    {
        if (changed == CatalogParts.None)
        {
            return;
        }

        lock (_lock)
        {
            var tools = ImmutableArray.CreateBuilder<JsonObject>();
            var prompts = ImmutableArray.CreateBuilder<JsonObject>();
            var resources = ImmutableArray.CreateBuilder<JsonObject>();
            var templates = ImmutableArray.CreateBuilder<JsonObject>();
            foreach (var agent in _agents.Values.Where(agent => agent is { Online: true, Offer: not null }).OrderByDescending(agent => agent.IsLocal).ThenBy(agent => agent.Address.Node).ThenBy(agent => agent.Address.Agent, StringComparer.Ordinal))
            {
                var (address, offer) = (agent.Address, agent.Offer!);
                tools.AddRange(Named(offer.Tools, name => ToolNames.NameOf(address, name), "name"));
                prompts.AddRange(Named(offer.Prompts, name => PromptNames.NameOf(address, name), "name"));
                resources.AddRange(Named(offer.Resources, uri => ResourceUris.Wrap(address, uri), "uri"));
                templates.AddRange(Named(offer.Templates, uri => ResourceUris.WrapTemplate(address, uri), "uriTemplate"));
            }

            Volatile.Write(ref _view, new(tools.DrainToImmutable(), prompts.DrainToImmutable(), resources.DrainToImmutable(), templates.DrainToImmutable()));
        }

        Changed?.Invoke(changed);
    }

    private static IEnumerable<JsonObject> Named(IReadOnlyList<JsonObject> items, Func<string, string?> rename, string property) =>
        from item in items
        let name = item.Text(property)
        where name is not null
        let renamed = rename(name)
        where renamed is not null
        select item.With(property, renamed);

    private static CatalogParts PartsOf(AgentOffer? before, AgentOffer? after)
    {
        (before, after) = (before ?? AgentOffer.Nothing, after ?? AgentOffer.Nothing);
        return (Same(before.Tools, after.Tools) ? 0 : CatalogParts.Tools) | (Same(before.Prompts, after.Prompts) ? 0 : CatalogParts.Prompts) |
            (Same(before.Resources, after.Resources) && Same(before.Templates, after.Templates) ? 0 : CatalogParts.Resources);

        static bool Same(IReadOnlyList<JsonObject> a, IReadOnlyList<JsonObject> b) => a.Count == b.Count && a.Zip(b).All(pair => JsonNode.DeepEquals(pair.First, pair.Second));
    }

    private static string Digest(AgentCard card) => card.Digest.IsDefault ? "" : Convert.ToHexString(card.Digest.AsSpan());

    [LoggerMessage(Level = LogLevel.Warning, Message = "The lists of {Agent} can't be had: {Cause}")]
    private partial void LogFetchFailed(AgentAddress agent, string cause);

    private sealed class Watched(AgentAddress address)
    {
        public AgentAddress Address => address;

        /// <summary>Cancelled when it left the network. It has no timer, so nothing needs to dispose it.</summary>
        public CancellationTokenSource Gone { get; } = new();

        public bool IsLocal { get; set; }

        public bool Online { get; set; }

        public string? Digest { get; set; }

        public AgentOffer? Offer { get; set; }

        /// <summary>Why it could not be asked the last time.</summary>
        public string? Problem { get; set; }

        /// <summary>Done once the agent was asked for the first time, with or without success.</summary>
        public TaskCompletionSource Tried { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Channel<bool> Signal { get; } = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

        public Task Running { get; set; } = Task.CompletedTask;
    }
}
