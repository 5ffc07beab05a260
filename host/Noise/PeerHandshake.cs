using Dawn.Identity;

namespace Dawn.Noise;

/// <summary>The side of a handshake; the values are those that are signed.</summary>
internal enum HandshakeRole : byte
{
    Initiator = 1,
    Responder = 2,
}

/// <param name="Label">What the identities sign under: one of <see cref="SigningLabel"/>, for a link or a session.</param>
/// <param name="Prologue">What both sides must agree on beforehand.</param>
/// <param name="Psk">32 bytes.</param>
/// <param name="Offer">This node's encryption mode; both offers are in the proofs, and whether they agree is for the caller to see.</param>
internal sealed record HandshakeSettings(ReadOnlyMemory<byte> Label, ReadOnlyMemory<byte> Prologue, ReadOnlyMemory<byte> Psk, EncryptionMode Offer)
{
    /// <summary>Who must be at the other end. An initiator then stops before message 3, its own identity unsaid, where another answers.</summary>
    public NodeId? Expected { get; init; }

    /// <summary>
    /// For one who redeems a ticket: shows no certificate and, not knowing the network's key yet, checks none.
    /// <see cref="Expected"/>, from the ticket, is then what names the other end.
    /// </summary>
    public bool AsNewcomer { get; init; }

    /// <summary>For the issuer of a ticket, where the PSK is that ticket's: a proof without certificate will do.</summary>
    public bool AcceptNewcomer { get; init; }
}

/// <summary>
/// XXpsk0+psk3 between two nodes, with proofs of identity and membership in messages 2 and 3 (docs/protocol.md, "Handshake"); the same for links and sessions.
/// </summary>
/// <remarks>One thread at a time. After an exception it is of no more use but to be disposed.</remarks>
internal sealed class PeerHandshake : IDisposable
{
    /// <summary>Bytes in the longest message: keys, tags, and a proof with room for extensions.</summary>
    public const int MaxMessage = 1_024;

    private const byte ProofVersion = 1;

    private const int MaxExtensions = 256;

    private readonly HandshakeRole _role;
    private readonly HandshakeSettings _settings;
    private readonly INodeIdentity _identity;
    private readonly TimeProvider _time;
    private readonly HandshakeState _noise;
    private NodeId? _remote;
    private int _messages;

    public PeerHandshake(HandshakeRole role, HandshakeSettings settings, StaticKey staticKey, INodeIdentity identity, Entropy entropy, TimeProvider time)
    {
        if (settings.AsNewcomer && (role != HandshakeRole.Initiator || settings.Expected is null))
        {
            // Without a certificate to check, only the ticket's NodeId tells the issuer from anybody else who knows the ticket.
            throw new ArgumentException("A newcomer dials, and says whom it expects.", nameof(settings));
        }

        (_role, _settings, _identity, _time) = (role, settings, identity, time);
        _noise = new HandshakeState(
            HandshakePattern.XXpsk0psk3, role == HandshakeRole.Initiator, settings.Prologue.Span, staticKey, null, [settings.Psk, settings.Psk], entropy);
    }

    public bool IsComplete => _noise.IsComplete;

    /// <summary>Who is at the other end: known to the initiator after message 2, to the responder after message 3.</summary>
    public NodeId Remote => _remote ?? throw new InvalidOperationException("The other end has not proven itself yet.");

    /// <summary>The other end's certificate; null where one side is a newcomer.</summary>
    public Certificate? Certificate { get; private set; }

    /// <summary>This node's own certificate as it was shown, once it was; it may have been renewed since.</summary>
    public Certificate? Shown { get; private set; }

    public EncryptionMode RemoteOffer { get; private set; }

    /// <summary>The handshake hash: both ends have the same, and nobody else's handshake does (Noise, section 11.2).</summary>
    public ReadOnlyMemory<byte> Hash => IsComplete ? _noise.Hash.ToArray() : throw new InvalidOperationException("The handshake is not complete.");

    public byte[] WriteMessage()
    {
        _messages++;
        return _noise.WriteMessage(hash => _messages == 1 ? default : Proof(hash));
    }

