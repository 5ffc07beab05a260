using Dawn.Membership;
using Dawn.Sessions;

namespace Dawn.Routing;

/// <summary>Opens a way to a node that there is none to.</summary>
internal interface IPathOpener
{
    /// <summary>Returns once there is a way to the node.</summary>
    /// <exception cref="MeshException">None was found in time.</exception>
    Task OpenPathAsync(NodeId node, CancellationToken cancellationToken);
}

/// <summary>
/// Brings about ways that are not there: dials the node or a relay of it, as the mode says, or has a flood find one. Looks after the ways in use as well: sessions without one
/// get another, busy ones over a relay a direct link where one can be had, and those for whom this node is the hub a way to whom they call. Thread-safe.
/// </summary>
/// <param name="sessions">Nodes that a session is open with.</param>
internal sealed partial class PathFinder(Router router, Lazy<LinkKeeper> keeper, Func<IReadOnlyList<NodeId>> sessions, TimeProvider time, ILogger<PathFinder> logger) : IHostedService, IPathOpener, IDisposable
{
    /// <summary>How long the whole search takes at most.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(9);

    // The next candidate is dialled too when the one before takes this long.
    private static readonly TimeSpan NextDialAfter = TimeSpan.FromSeconds(1);

    // An answer crosses the whole network and comes back.
    private static readonly TimeSpan FloodPatience = TimeSpan.FromSeconds(1.5);
    private const int Floods = 2;

