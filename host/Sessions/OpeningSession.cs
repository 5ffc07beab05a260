using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;

namespace Dawn.Sessions;

/// <summary>A handshake that this node began; all who want a session with that node wait for it together.</summary>
/// <remarks>A message 2 that doesn't hold may be a forgery: the next repetition then starts over, under a new tag. Thread-safe.</remarks>
internal sealed class OpeningSession(NodeId target, SessionHandshakes handshakes) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource<Session> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _over = new();
    private PeerHandshake? _handshake;
    private byte[] _message = [];
    private ulong _tag;
    private bool _sent;
    private string? _failure;

    public NodeId Target => target;

    public Task<Session> Done => _done.Task;

    /// <summary>Cancelled when <see cref="Done"/> ends.</summary>
    public CancellationToken Over => _over.Token;

    /// <summary>Sends message 1, or repeats it; false where the port has no room.</summary>
    public bool TrySend(EnvelopeOutlet outlet)
    {
        lock (_gate)
        {
            if (_handshake is null && !_done.Task.IsCompleted)
            {
                _tag = handshakes.NewTag();
                _handshake = handshakes.Create(HandshakeRole.Initiator, target, _tag);
                _message = SessionHandshakes.Numbered(1, _handshake.WriteMessage());
            }
        }

        return _sent |= outlet.TrySend(EnvelopeKind.Handshake, target, _tag, _message);
    }

    /// <summary>Takes message 2; returns what a session needs, once, and message 3.</summary>
    /// <exception cref="MeshException">The other end is a member and this can't become a session all the same.</exception>
    public (SessionPeer Peer, (Aead, Aead) Keys, byte[] Message)? TakeAnswer(ulong tag, ReadOnlySpan<byte> message)
    {
        lock (_gate)
        {
            if (tag != _tag || _handshake is not { } handshake)
            {
                return null;
            }

            _handshake = null;
            using (handshake)
            {
                try
                {
                    handshake.ReadMessage(message);
                }
                catch (HandshakeException e)
                {
                    _failure = e.Message;
                    return e.Fault is HandshakeFault.Secret or HandshakeFault.Malformed ? null : throw new MeshException(MeshError.Unreachable, Describe(), e);
                }

                var agreement = EncryptionModes.Agree(handshakes.Encryption, handshake.RemoteOffer);
                if (agreement == EncryptionAgreement.None)
                {
                    throw new MeshException(
                        MeshError.Refused,
                        $"Node {target.ToShortString()} has encryption {handshake.RemoteOffer} and this node {handshakes.Encryption}; set Dawn:Security:Encryption to Optional on one of them.");
                }

                var last = SessionHandshakes.Numbered(3, handshake.WriteMessage());
                SessionPeer peer = new(target, handshake.Certificate!, tag, IsInitiator: true, agreement == EncryptionAgreement.Sealed, handshake.Hash) { Secret = handshake.ExportSecret() };
                return (peer, handshake.Split(), last);
            }
        }
    }

    public void Succeed(Session session)
    {
        _done.TrySetResult(session);
        _over.Cancel();
    }

    public void Fail(MeshException e)
    {
        if (_done.TrySetException(e))
        {
            // Whoever waited may have gone.
            _ = _done.Task.Exception;
        }

        _over.Cancel();
    }

    /// <summary>Why there is no session, for people.</summary>
    public string Describe() =>
        _failure is not null ? $"No session with node {target.ToShortString()}: {_failure}."
        : _sent ? $"Node {target.ToShortString()} did not answer within {SessionHandshakes.GiveUp.TotalSeconds:0} s; it is down, out of reach, or not of this network."
        : $"There is no way to node {target.ToShortString()} now.";

    public void Dispose()
    {
        lock (_gate)
        {
            _handshake?.Dispose();
            _handshake = null;
        }
    }
}