    /// <exception cref="HandshakeException">The message doesn't hold.</exception>
    public void ReadMessage(ReadOnlySpan<byte> message)
    {
        if (message.Length > MaxMessage)
        {
            throw new HandshakeException(HandshakeFault.Malformed, $"it sent a handshake message of {message.Length} bytes; {MaxMessage} are allowed");
        }

        Span<byte> hash = stackalloc byte[SymmetricState.HashSize];
        var payload = _noise.ReadMessage(message, hash);
        _messages++;
        if (_messages > 1)
        {
            CheckProof(payload, hash);
        }
        else if (payload.Length > 0)
        {
            throw new HandshakeException(HandshakeFault.Malformed, "its first handshake message has a payload");
        }
    }

    /// <summary>The keys to send and to receive with, which are the caller's to dispose. Once.</summary>
    public (Aead Send, Aead Receive) Split() => _noise.Split();

    /// <summary>32 bytes that only the two ends know, independent of the keys (docs/protocol.md, "Checkpoints"); the caller zeroes them.</summary>
    public byte[] ExportSecret() => _noise.ExportSecret();

    public void Dispose() => _noise.Dispose();

    private byte[] Proof(ReadOnlySpan<byte> hash)
    {
        Shown = _settings.AsNewcomer ? null : _identity.Certificate;
        return new WireWriter()
            .UInt8(ProofVersion).UInt8((byte)_settings.Offer).NodeId(_identity.Id)
            .Bytes(_identity.Sign(_settings.Label.Span, Signed(_role, hash)))
            .Block16(Shown is null ? default : Shown.Encoded.Span)
            .Block16(default)
            .ToArray();
    }

    /// <summary>Checks the payload of message 2 or 3; what doesn't hold leaves nothing behind.</summary>
    /// <param name="hash">The handshake hash as it was just before the payload was encrypted.</param>
    /// <exception cref="HandshakeException">The proof doesn't hold.</exception>
    internal void CheckProof(ReadOnlySpan<byte> proof, ReadOnlySpan<byte> hash)
    {
        var reader = new WireReader(proof);
        var version = reader.UInt8();
        var offer = (EncryptionMode)reader.UInt8();
        var remote = reader.NodeId();
        var signature = reader.Bytes(Signatures.Size);
        var certificate = reader.Block16(Identity.Certificate.Size);
        reader.Block16(MaxExtensions);
        if (!reader.Complete || version != ProofVersion || !Enum.IsDefined(offer))
        {
            throw new HandshakeException(HandshakeFault.Malformed, "its proof of identity is not in a form that this version knows");
        }

        var other = _role == HandshakeRole.Initiator ? HandshakeRole.Responder : HandshakeRole.Initiator;
        if (!Signatures.Verify(remote, _settings.Label.Span, Signed(other, hash), signature))
        {
            throw new HandshakeException(HandshakeFault.Signature, $"its signature as node {remote} is wrong");
        }

        if (remote == _identity.Id)
        {
            throw new HandshakeException(HandshakeFault.Self, "it is this very node");
        }

        if (_settings.Expected is { } expected && expected != remote)
        {
            throw new HandshakeException(HandshakeFault.OtherNode, $"node {remote} answers where {expected} was meant");
        }

        // A newcomer has no key to check it against; an issuer takes a proof without one, but none that is wrong.
        if (!_settings.AsNewcomer && !(_settings.AcceptNewcomer && certificate.IsEmpty))
        {
            if (Identity.Certificate.TryRead(certificate, _identity.Network.Key, remote, _time.GetUtcNow(), out var read) is { } refusal)
            {
                Identity.Certificate.TryRead(certificate, _identity.Network.Key, remote, DateTimeOffset.MinValue, out var expired);
                throw new HandshakeException(HandshakeFault.Certificate, $"node {remote} is no member: {refusal}") { Expired = expired?.NotAfter };
            }

            Certificate = read;
        }

        RemoteOffer = offer;
        _remote = remote;
    }

    private static byte[] Signed(HandshakeRole role, ReadOnlySpan<byte> hash) => [(byte)role, .. hash];
}
