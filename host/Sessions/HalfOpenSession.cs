using Dawn.Identity;
using Dawn.Noise;

namespace Dawn.Sessions;

/// <summary>A handshake that another node began and has not finished. Thread-safe.</summary>
internal sealed class HalfOpenSession(NodeId source, ulong tag, long since) : IDisposable
{
    /// <summary>Segments that came before message 3, at most (docs/protocol.md, "Handshake").</summary>
    private const int MaxEarly = 64;

    private readonly Lock _gate = new();
    private readonly List<byte[]> _early = [];
    private PeerHandshake? _handshake;
    private byte[] _first = [];
    private byte[]? _answer;
    private Session? _session;
    private bool _released;

    public NodeId Source => source;

    public ulong Tag => tag;

    /// <summary>A time stamp, since the clock may be set meanwhile.</summary>
    public long Since => since;

    /// <summary>Takes message 1, the first or repeated; null where it is another than before.</summary>
    /// <exception cref="HandshakeException">It doesn't hold.</exception>
    public byte[]? TakeFirst(ReadOnlySpan<byte> message, SessionHandshakes handshakes, out bool isRepeated)
    {
        isRepeated = false;
        lock (_gate)
        {
            if (_released)
            {
                return null;
            }

            if (_answer is not null)
            {
                isRepeated = message.SequenceEqual(_first);
                return isRepeated ? _answer : null;
            }

            _handshake = handshakes.Create(HandshakeRole.Responder, source, tag);
            _handshake.ReadMessage(message);
            _first = message.ToArray();
            return _answer = SessionHandshakes.Numbered(2, _handshake.WriteMessage());
        }
    }

    /// <summary>Takes message 3; returns what a session needs, once.</summary>
    /// <exception cref="HandshakeException">It doesn't hold, and no other will: the handshake is over.</exception>
    public (SessionPeer Peer, (Aead, Aead) Keys)? TakeLast(ReadOnlySpan<byte> message, SessionHandshakes handshakes)
    {
        lock (_gate)
        {
            if (_answer is null || _handshake is not { } handshake)
            {
                return null;
            }

            _handshake = null;
            using (handshake)
            {
                handshake.ReadMessage(message);
                var agreement = EncryptionModes.Agree(handshakes.Encryption, handshake.RemoteOffer);
                return agreement == EncryptionAgreement.None
                    ? throw new HandshakeException(HandshakeFault.Encryption, $"it has encryption {handshake.RemoteOffer} and this node {handshakes.Encryption}")
                    : (new(source, handshake.Certificate!, tag, IsInitiator: false, agreement == EncryptionAgreement.Sealed, handshake.Hash) { Secret = handshake.ExportSecret() }, handshake.Split());
            }
        }
    }

    /// <summary>The session is there: from now on segments go to it, first those that came early.</summary>
    public void Become(Session session)
    {
        lock (_gate)
        {
            _session = session;
        }

        // Nothing is added any more.
        foreach (var segment in _early)
        {
            session.OnSegment(segment);
        }
    }

    /// <summary>Keeps a segment that came before message 3, as far as it may.</summary>
    public void OnSegment(ReadOnlySpan<byte> segment, MemoryBudget budget)
    {
        Session? session;
        lock (_gate)
        {
            session = _session;
            if (session is null)
            {
                if (!_released && _early.Count < MaxEarly && budget.TryTake(segment.Length))
                {
                    _early.Add(segment.ToArray());
                }

                return;
            }
        }

        session.OnSegment(segment);
    }

    /// <summary>Gives back what was held.</summary>
    public void Release(MemoryBudget budget)
    {
        lock (_gate)
        {
            foreach (var segment in _released ? [] : _early)
            {
                budget.Give(segment.Length);
            }

            _released = true;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _handshake?.Dispose();
            _handshake = null;
        }
    }
}
