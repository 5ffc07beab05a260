using Dawn.Identity;
using Dawn.Noise;
using Dawn.Tests;

namespace Dawn.Fuzz.Targets;

/// <summary>The honest other end of the handshakes for new keys: hears what was said, and has the message that is due.</summary>
internal sealed class RekeyPartner(ReadOnlyMemory<byte> label, HandshakeRole role, TimeProvider time) : IDisposable
{
    private readonly SeededEntropy _entropy = new(31);
    private PeerHandshake? _handshake;
    private ReadOnlyMemory<byte> _hash = new byte[SymmetricState.HashSize];
    private byte[]? _answer;

    /// <summary>Handshakes that it has taken part in to the end; nobody has more new keys than these.</summary>
    public int Completed { get; private set; }

    /// <summary>Those of the last; whoever takes them disposes them.</summary>
    public (Aead Send, Aead Receive) Keys { get; private set; }

    /// <summary>Called with each message, its number first.</summary>
    public void Hear(ReadOnlySpan<byte> body)
    {
        try
        {
            switch (body[0])
            {
                case 1 when role == HandshakeRole.Responder:
                    Begin();
                    _handshake!.ReadMessage(body[1..]);
                    _answer = [2, .. _handshake.WriteMessage()];
                    break;
                case 2 when _handshake is { } begun:
                    begun.ReadMessage(body[1..]);
                    _answer = [3, .. begun.WriteMessage()];
                    Complete(begun);
                    break;
                case 3 when _handshake is { } answered:
                    answered.ReadMessage(body[1..]);
                    Complete(answered);
                    break;
            }
        }
        catch (HandshakeException)
        {
            // An answer to something else that was said in its name.
            Dispose();
        }
    }

    /// <summary>The message that is due: an answer, or the first or a request for it.</summary>
    public byte[] Next()
    {
        if (_answer is { } answer)
        {
            _answer = null;
            return answer;
        }

        if (role == HandshakeRole.Responder)
        {
            return [0];
        }

        Begin();
        return [1, .. _handshake!.WriteMessage()];
    }

    public PeerHandshake NewOther(ReadOnlyMemory<byte> previous, Entropy entropy) => New(
        role == HandshakeRole.Initiator ? HandshakeRole.Responder : HandshakeRole.Initiator, previous, World.Self, World.SelfStatic, World.Peer.Id, entropy);

    public void Dispose()
    {
        _handshake?.Dispose();
        _handshake = null;
    }

    private void Begin()
    {
        Dispose();
        _handshake = New(role, _hash, World.Peer, World.PeerStatic, World.Self.Id, _entropy);
    }

    private void Complete(PeerHandshake handshake)
    {
        (Keys, _hash) = (handshake.Split(), handshake.Hash);
        Completed++;
        Dispose();
    }

    private PeerHandshake New(HandshakeRole own, ReadOnlyMemory<byte> previous, TestIdentity identity, StaticKey key, NodeId expected, Entropy entropy) =>
        new(own, new(label, previous, identity.Network.Psk, EncryptionMode.Required) { Expected = expected }, key, identity, entropy, time);
}
