using System.Buffers;
using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Noise;

namespace Dawn.Sessions;

/// <summary>What a session needs of the node around it.</summary>
/// <param name="Signing">For sealed sessions; null where nothing is signed and no signature taken.</param>
internal sealed record SessionContext(
    NodeId Self, EnvelopeOutlet Outlet, TimeProvider Time, MemoryBudget Memory, SessionHandshakes Handshakes, SessionSigning? Signing = null);

/// <summary>What a handshake found out.</summary>
/// <param name="Tag">Names the session, together with its initiator.</param>
/// <param name="Hash">The handshake's: the prologue of the next one.</param>
internal sealed record SessionPeer(NodeId Node, Certificate Certificate, ulong Tag, bool IsInitiator, bool IsSealed, ReadOnlyMemory<byte> Hash)
{
    /// <summary>What only the two ends know besides the keys (docs/protocol.md, "Checkpoints"); the session zeroes it.</summary>
    public byte[] Secret { get; init; } = [];
}

/// <summary>A channel that the other end opened.</summary>
internal readonly record struct OpenedChannel(SessionChannel Channel, string Agent, string CallerAgent);

/// <summary>
/// An end-to-end encrypted conversation with another node: carries channels over whatever path there is, each frame once and in order. Thread-safe.
/// This file: life cycle and channels. The others: what it sends, what it receives, what is due when. All state is guarded by <see cref="Gate"/>, which is never held while calling out.
/// </summary>
internal sealed partial class Session : IThreadPoolWorkItem
{
    /// <summary>Channels open at once (docs/protocol.md, "Windows").</summary>
    public const int MaxChannels = 1_024;

    /// <summary>Without any progress for so long while something is outstanding, the session is lost.</summary>
    public static readonly TimeSpan ProgressTimeOut = TimeSpan.FromSeconds(30);

    private const long AckDelay = 20 * TimeSpan.TicksPerMillisecond;
    private const long StallAfter = 3 * TimeSpan.TicksPerSecond;
    // Without an ack for so long another path is tried: long enough for several repetitions on a path of the usual length.
    private const long MoveAfter = 2 * TimeSpan.TicksPerSecond;
    private const long IdleTimeOut = 10 * TimeSpan.TicksPerMinute;
    // Channels keep a session only as long as its other end is there: one that was killed or cut off says nothing, and nothing may be outstanding.
    private const long SilenceTimeOut = IdleTimeOut;
    private const long PingAfterSilence = TimeSpan.TicksPerMinute;
    private const long MeasureEvery = 10 * TimeSpan.TicksPerSecond;
    private const long ResendPause = 20 * TimeSpan.TicksPerMillisecond;

    // A timer cannot wait for a certificate's years; it looks again.
    private const long LongestWait = TimeSpan.TicksPerHour;

    // Ids that this end has closed and the other has not, which frames on the way may still name. Peers answer a close, so this is for those that don't.
    private const int MaxClosing = 8_192;

    // How long a session that the other end seems not to know may show a sign of life; asked for several times.
    private const long DoubtTimeOut = 3 * TimeSpan.TicksPerSecond;
    private const long DoubtPingEvery = TimeSpan.TicksPerSecond;

    private const long Never = long.MaxValue;

    private readonly SessionContext _context;
    private readonly SessionPeer _peer;
    private readonly Action<Session, OpenedChannel> _onOpened;
    private readonly Action<Session> _onEnded;
    private readonly long _started;
    private readonly ITimer _timer;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<uint, SessionChannel> _channels = [];
    private readonly HashSet<uint> _closing = [];
    private readonly Queue<uint> _closingOrder = [];
    private readonly List<SessionChannel> _waitingForRoom = [];
    private readonly RoundTripEstimator _roundTrip = new();

    private MeshException? _end;
    private uint _nextChannel;
    private long _nextRemoteChannel;
    private long _timerAt = Never;
    private long _ackAt = Never;
    private long _lazyAt = Never;
    private long _retransmitAt = Never;
    private long _resendAt = Never;
    private long _resentAt = -ResendPause;
    private long _stalledAt;
    private long _congestedAt = -ResendPause;
    private long _pathlessAt = Never;
    private long _doubtedAt = Never;
    private long _doubtPingAt = Never;
    private long _progressAt;
    private long _heardAt;
    private long _silencePingAt = PingAfterSilence;
    private long _idleSince;

