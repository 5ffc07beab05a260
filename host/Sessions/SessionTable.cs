using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;

namespace Dawn.Sessions;

/// <summary>All sessions of this node: opens, accepts and reuses them, and gives each envelope to its own. Thread-safe.</summary>
/// <param name="acceptor">Serves what others open; lazy, since agents call through this table in turn.</param>
/// <param name="paths">Opens a way to a node without one; null where nobody can.</param>
internal sealed partial class SessionTable(
    IEnvelopePort port, INodeIdentity identity, SessionSettings settings, Lazy<IChannelAcceptor> acceptor, Entropy entropy, TimeProvider time, ILogger<SessionTable> logger,
    IPathOpener? paths = null)
    : IEnvelopeReceiver, IHostedService
{
    /// <summary>Sessions at once.</summary>
    public const int MaxSessions = 1_024;

    /// <summary>
    /// Sessions with one node: one in each direction, and a few whose other end was restarted and that are not given up yet.
    /// More would let one node take the places of all others.
    /// </summary>
    public const int MaxSessionsPerNode = 16;

    /// <summary>
    /// Handshakes that others began and have not finished: in all, and from one node. A new one takes the place of the oldest,
    /// since a neighbour can name any node as an envelope's source and would otherwise keep others out for as long as these wait.
    /// </summary>
    public const int MaxHalfOpen = 256, MaxHalfOpenPerNode = 8;

    // Sessions that this node is opening: each costs a key in locked memory for as long as nobody answers.
    private const int MaxOpening = 256;

    // Segments that come before message 3, of all half-open sessions together.
    private const long MaxEarlyBytes = 4 * 1024 * 1024;

    // When message 1 or 3 is repeated, counted from the transmission before.
    private static readonly TimeSpan[] Repetitions = [.. new[] { 1, 1, 2, 2, 2, 2 }.Select(seconds => TimeSpan.FromSeconds(seconds))];

    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(10);

    private readonly EnvelopeOutlet _outlet = new(port, identity.Id, entropy);
    private readonly SessionHandshakes _handshakes = new(settings, identity, entropy, time);
    private readonly SessionSigning _signing = new(identity, settings.CheckpointEvery, settings.Evidence);
    private readonly MemoryBudget _memory = new(MemoryBudget.PerProcess);
    private readonly MemoryBudget _early = new(MaxEarlyBytes);
    private readonly CancellationTokenSource _stopping = new();

    // Guards the collections below; taken before a session's own lock, never after.
    private readonly Lock _gate = new();

    // Oldest first, also for each peer: reuse prefers the oldest, and nothing enumerates a dictionary, whose order differs from run to run.
    private readonly List<Session> _sessions = [];
    private readonly Dictionary<NodeId, List<Session>> _byPeer = [];
    private readonly Dictionary<(NodeId Peer, ulong Tag), Session> _byTag = [];
    private readonly Dictionary<NodeId, OpeningSession> _opening = [];
    private readonly List<HalfOpenSession> _halfOpen = [];
    private long _lastTold;

    /// <summary>What the sessions are doing, oldest first.</summary>
    public IReadOnlyList<SessionStatus> Snapshot
    {
        get
        {
            lock (_gate)
            {
                return [.. _sessions.Select(session => session.Status)];
            }
        }
    }

    /// <summary>Nodes that a session is open with, in their order.</summary>
    public IReadOnlyList<NodeId> Remotes
    {
        get
        {
            lock (_gate)
            {
                return [.. _byPeer.Keys.Order()];
            }
        }
    }

    /// <summary>Handshakes that others began and have not finished.</summary>
    public int HalfOpen
    {
        get
        {
            lock (_gate)
            {
                return _halfOpen.Count;
            }
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        port.PathsChanged += OnPathsChanged;
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        port.PathsChanged -= OnPathsChanged;
        _stopping.Cancel();
        foreach (var session in Sessions())
        {
            session.End(MeshError.Stopping, "The node is stopping.", tell: true);
        }

        lock (_gate)
        {
            _halfOpen.ForEach(Discard);
            _halfOpen.Clear();
        }

        return Task.CompletedTask;
    }

    /// <summary>Opens a channel to an agent of another node, over the session that is there or a new one.</summary>
    /// <exception cref="MeshException">No way to the node, a limit, or an id that isn't one.</exception>
    public async ValueTask<MeshChannel> OpenChannelAsync(NodeId target, string agent, string callerAgent, CancellationToken cancellationToken)
    {
        if (!AgentId.IsValid(agent) || !AgentId.IsValid(callerAgent))
        {
            throw new MeshException(MeshError.BadAddress, $"'{(AgentId.IsValid(agent) ? callerAgent : agent)}' is no agent id: it takes 1 to {AgentId.MaxLength} of a-z, 0-9 and -.");
        }

        while (true)
        {
            await WaitForPathAsync(target, cancellationToken);
            var session = await GetOrOpenAsync(target, cancellationToken);
            try
            {
                return session.OpenChannel(agent, callerAgent);
            }
            catch (MeshException) when (session.Ended.IsCompleted)
            {
                // It ended in between, and is no longer in the table: nothing was sent, so another will do.
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    /// <summary>The oldest healthy session with a node, or a new one; callers at the same time share one handshake.</summary>
    /// <exception cref="MeshException">No way to the node, or too many sessions.</exception>
    public async ValueTask<Session> GetOrOpenAsync(NodeId target, CancellationToken cancellationToken)
    {
        if (target == identity.Id)
        {
            throw new MeshException(MeshError.BadAddress, "A node has no session with itself.");
        }

        OpeningSession? opening;
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested)
            {
                throw new MeshException(MeshError.Stopping, "The node is stopping.");
            }

            if (_byPeer.TryGetValue(target, out var sessions) && sessions.Find(session => session.IsHealthy) is { } healthy)
            {
                return healthy;
            }

            if (!_opening.TryGetValue(target, out opening))
            {
                if (_sessions.Count + _opening.Count >= MaxSessions && !_sessions.Exists(session => session.IsIdle))
                {
                    throw TooMany();
                }

                if (_opening.Count >= MaxOpening)
                {
                    throw new MeshException(MeshError.Limit, $"The node is opening {MaxOpening} sessions already, as many as are allowed at once; try again in {SessionHandshakes.GiveUp.TotalSeconds:0} s.");
                }

                _opening.Add(target, opening = new(target, _handshakes));
                _ = OpenAsync(opening);
            }
        }

        return await opening.Done.WaitAsync(cancellationToken);
    }

    /// <summary>Ends all sessions with a node, as when its certificate is revoked.</summary>
    public ValueTask CloseForAsync(NodeId node, MeshError error = MeshError.Refused, string reason = "The node was excluded.")
    {
        foreach (var session in Sessions(node))
        {
            session.End(error, reason, tell: true);
        }

        return ValueTask.CompletedTask;
    }

    public void OnEnvelope(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Target != identity.Id || header.Source == identity.Id)
        {
            return;
        }

        if (header.Kind == EnvelopeKind.Segment)
        {
            OnSegment(header, payload);
        }
        else if (header.Kind == EnvelopeKind.Handshake && payload.Length is > SessionHandshakes.NumberSize and <= SessionHandshakes.NumberSize + PeerHandshake.MaxMessage)
        {
            var message = payload[SessionHandshakes.NumberSize..];
            switch (payload[0])
            {
                case 1:
                    OnFirst(header.Source, header.Tag, message);
                    break;
                case 2:
                    OnAnswer(header.Source, header.Tag, message);
                    break;
                case 3:
                    OnLast(header.Source, header.Tag, message);
                    break;
            }
        }
        else if (header.Kind == EnvelopeKind.Undeliverable && Undeliverable.TryRead(payload, out var code) && code == UndeliverableCode.NoSession)
        {
            Find(header.Source, header.Tag)?.Doubt();
        }

        // Other words of that kind are hints that anybody on the way could forge; retransmission and its time-out decide.
    }

    public void OnCongested(NodeId target, ulong tag) => Find(target, tag)?.OnCongested();

    private Session? Find(NodeId source, ulong tag)
    {
        lock (_gate)
        {
            return _byTag.GetValueOrDefault((source, tag));
        }
    }

    private void OnSegment(in EnvelopeHeader header, ReadOnlySpan<byte> segment)
    {
        Session? session;
        HalfOpenSession? halfOpen = null;
        lock (_gate)
        {
            if (!_byTag.TryGetValue((header.Source, header.Tag), out session))
            {
                halfOpen = FindHalfOpen(header.Source, header.Tag);
            }
        }

        if (session is not null)
        {
            session.OnSegment(segment);
        }
        else if (halfOpen is not null)
        {
            halfOpen.OnSegment(segment, _early);
        }
        else
        {
            TellNoSession(header);
        }
    }

    private void OnPathsChanged(IReadOnlyList<NodeId> nodes)
    {
        foreach (var node in nodes)
        {
            foreach (var session in Sessions(node))
            {
                session.OnPathChanged();
            }
        }
    }

    private void OnOpened(Session session, OpenedChannel opened) => _ = ServeAsync(session, opened);

    private async Task ServeAsync(Session session, OpenedChannel opened)
    {
        var channel = opened.Channel;
        try
        {
            await acceptor.Value.AcceptAsync(
                opened.Agent, channel, new Caller(session.Remote, opened.CallerAgent, session.Certificate.Role, IsLocal: false, session.IsSealed));
            await channel.CloseAsync();
        }
        catch (MeshException e)
        {
            await channel.CloseAsync(e.Error, e.Message);
        }
        catch (Exception e)
        {
            // Whatever an agent does, it ends its own channel and nothing else.
            LogServingFailed(e, opened.Agent, session.Remote);
            await channel.CloseAsync(MeshError.AgentUnavailable, e.Message);
        }
    }

    // The session becomes one of the table's; false where there is no place for it.
    private bool TryAdd(Session session)
    {
        Session? dropped = null;
        lock (_gate)
        {
            if (_stopping.IsCancellationRequested || _byTag.ContainsKey((session.Remote, session.Tag)))
            {
                return false;
            }

            var ofNode = _byPeer.GetValueOrDefault(session.Remote);
            if (ofNode?.Count >= MaxSessionsPerNode)
            {
                // The node knows best which of its own it still uses: the oldest goes.
                dropped = ofNode.Find(other => other.IsIdle) ?? ofNode[0];
            }
            else if (_sessions.Count >= MaxSessions && (dropped = _sessions.Find(other => other.IsIdle)) is null)
            {
                return false;
            }

            _sessions.Add(session);
            _byTag.Add((session.Remote, session.Tag), session);
            if (!_byPeer.TryGetValue(session.Remote, out var peers))
            {
                _byPeer.Add(session.Remote, peers = []);
            }

            peers.Add(session);
        }

        dropped?.End(MeshError.None, "Its place was needed.", tell: true);
        LogOpened(session.Remote, session.IsInitiator, session.IsSealed);
        return true;
    }

    private void OnEnded(Session session)
    {
        lock (_gate)
        {
            if (!_sessions.Remove(session))
            {
                return;
            }

            _byTag.Remove((session.Remote, session.Tag));
            var peers = _byPeer[session.Remote];
            peers.Remove(session);
            if (peers.Count == 0)
            {
                _byPeer.Remove(session.Remote);
            }
        }

        if (session.EndError == MeshError.Protocol)
        {
            LogBroken(session.Remote, session.EndReason);
        }
        else
        {
            LogEnded(session.Remote, session.EndReason);
        }
    }

    private Session NewSession((SessionPeer Peer, (Aead, Aead) Keys) agreed) =>
        new(new(identity.Id, _outlet, time, _memory, _handshakes, _signing), agreed.Peer, agreed.Keys, OnOpened, OnEnded);

    /// <summary>All sessions, or those with a node.</summary>
    public Session[] Sessions(NodeId? node = null)
    {
        lock (_gate)
        {
            return node is not { } peer ? [.. _sessions] : _byPeer.TryGetValue(peer, out var sessions) ? [.. sessions] : [];
        }
    }

    private static MeshException TooMany() => new(MeshError.Limit, $"The node has {MaxSessions} sessions, as many as are allowed, and all are in use.");

    [LoggerMessage(Level = LogLevel.Information, Message = "Session with {Node} is open (initiator: {IsInitiator}, sealed: {IsSealed})")]
    private partial void LogOpened(NodeId node, bool isInitiator, bool isSealed);

    [LoggerMessage(Level = LogLevel.Information, Message = "Session with {Node} ended: {Reason}")]
    private partial void LogEnded(NodeId node, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Agent {Agent} failed on a channel of {Node}")]
    private partial void LogServingFailed(Exception exception, string agent, NodeId node);
}
