using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

/// <summary>Keeps this node in the mesh: gives links, messages and time to views and failure detector, and does what these want. Thread-safe.</summary>
/// <remarks>What they want is done outside the lock by one thread at a time, in their order: else a neighbour could hear of two decisions in the wrong one.</remarks>
internal sealed partial class Mesh : IHostedService, IDisposable
{
    // For each link and class of messages: ten times what an honest neighbour sends in a network that changes a lot.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);
    private const int Burst = 100;

    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(1);

    private readonly INodeIdentity _self;
    private readonly RecordTable _records;
    private readonly RecordExchange _exchange;
    private readonly PeerTable _peers;
    private readonly LinkTable _links;
    private readonly LinkKeeper _keeper;
    private readonly IRecordPublisher _publisher;
    private readonly MembershipMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Func<NodeId, bool> _mayLink;
    private readonly long _started;
    private readonly Lock _lock = new();
    private readonly List<Effect> _wanted = [];
    private readonly Queue<Effect> _doing = new();
    private readonly Views _views;
    private readonly FailureDetector _detector;
    private readonly Dictionary<ILink, Gcra[]> _limits = [];
    private ITimer? _timer;
    // What the timer waits for; null while it doesn't.
    private TimeSpan? _due;
    private (long Probes, long Failures) _counted;
    private NodeId[] _active = [];
    private int _viewsVersion;
    private bool _isDoing;
    private bool _isStopped;

    public Mesh(
        INodeIdentity self, RecordTable records, RecordExchange exchange, PeerTable peers, LinkTable links, LinkKeeper keeper, IRecordPublisher publisher, Random random, MembershipMetrics metrics,
        TimeProvider time, ILogger<Mesh> logger, Func<NodeId, bool>? mayLink = null)
    {
        _mayLink = mayLink ?? (_ => true);
        (_self, _records, _exchange, _peers, _links, _keeper, _publisher, _metrics, _time, _logger) = (self, records, exchange, peers, links, keeper, publisher, metrics, time, logger);
        _started = time.GetTimestamp();
        int seed;
        lock (random)
        {
            seed = random.Next();
        }

        // Its own, since the shared one is used by others at the same time.
        var own = new Random(seed);
        _views = new(self.Id, node => _peers.Find(node) is { } peer && IsDialable(peer), () => [.. _peers.Snapshot.Where(IsDialable).Select(p => p.Node)], own, _wanted);
        _detector = new(self.Id, () => _views.Active, node => _links.TryGet(node, out _), own, _wanted) { Measured = _peers.OnRoundTrip };
        metrics.Observe(peers.CountByState, () => (Active.Count, Passive.Count));
        records.Changed += OnRecord;
        keeper.DialFailed += node => Do(now => _views.OnDialFailed(node, now));
    }

    /// <summary>The neighbours.</summary>
    public IReadOnlyList<NodeId> Active => Volatile.Read(ref _active);

    public IReadOnlyList<NodeId> Passive
    {
        get
        {
            lock (_lock)
            {
                return [.. _views.Passive];
            }
        }
    }