    /// <param name="onOpened">Called for each channel that the other end opens, outside of locks.</param>
    /// <param name="onEnded">Called once, outside of locks.</param>
    public Session(SessionContext context, SessionPeer peer, (Aead Send, Aead Receive) keys, Action<Session, OpenedChannel> onOpened, Action<Session> onEnded)
    {
        (_context, _peer, _onOpened, _onEnded) = (context, peer, onOpened, onEnded);
        _keys = new(0, keys);
        _sendAssociated = SegmentHeader.AssociatedPrefix(context.Self, peer.Node, peer.Tag);
        _receiveAssociated = SegmentHeader.AssociatedPrefix(peer.Node, context.Self, peer.Tag);
        if (peer.IsSealed && context.Signing is { } signing)
        {
            _signer = new(signing.Identity, new(context.Self, peer.Node, peer.IsInitiator, peer.Tag), Salts.Key(peer.Secret, peer.IsInitiator), signing.Every);
            _verifier = new(new(peer.Node, context.Self, !peer.IsInitiator, peer.Tag), peer.Certificate, Salts.Key(peer.Secret, !peer.IsInitiator), signing.Evidence);
        }

        CryptographicOperations.ZeroMemory(peer.Secret);

        Budget = new(MemoryBudget.PerSession, context.Memory, MemoryBudget.OwnOfSession);
        (_nextChannel, _nextRemoteChannel) = peer.IsInitiator ? (0u, 1L) : (1u, 0L);
        _started = context.Time.GetTimestamp();
        (_certificate, _shown) = (peer.Certificate, context.Handshakes.Certificate);
        BeginEpoch(peer.Hash, peer.Certificate, 0);
        _timer = context.Time.CreateTimer(static self => ((Session)self!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        lock (Gate)
        {
            Schedule(Now);
        }
    }

    public NodeId Remote => _peer.Node;

    /// <summary>The one that the other end showed last.</summary>
    public Certificate Certificate => Volatile.Read(ref _certificate);

    public ulong Tag => _peer.Tag;

    public bool IsInitiator => _peer.IsInitiator;

    public bool IsSealed => _peer.IsSealed;

    /// <summary>Ends once the session is over, and never fails.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Cancelled when the session ends.</summary>
    public CancellationToken Over => _stopping.Token;

    /// <summary>What ended it.</summary>
    public MeshError EndError => _end?.Error ?? MeshError.None;

    /// <summary>Why it ended, for people.</summary>
    public string EndReason => _end?.Message ?? "";

    /// <summary>True once the other end has proven that it has the keys: something from it has authenticated.</summary>
    public bool IsConfirmed { get; private set; }

    public Lock Gate { get; } = new();

    /// <summary>For messages that wait to be assembled or read.</summary>
    public MemoryBudget Budget { get; }

    /// <summary>False where a new channel had better not go: it is over, about to be dropped, or nothing has been acknowledged for a while.</summary>
    public bool IsHealthy
    {
        get
        {
            lock (Gate)
            {
                return _end is null && _doubtedAt == Never
                    && (_out.IsEmpty || Now - _progressAt < StallAfter)
                    && (_channels.Count > 0 || Now - _idleSince < IdleTimeOut - TimeSpan.TicksPerMinute);
            }
        }
    }

    /// <summary>No channels; what to drop first where there are too many sessions.</summary>
    public bool IsIdle
    {
        get
        {
            lock (Gate)
            {
                return _channels.Count == 0;
            }
        }
    }

    public SessionStatus Status
    {
        get
        {
            lock (Gate)
            {
                var state = _end is not null ? "ended" : !IsConfirmed ? "opening" : _out.IsEmpty || Now - _progressAt < StallAfter ? "open" : "stalled";
                return new(Remote, IsInitiator, state, _channels.Count, _measured == 0 ? null : TimeSpan.FromTicks(_measured), IsSealed, _bytesSent, _bytesReceived, _keys.Number);
            }
        }
    }

    private long Now => _context.Time.GetElapsedTime(_started).Ticks;

    /// <summary>Opens a channel; its open frame leaves with the first message, or shortly after by itself.</summary>
    /// <exception cref="MeshException">The session is over or has too many channels.</exception>
    public SessionChannel OpenChannel(string agent, string callerAgent)
    {
        lock (Gate)
        {
            ThrowIfEnded();
            if (_channels.Count >= MaxChannels || _out.IsOverLimit)
            {
                throw new MeshException(MeshError.Limit, $"The session with {Remote.ToShortString()} has {MaxChannels} channels, as many as are allowed; close some.");
            }

            var channel = new SessionChannel(this, _nextChannel, SessionChannel.WindowBeforeAccept);
            _nextChannel += 2;
            _channels.Add(channel.Id, channel);
            var frame = ArrayPool<byte>.Shared.Rent(Frame.MaxControl);
            Enqueue(frame, Frame.WriteOpen(frame, Unnumbered, channel.Id, SessionChannel.Window, agent, callerAgent));
            _lazyAt = Now + AckDelay;
            Schedule(Now);
            return channel;
        }
    }

    /// <summary>The path to the other end came or changed: what was under way may be lost, or the other end have been restarted.</summary>
    public void OnPathChanged()
    {
        // Asked outside of the gate, which is never held while calling out.
        var hasPath = _context.Outlet.CanReach(Remote);
        lock (Gate)
        {
            if (_end is not null)
            {
                return;
            }

            var now = Now;
            if (!hasPath)
            {
                // Nothing can be sent; how long that may last is counted also while nothing is outstanding, for whoever waits for an answer.
                _pathlessAt = Math.Min(_pathlessAt, now);
                Schedule(now);
                return;
            }

            _pathlessAt = Never;
            if (now - _resentAt < ResendPause)
            {
                // A flapping path must not multiply what is sent.
                _resendAt = _resentAt + ResendPause;
                Schedule(now);
                return;
            }

            Resend(now);
        }

        Flush();
    }

    /// <summary>A relay on the way had no room for what this end sent.</summary>
    public void OnCongested()
    {
        lock (Gate)
        {
            // Of all that is dropped in one round trip the first says it.
            var now = Now;
            if (_end is null && now - _congestedAt >= Math.Max(ResendPause, _measured))
            {
                _congestedAt = now;
                _out.OnCongested();
            }
        }
    }

    /// <summary>
    /// Somebody says that the other end doesn't know this session, as after a restart. Anybody on the way can say so,
    /// and it counts only when nothing authentic comes while asked for, which whoever stops the traffic could bring about anyway.
    /// </summary>
    public void Doubt()
    {
        lock (Gate)
        {
            if (_end is not null || _doubtedAt != Never)
            {
                return;
            }

            var now = Now;
            (_doubtedAt, _doubtPingAt, _pingDue) = (now, now + DoubtPingEvery, true);
            Schedule(now);
        }

        Flush();
    }

    /// <summary>Asks for a sign of life.</summary>
    public void Ping()
    {
        lock (Gate)
        {
            _pingDue = true;
        }

        Flush();
    }

    /// <summary>Ends the session and all its channels; a second end does nothing.</summary>
    /// <param name="tell">Say goodbye, with the same code and text.</param>
    public void End(MeshError error, string text, bool tell)
    {
        lock (Gate)
        {
            if (_end is not null)
            {
                return;
            }

            _end = new(error == MeshError.None ? MeshError.Lost : error, text);
            _goodbye = tell ? (error, text) : null;
            foreach (var channel in _channels.Values)
            {
                channel.Break(_end);
            }

            _channels.Clear();
            KeepLastCheckpoints();
            _out.Clear();
            _in.Clear();
        }

        _timer.Dispose();
        _stopping.Cancel();
        Flush();
        DisposeReceiveKeys();

        _ended.TrySetResult();
        _onEnded(this);
    }

    public void ThrowIfEnded()
    {
        if (_end is not null)
        {
            throw new MeshException(_end.Error, _end.Message, _end);
        }
    }

    /// <summary>Takes a closed channel out. Call under <see cref="Gate"/>.</summary>
    /// <param name="expectClose">The other end has not closed it yet, so its frames may still come.</param>
    public void Remove(SessionChannel channel, bool expectClose)
    {
        _channels.Remove(channel.Id);
        _waitingForRoom.Remove(channel);
        if (expectClose && _closing.Add(channel.Id))
        {
            _closingOrder.Enqueue(channel.Id);
            while (_closingOrder.Count > MaxClosing)
            {
                _closing.Remove(_closingOrder.Dequeue());
            }
        }

        if (_channels.Count == 0)
        {
            _idleSince = Now;
            Schedule(_idleSince);
        }
    }
}