    private const int MaxDials = 4;
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);
    private const int TicksPerPicture = 5;
    private static readonly TimeSpan InUse = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(8);

    // Searches at once; more would be a flood of floods.
    private const int MaxSearches = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<NodeId, Task> _searches = [];
    private readonly SortedDictionary<NodeId, (TimeSpan Pause, long Since)> _retries = [];
    private readonly CancellationTokenSource _stop = new();
    private ITimer? _timer;
    private uint _ticks;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        router.Relay.Search = SearchForOthers;
        router.Stalled += OnStalled;
        _timer = time.CreateTimer(_ => OnTick(), null, Tick, Tick);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_timer is not null)
        {
            await _timer.DisposeAsync();
        }

        router.Relay.Search = null;
        router.Stalled -= OnStalled;
        await _stop.CancelAsync();
    }

    public void Dispose()
    {
        _timer?.Dispose();
        _stop.Dispose();
    }

    /// <summary>Nodes that sessions go to or over.</summary>
    public IReadOnlySet<NodeId> Used()
    {
        var used = new HashSet<NodeId>();
        foreach (var remote in sessions())
        {
            used.Add(remote);
            if (router.HopTo(remote) is { } hop)
            {
                used.Add(hop);
            }
        }

        return used;
    }

    /// <inheritdoc/>
    public Task OpenPathAsync(NodeId node, CancellationToken cancellationToken) => SearchAsync(node, mayFlood: true, cancellationToken);

    private Task SearchAsync(NodeId node, bool mayFlood, CancellationToken cancellationToken)
    {
        if (router.CanReach(node))
        {
            return Task.CompletedTask;
        }

        Task? search;
        lock (_lock)
        {
            if (!_searches.TryGetValue(node, out search))
            {
                if (_searches.Count >= MaxSearches)
                {
                    throw new MeshException(MeshError.Limit, $"This node looks for ways to {MaxSearches} nodes already, as many as it may at once; try again in {Patience.TotalSeconds:0} s. Nothing was sent.");
                }

                _searches.Add(node, search = RunAsync(node, mayFlood));
            }
        }

        return search.WaitAsync(cancellationToken);
    }

    private async Task RunAsync(NodeId node, bool mayFlood)
    {
        await Task.Yield();
        using var patience = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, _stop.Token);
        string? cause = null;
        try
        {
            var plan = router.Plan(node);
            if (await TryDialAsync(node, plan, causes => cause ??= causes, either.Token) || (mayFlood && plan.MayFlood && await TryFloodAsync(node, either.Token)))
            {
                return;
            }

            throw Unreachable(node, plan, cause);
        }
        catch (OperationCanceledException e)
        {
            throw _stop.IsCancellationRequested
                ? new MeshException(MeshError.Stopping, "The node is stopping.", e)
                : new MeshException(MeshError.Unreachable, $"No way to node {node.ToShortString()} was found within {Patience.TotalSeconds:0} s, so nothing was sent.{(cause is null ? "" : " " + cause)}", e);
        }
        finally
        {
            lock (_lock)
            {
                _searches.Remove(node);
            }
        }
    }

    private async Task<bool> TryDialAsync(NodeId node, RoutePlan plan, Action<string> onFailure, CancellationToken cancellationToken)
    {
        var dials = new List<Task>();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            var next = 0;
            while (next < plan.Dial.Length && next < MaxDials || dials.Count > 0)
            {
                var more = next < plan.Dial.Length && next < MaxDials;
                if (more)
                {
                    dials.Add(keeper.Value.LinkAsync(plan.Dial[next++], over.Token));
                    more = next < plan.Dial.Length && next < MaxDials;
                }

                var late = more ? Task.Delay(NextDialAfter, time, over.Token) : null;
                var done = await Task.WhenAny(late is null ? dials : [.. dials, late]);
                if (router.CanReach(node))
                {
                    return true;
                }

                if (dials.Remove(done))
                {
                    try
                    {
                        await done;
                    }
                    catch (MeshException e)
                    {
                        onFailure(e.Message);
                    }
                }
            }

            return router.CanReach(node);
        }
        finally
        {
            // Not elsewhere: its timers are of this time, which others may not touch.
            over.Cancel();
            dials.ForEach(dial => _ = dial.ContinueWith(static task => _ = task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default));
        }
    }

    private async Task<bool> TryFloodAsync(NodeId node, CancellationToken cancellationToken)
    {
        for (var i = 0; i < Floods; i++)
        {
            using var patience = new CancellationTokenSource(FloodPatience, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
            router.Seek(node);
            try
            {
                await router.WaitForRoomAsync(node, either.Token);
                return true;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // Nobody answered; envelopes get lost, so once more.
            }
        }

        return false;
    }

    private MeshException Unreachable(NodeId node, RoutePlan plan, string? cause) => new(
        MeshError.Unreachable,
        $"There is no way to node {node.ToShortString()} now, so nothing was sent. " +
        (cause ?? (plan.Dial.IsEmpty ? "Neither an address of it is known that may be dialled, nor a relay that it is linked to." : "")) +
        (plan.MayFlood ? $" Nobody who was asked knows a way either. 'dawn peers' shows who is connected (mode {router.Mode})." : $" 'dawn peers' shows who is connected (mode {router.Mode})."));

    private void OnTick()
    {
        try
        {
            // A neighbour's round trip is measured every five seconds at most; what it costs now a mode that looks it up is told.
            if (_ticks++ % TicksPerPicture == 0)
            {
                router.Refresh();
            }
            else
            {
                router.RefreshPaths();
            }

            router.KeepFound(InUse);
            var used = router.Used(InUse);
            foreach (var node in sessions().Union(used.Where(u => u.Link is null).Select(u => u.Target)).Where(node => !router.CanReach(node)).ToList())
            {
                Retry(node);
            }

            foreach (var (target, link) in used)
            {
                // Over somebody else, though the mode would have it direct.
                if (link is not null && link.Remote != target && router.Plan(target).Dial is [var first, ..] && first == target)
                {
                    keeper.Value.TryBegin(target);
                }
            }
        }
        catch (Exception e)
        {
            // A timer's thread, where nobody else would catch it: the next tick tries again.
            LogTickFailed(e);
        }
    }

    // A way that is there and leads nowhere keeps nobody from making another.
    private void OnStalled(NodeId node)
    {
        foreach (var next in router.Plan(node).Dial.Take(MaxDials))
        {
            keeper.Value.TryBegin(next);
        }
    }

    // For a known node that says how to reach it, which takes no flood: nobody can have this node ask everybody, or dial at will.
    private bool SearchForOthers(NodeId node) => router.NamesWay(node) && !router.Plan(node).Dial.IsEmpty && Retry(node);

    // True while it is looked for.
    private bool Retry(NodeId node)
    {
        lock (_lock)
        {
            if (_searches.ContainsKey(node))
            {
                return true;
            }

            // Found, or nobody wants it any more.
            foreach (var over in _retries.Where(r => router.CanReach(r.Key) || time.GetElapsedTime(r.Value.Since) > 2 * LastRetry).Select(r => r.Key).ToList())
            {
                _retries.Remove(over);
            }

            if ((_retries.TryGetValue(node, out var retry) && time.GetElapsedTime(retry.Since) < retry.Pause) || _retries.Count >= MaxSearches)
            {
                return false;
            }

            var pause = retry.Pause == default ? FirstRetry : retry.Pause * 2 < LastRetry ? retry.Pause * 2 : LastRetry;
            _retries[node] = (pause, time.GetTimestamp());
        }

        _ = TryAsync();
        return true;

        async Task TryAsync()
        {
            try
            {
                // Who says how to reach it is reached so again, or not at all: after a partition half of the network misses the other half, and must not flood for it.
                await SearchAsync(node, mayFlood: !router.NamesWay(node), _stop.Token);
            }
            catch (Exception e) when (e is MeshException or OperationCanceledException)
            {
                LogNoWay(node.ToShortString(), e.Message);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Still no way to {Node}: {Cause}")]
    private partial void LogNoWay(string node, string cause);

    [LoggerMessage(Level = LogLevel.Error, Message = "Looking after the ways in use failed; it is tried again")]
    private partial void LogTickFailed(Exception exception);
}
