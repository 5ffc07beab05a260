using Dawn.Identity;
using Dawn.Noise;

namespace Dawn.Links;

/// <summary>What the next handshake on a link builds on.</summary>
/// <param name="Hash">The last handshake's h: the next one's prologue, which chains them.</param>
/// <param name="Offer">The other end's encryption mode, which it must not change on a link.</param>
/// <param name="Shown">This node's own certificate, as the other end has it.</param>
/// <param name="Next">Makes the next handshake from its prologue: in the same role, with the same node.</param>
internal sealed record HandshakeOrigin(ReadOnlyMemory<byte> Hash, EncryptionMode Offer, Certificate Shown, Func<ReadOnlyMemory<byte>, PeerHandshake> Next);

/// <summary>One end of the in-band handshakes for new keys: when they begin, whose turn it is, and when each direction switches (docs/protocol.md, "Rekeying").</summary>
/// <remarks>
/// The initiator begins; the responder asks it to. Called by the link's timer and its reading loop, so under a lock; both only ever queue frames.
/// A message of the other end that is out of turn or doesn't hold throws <see cref="HandshakeException"/>, and is the end of the link.
/// </remarks>
internal sealed class Rekeying(HandshakeOrigin origin, Certificate remote, bool isInitiator, bool isSealed, INodeIdentity identity, LinkOptions options, SendQueue queue, TimeProvider time)
    : IDisposable
{
    /// <summary>No rekeying begins sooner after the one before, whatever the reasons: more than this is a waste or an attack.</summary>
    public static readonly TimeSpan MinInterval = TimeSpan.FromSeconds(1);

    // The initiator's interval begins later than the responder's, so only clocks that run differently can make it look shorter.
    private static readonly TimeSpan ToleratedInterval = MinInterval / 2;

    private enum Awaited
    {
        Nothing,

        /// <summary>By a responder that has asked for it.</summary>
        First,

        /// <summary>Message 2, by the initiator; message 3, by the responder.</summary>
        Answer,

        Switch,
    }

    private enum Message : byte
    {
        Request = 0,
        First = 1,
        Second = 2,
        Third = 3,
    }

    private readonly Lock _lock = new();
    private HandshakeOrigin _origin = origin;
    private Certificate _remote = remote;
    private PeerHandshake? _handshake;
    private Aead? _send;
    private Aead? _receive;
    private Awaited _awaited;
    private int _ticksAwaited;
    private bool _isRequested;
    private bool _isDisposed;
    private long _began = time.GetTimestamp();
    private int _epoch;

    /// <summary>How often the keys have been replaced.</summary>
    public int Epoch => Volatile.Read(ref _epoch);

    /// <summary>The other end's certificate, as it showed it last.</summary>
    public Certificate Remote => Volatile.Read(ref _remote);

    /// <summary>Begins a rekeying, or asks for one, where there is a reason to.</summary>
    /// <param name="bytes">Sealed or opened in this epoch, whichever is more.</param>
    /// <returns>False where the other end has taken too long for its next step.</returns>
    public bool OnTick(TimeSpan tick, long bytes)
    {
        lock (_lock)
        {
            if (_awaited != Awaited.Nothing)
            {
                return ++_ticksAwaited < options.RekeyTimeout / tick;
            }

            BeginIf(_isRequested || HasReason(bytes));
            return true;
        }
    }

    /// <exception cref="HandshakeException">The link must end.</exception>
    public void OnMessage(ReadOnlySpan<byte> body)
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }

            if (body.IsEmpty)
            {
                throw OutOfTurn("an empty rekeying frame");
            }

            var message = body[1..];
            switch ((Message)body[0])
            {
                case Message.Request when isInitiator && _awaited is Awaited.Nothing or Awaited.Answer && !_isRequested && message.IsEmpty:
                    // Each epoch has one. That which crosses our first message has what it asks for.
                    _isRequested = true;
                    BeginIf(_awaited == Awaited.Nothing);
                    break;
                case Message.First when !isInitiator && _awaited is Awaited.Nothing or Awaited.First:
                    OnFirst(message);
                    break;
                case Message.Second when isInitiator && _awaited is Awaited.Answer:
                    OnSecond(message);
                    break;
                case Message.Third when !isInitiator && _awaited is Awaited.Answer:
                    ReadAnswer(message);
                    Finish();
                    break;
                default:
                    throw OutOfTurn($"rekeying message {body[0]} with {message.Length} bytes out of turn");
            }
        }
    }

    /// <summary>The record that ends with the other end's switch was opened: takes the key for those after it, and lets a responder's own direction follow.</summary>
    /// <returns>Null on clear links. The caller's to dispose.</returns>
    /// <exception cref="HandshakeException">The link must end.</exception>
    public Aead? OnSwitch()
    {
        lock (_lock)
        {
            if (_awaited != Awaited.Switch)
            {
                throw OutOfTurn("a switch to keys that were not agreed on");
            }

            (var receive, _receive) = (_receive, null);
            (_awaited, _isRequested, _began) = (Awaited.Nothing, false, time.GetTimestamp());
            Volatile.Write(ref _epoch, _epoch + 1);
            if (!isInitiator)
            {
                QueueSwitch();
            }

            return receive;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _awaited = Awaited.Nothing;
            _handshake?.Dispose();
            _send?.Dispose();
            _receive?.Dispose();
            (_handshake, _send, _receive) = (null, null, null);
        }
    }

    private TimeSpan Age => time.GetElapsedTime(_began);

    // The responder leaves age to the initiator, as long as that does act, so that both don't at once.
    private bool HasReason(long bytes) =>
        Age >= (isInitiator ? options.RekeyAfter : options.RekeyAfter + options.RekeyMargin)
        || bytes >= options.RekeyBytes
        || !identity.Certificate.Encoded.Span.SequenceEqual(_origin.Shown.Encoded.Span);

    private void BeginIf(bool isWanted)
    {
        if (!isWanted || _isDisposed || Age < MinInterval)
        {
            return;
        }

        if (!isInitiator)
        {
            Await(TryQueue(Message.Request, default) ? Awaited.First : Awaited.Nothing);
            return;
        }

        _handshake = _origin.Next(_origin.Hash);
        if (TryQueue(Message.First, _handshake.WriteMessage()))
        {
            Await(Awaited.Answer);
            return;
        }

        _handshake.Dispose();
        _handshake = null;
    }

    private void OnFirst(ReadOnlySpan<byte> message)
    {
        if (_epoch > 0 && Age < ToleratedInterval)
        {
            throw OutOfTurn($"it began a rekeying {Age.TotalSeconds:0.00} s after the last; {MinInterval.TotalSeconds:0} s is the least");
        }

        _handshake = _origin.Next(_origin.Hash);
        _handshake.ReadMessage(message);
        TryQueue(Message.Second, _handshake.WriteMessage());
        Await(Awaited.Answer);
    }

    private void OnSecond(ReadOnlySpan<byte> message)
    {
        ReadAnswer(message);
        TryQueue(Message.Third, _handshake!.WriteMessage());
        Finish();
        QueueSwitch();
    }

    private void ReadAnswer(ReadOnlySpan<byte> message)
    {
        _handshake!.ReadMessage(message);
        if (_handshake.RemoteOffer != _origin.Offer)
        {
            throw new HandshakeException(HandshakeFault.Malformed, "it changed its encryption mode on a link that is up");
        }
    }

    private void Finish()
    {
        using var done = _handshake!;
        _handshake = null;
        if (isSealed)
        {
            (_send, _receive) = done.Split();
        }

        _origin = _origin with { Hash = done.Hash, Shown = done.Shown! };
        Volatile.Write(ref _remote, done.Certificate!);
        Await(Awaited.Switch);
    }

    private void Await(Awaited awaited) => (_awaited, _ticksAwaited) = (awaited, 0);

    // False only where the link is ending and nothing more is sent. There is always room: each message answers one that came after
    // the other end had read ours, so that never more than one rekeying's are in the queue, and the queue keeps so much for them.
    private bool TryQueue(Message number, ReadOnlySpan<byte> message) => queue.TryAdd(LinkFrame.Rekey, [(byte)number], message);

    private void QueueSwitch()
    {
        (var send, _send) = (_send, null);
        if (!queue.TrySwitch(send))
        {
            send?.Dispose();
        }
    }

    private static HandshakeException OutOfTurn(string what) => new(HandshakeFault.Malformed, what);
}