    private TimeSpan Now => _time.GetElapsedTime(_started);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _timer = _time.CreateTimer(_ => Do(OnTime), null, ShortestWait, Timeout.InfiniteTimeSpan);
            _due = null;
        }

        // Known from before the start: from here on they are dialled.
        OnMayLinkChanged();
        return Task.CompletedTask;
    }

    /// <summary>Others than before may be dialled now; links with those that may not be go when nothing uses them.</summary>
    public void OnMayLinkChanged()
    {
        var known = _peers.Snapshot.Where(IsDialable).Select(p => p.Node).ToList();
        Do(now =>
        {
            _viewsVersion--;
            known.ForEach(node => _views.OnDialable(node, now));
        });
    }

    /// <summary>Says good-bye, so that nobody need find out.</summary>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_isStopped)
            {
                return Task.CompletedTask;
            }

            _isStopped = true;
            _timer?.Dispose();
        }

        if (_records.Find(_self.Id) is { } record)
        {
            Send(Membership.Leave.Sign(_self, record.Sequence, _time.GetUtcNow()), _links.Snapshot);
        }

        return Task.CompletedTask;
    }

    public void Dispose() => _timer?.Dispose();

    public void OnUp(ILink link)
    {
        _peers.OnLinkUp(link);
        Do(now =>
        {
            _limits[link] = [.. Enum.GetValues<MessageClass>().Select(_ => new Gcra(Interval, Burst))];
            _detector.OnLinkUp(link.Remote, now);
            _views.OnLinkUp(link.Remote, link.IsInitiator, now);
        });
    }

    public void OnDown(ILink link, LinkEnd reason)
    {
        var node = link.Remote;
        var isReplaced = _links.TryGet(node, out _);
        if (!isReplaced)
        {
            _peers.OnLinkDown(node);
        }

        Do(now =>
        {
            _limits.Remove(link);
            if (isReplaced)
            {
                return;
            }

            if (_views.Active.Contains(node))
            {
                _keeper.Recover(node);
            }

            var isBroken = reason is LinkEnd.Broken or LinkEnd.Silent;
            if (reason == LinkEnd.Stopping)
            {
                _detector.OnLeft(node, _records.Find(node)?.Sequence ?? 0);
            }
            else
            {
                _detector.OnLinkDown(node, isBroken, now);
            }

            _views.OnLinkDown(node, !isBroken && reason != LinkEnd.Stopping, now);
        });
    }

    /// <summary>Takes what a neighbour says about the mesh.</summary>
    public void OnFrame(ILink link, ReadOnlySpan<byte> body)
    {
        if (!MembershipMessage.TryRead(body, out var message))
        {
            _ = link.CloseAsync(LinkEnd.Protocol, "a malformed message about the mesh");
            return;
        }

        if (message is null || !IsWithinLimits(link, message))
        {
            return;
        }

        switch (message)
        {
            case Suspicion suspicion:
                OnSuspicion(link, suspicion);
                break;
            case Leave leave:
                OnLeave(link, leave);
                break;
            case Probe:
                Do(now =>
                {
                    _detector.OnMessage(link.Remote, message, now);
                    _views.OnProbed(link.Remote);
                });
                break;
            default:
                Do(now =>
                {
                    if (message.Class == MessageClass.Probes)
                    {
                        _detector.OnMessage(link.Remote, message, now);
                    }
                    else
                    {
                        _views.OnMessage(link.Remote, message, now);
                    }
                });
                break;
        }
    }

    private bool IsDialable(Peer peer) => peer is { Health: PeerHealth.Alive, Addresses.IsEmpty: false, FailedDials: < PeerTable.OfflineAfter } && _mayLink(peer.Node);

    private bool IsWithinLimits(ILink link, MembershipMessage message)
    {
        lock (_lock)
        {
            if (!_limits.TryGetValue(link, out var limits) || limits[(int)message.Class].TryTake(Now))
            {
                return true;
            }
        }

        _metrics.Dropped(message.Class);
        return false;
    }

    private void OnRecord(NodeId node)
    {
        if (node == _self.Id)
        {
            return;
        }

        var record = _records.Find(node);
        Do(now =>
        {
            if (record is null)
            {
                _detector.Forget(node);
                if (!_links.TryGet(node, out _))
                {
                    _views.OnGone(node, now);
                }

                return;
            }

            _detector.OnRecord(node, record.Sequence);
            if (_timer is not null && _peers.Find(node) is { } peer && IsDialable(peer))
            {
                _views.OnDialable(node, now);
            }
        });
    }

    private void OnTime(TimeSpan now)
    {
        _due = null;
        // Whom this node may link with can have changed.
        _viewsVersion--;
        _detector.Members = _peers.Count;
        _detector.OnTime(now);
        _views.OnTime(now);
    }

    private void Do(Action<TimeSpan> step)
    {
        lock (_lock)
        {
            if (_isStopped)
            {
                return;
            }

            var now = Now;
            step(now);
            _wanted.ForEach(_doing.Enqueue);
            _wanted.Clear();
            if (_viewsVersion != _views.Version)
            {
                _viewsVersion = _views.Version;
                _keeper.Want(_views.Wanted.Where(_mayLink));
                Volatile.Write(ref _active, [.. _views.Active]);
                _exchange.Favour(_active);
            }

            var (due, other) = (_views.Due, _detector.Due);
            due = due < other ? due : other;
            if (_due != due)
            {
                _due = due;
                _timer?.Change(due - now > ShortestWait ? due - now : ShortestWait, Timeout.InfiniteTimeSpan);
            }

            var (probes, failures) = _counted;
            _counted = (_detector.Probes, _detector.Failures);
            _metrics.Probed(_counted.Probes - probes, _counted.Failures - failures);
            if (_isDoing)
            {
                return;
            }

            _isDoing = true;
        }

        Effect? next;
        while ((next = Next()) is not null)
        {
            try
            {
                Run(next);
            }
            catch (Exception e)
            {
                // One wish that fails, such as a disk that is full when a record is published, is no reason to forget the others.
                LogFailed(e, next.GetType().Name);
            }
        }
    }

    private Effect? Next()
    {
        lock (_lock)
        {
            _isDoing = _doing.TryDequeue(out var next);
            return next;
        }
    }

    private void Run(Effect effect)
    {
        switch (effect)
        {
            case Effect.Send send:
                Send(send.To, send.Message);
                break;
            case Effect.Spread spread:
                _exchange.Spread(spread.About, spread.Message, spread.Except);
                break;
            case Effect.Dial dial when !_links.TryGet(dial.Node, out _) && !_keeper.TryBegin(dial.Node):
                Do(now => _views.OnDialFailed(dial.Node, now));
                break;
            case Effect.Accuse accuse when _records.Find(accuse.Suspect) is { } record:
                var suspicion = Suspicion.Sign(_self, accuse.Suspect, record.Sequence, _time.GetUtcNow());
                Do(now => Hear(suspicion, null, now));
                break;
            case Effect.Accuse accuse:
                Do(now => _detector.SuspectUnknown(accuse.Suspect, now));
                break;
            case Effect.Refute:
                LogRefuted();
                _publisher.Publish();
                break;
            case Effect.Believe belief:
                Believe(belief.Node, belief.Health);
                break;
        }
    }

    private static void Send(MembershipMessage message, IEnumerable<ILink> to)
    {
        var encoded = message.Encode();
        foreach (var link in to)
        {
            link.TrySend(LinkFrame.Membership, encoded, []);
        }
    }

    private void Send(NodeId to, MembershipMessage message)
    {
        if (_links.TryGet(to, out var link))
        {
            link.TrySend(LinkFrame.Membership, message.Encode(), []);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Node {Node} is {Health}")]
    private partial void LogBelief(string node, PeerHealth health);

    [LoggerMessage(Level = LogLevel.Information, Message = "Somebody could not reach this node and takes it for dead; it publishes a newer record, which says otherwise")]
    private partial void LogRefuted();

    [LoggerMessage(Level = LogLevel.Error, Message = "What membership wanted ({Wish}) failed")]
    private partial void LogFailed(Exception exception, string wish);
}
