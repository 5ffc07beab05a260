using System.Collections.Immutable;
using Dawn.Links;
using Dawn.Sessions;

namespace Dawn.Membership;

/// <summary>Brings about the links that views, pins and calls want, and closes those that nothing wants any more. Thread-safe.</summary>
/// <param name="used">Nodes that a session is open with, or goes over.</param>
internal sealed partial class LinkKeeper(PeerTable peers, LinkTable links, LinkDialer dialer, Func<IReadOnlySet<NodeId>> used, MembershipMetrics metrics, TimeProvider time, ILogger<LinkKeeper> logger)
    : IHostedService, IDisposable
{
    /// <summary>Addresses dialled at once: what a household's router bears.</summary>
    public const int MaxDials = 16;

    /// <summary>How long a call waits for a link.</summary>
    public static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(5);

    /// <summary>A link that nothing wants is closed when it has carried no envelope for so long.</summary>
    public static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(60);

    // RFC 8305, section 5: the delay between two attempts.
    private static readonly TimeSpan NextAddressAfter = TimeSpan.FromMilliseconds(250);

    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    // Lost neighbours that are dialled until they are back; views find others meanwhile.
    private const int MaxLost = 32;

    private readonly Lock _lock = new();
    private readonly Dictionary<NodeId, TaskCompletionSource<ILink>> _dialling = [];
    private readonly Queue<TaskCompletionSource> _queued = new();
    private readonly SortedSet<NodeId> _pinned = [];
    private readonly List<NodeId> _lost = [];
    private readonly SortedDictionary<NodeId, (ILink Link, long Envelopes, long Since)> _idle = [];
    private readonly CancellationTokenSource _stop = new();
    private NodeId[] _wanted = [];
    private ITimer? _timer;
    private int _dials;

    /// <summary>Raised when no address of a node answered.</summary>
    public event Action<NodeId>? DialFailed;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _timer = time.CreateTimer(_ => OnTick(), null, Tick, Tick);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_timer is not null)
        {
            await _timer.DisposeAsync();
        }

        await _stop.CancelAsync();
    }

    public void Dispose()
    {
        _timer?.Dispose();
        _stop.Dispose();
    }

    /// <summary>Whose links are kept because a view wants them.</summary>
    public void Want(IEnumerable<NodeId> nodes) => Volatile.Write(ref _wanted, [.. nodes]);

    /// <summary>Keeps the link to a node for good: somebody configured it.</summary>
    public void Pin(NodeId node)
    {
        lock (_lock)
        {
            _pinned.Add(node);
        }
    }

    /// <summary>True for nodes that somebody configured.</summary>
    public bool IsPinned(NodeId node)
    {
        lock (_lock)
        {
            return _pinned.Contains(node);
        }
    }

    /// <summary>Dials a lost neighbour until it is back, or others were lost later.</summary>
    public void Recover(NodeId node)
    {
        lock (_lock)
        {
            _lost.Remove(node);
            _lost.Add(node);
            if (_lost.Count > MaxLost)
            {
                _lost.RemoveAt(0);
            }
        }
    }

    /// <summary>Begins to dial a node.</summary>
    /// <returns>False where it has no address, or failed a moment ago.</returns>
    public bool TryBegin(NodeId node)
    {
        if (_stop.IsCancellationRequested || peers.Find(node) is not { Addresses.IsEmpty: false } peer || !peers.IsDue(peer))
        {
            return false;
        }

        Begin(peer);
        return true;
    }

    /// <summary>Returns once there is a link to the node.</summary>
    /// <exception cref="MeshException">It can't be dialled, or did not answer in time.</exception>
    public async Task LinkAsync(NodeId node, CancellationToken cancellationToken)
    {
        if (links.TryGet(node, out _))
        {
            return;
        }

        if (peers.Find(node) is not { Addresses.IsEmpty: false } peer)
        {
            throw new MeshException(MeshError.Unreachable, $"There is no way to node {node.ToShortString()} now, so nothing was sent: no address of it is known that could be dialled. 'dawn peers' shows who is connected.");
        }

        using var patience = new CancellationTokenSource(OpenTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            await Begin(peer).WaitAsync(either.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new MeshException(MeshError.Unreachable, $"Node {node.ToShortString()} did not answer within {OpenTimeout.TotalSeconds:0} s at any of its {peer.Addresses.Length} addresses, so nothing was sent.", e);
        }
        catch (LinkDialException e)
        {
            throw new MeshException(MeshError.Unreachable, $"There is no way to node {node.ToShortString()} now, so nothing was sent. {e.Message}", e);
        }
    }

    /// <summary>Dials one address, within the limit on dials at once.</summary>
    /// <exception cref="LinkDialException">The link did not come about.</exception>
    public async Task<ILink> DialAsync(Uri address, NodeId? expected, CancellationToken cancellationToken)
    {
        await EnterAsync(cancellationToken);
        try
        {
            var link = await dialer.DialAsync(address, expected, cancellationToken);
            metrics.Dialled(true);
            return link;
        }
        catch (LinkDialException)
        {
            metrics.Dialled(false);
            throw;
        }
        finally
        {
            Leave();
        }
    }

    private Task<ILink> Begin(Peer peer)
    {
        TaskCompletionSource<ILink>? dialling;
        lock (_lock)
        {
            if (_dialling.TryGetValue(peer.Node, out dialling))
            {
                return dialling.Task;
            }

            dialling = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _dialling.Add(peer.Node, dialling);
        }

        _ = RunAsync(peer, dialling);
        return dialling.Task;
    }

    private async Task RunAsync(Peer peer, TaskCompletionSource<ILink> dialling)
    {
        // Whoever asked may be in the middle of something.
        await Task.Yield();
        Exception? failure = null;
        ILink? link = null;
        try
        {
            link = links.TryGet(peer.Node, out var existing) ? existing : await DialAnyAsync(peer, _stop.Token);
        }
        catch (Exception e)
        {
            failure = e is LinkDialException ? e : new LinkDialException(DialFault.Unreachable, e is OperationCanceledException ? "The node is stopping." : e.Message, e);
        }

        lock (_lock)
        {
            _dialling.Remove(peer.Node);
        }

        if (link is not null)
        {
            dialling.SetResult(link);
            return;
        }

        LogFailed(peer.Node.ToShortString(), failure!.Message);
        peers.OnDialFailed(peer.Node);
        dialling.SetException(failure);
        // Views dial without waiting, and are told by the event.
        _ = dialling.Task.Exception;
        DialFailed?.Invoke(peer.Node);
    }

    // The addresses in their order, the next one when the one before fails or takes long; the first link wins (RFC 8305).
    private async Task<ILink> DialAnyAsync(Peer peer, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = new List<Task<ILink>>();
        var failures = new List<LinkDialException>();
        try
        {
            for (var next = 0; ;)
            {
                if (next < peer.Addresses.Length)
                {
                    running.Add(DialAsync(peer.Addresses[next++], peer.Node, over.Token));
                }

                if (running.Count == 0)
                {
                    // The first address is the one that people would try.
                    throw failures[0];
                }

                var late = next < peer.Addresses.Length ? Task.Delay(NextAddressAfter, time, over.Token) : null;
                var done = late is null ? await Task.WhenAny(running) : await Task.WhenAny([.. running, late]);
                if (done is not Task<ILink> dialled || !running.Remove(dialled))
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    continue;
                }

                try
                {
                    return await dialled;
                }
                catch (LinkDialException e)
                {
                    failures.Add(e);
                }
            }
        }
        finally
        {
            await over.CancelAsync();
            running.ForEach(task => _ = IgnoreAsync(task));
        }
    }

    private static async Task IgnoreAsync(Task task)
    {
        try
        {
            await task;
        }
        catch (Exception)
        {
            // Another address was faster; of two links the table keeps one.
        }
    }

    private async Task EnterAsync(CancellationToken cancellationToken)
    {
        TaskCompletionSource turn;
        lock (_lock)
        {
            if (_dials < MaxDials)
            {
                _dials++;
                return;
            }

            _queued.Enqueue(turn = new(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        try
        {
            await turn.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            if (!turn.TrySetCanceled(cancellationToken))
            {
                // It had its turn in the same moment.
                Leave();
            }

            throw;
        }
    }

    private void Leave()
    {
        lock (_lock)
        {
            while (_queued.TryDequeue(out var next))
            {
                if (next.TrySetResult())
                {
                    return;
                }
            }

            _dials--;
        }
    }

    private void OnTick()
    {
        try
        {
            List<NodeId> lost;
            lock (_lock)
            {
                _lost.RemoveAll(node => links.TryGet(node, out _) || peers.Find(node) is null);
                lost = [.. _lost];
            }

            lost.ForEach(node => TryBegin(node));
            foreach (var link in Idle())
            {
                _ = link.CloseAsync(LinkEnd.Done, $"no call or view has needed it for {IdleTimeout.TotalSeconds:0} s");
            }
        }
        catch (Exception e)
        {
            // A timer's thread, where nobody else would catch it: the next tick tries again.
            LogTickFailed(e);
        }
    }

    // Those that this node dialled: what the other end wants of a link that it dialled only it can know.
    private List<ILink> Idle()
    {
        var idle = new List<ILink>();
        var wanted = Volatile.Read(ref _wanted);
        var (all, inUse) = (links.Snapshot, used());
        lock (_lock)
        {
            foreach (var gone in _idle.Where(i => !links.TryGet(i.Key, out var link) || link != i.Value.Link).Select(i => i.Key).ToList())
            {
                _idle.Remove(gone);
            }

            foreach (var link in all.Where(l => l.IsInitiator))
            {
                var isWanted = wanted.Contains(link.Remote) || _pinned.Contains(link.Remote) || inUse.Contains(link.Remote);
                if (isWanted || !_idle.TryGetValue(link.Remote, out var seen) || seen.Link != link || seen.Envelopes != link.Envelopes)
                {
                    _idle[link.Remote] = (link, link.Envelopes, time.GetTimestamp());
                }
                else if (time.GetElapsedTime(seen.Since) >= IdleTimeout)
                {
                    idle.Add(link);
                }
            }
        }

        return idle;
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "No link to {Node}: {Cause}")]
    private partial void LogFailed(string node, string cause);

    [LoggerMessage(Level = LogLevel.Error, Message = "Looking after the links failed; it is tried again")]
    private partial void LogTickFailed(Exception exception);
}
