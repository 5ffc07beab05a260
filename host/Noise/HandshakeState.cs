using System.Security.Cryptography;
using Dawn.Identity;

namespace Dawn.Noise;

/// <summary>Makes a message's payload; it gets the handshake hash as it is just before the payload is encrypted.</summary>
internal delegate ReadOnlySpan<byte> PayloadWriter(ReadOnlySpan<byte> hash);

/// <summary>One handshake (Noise, revision 34, section 5.3): writes and reads messages in turn, and ends in two keys.</summary>
/// <remarks>One thread at a time. After an exception it is of no more use.</remarks>
internal sealed class HandshakeState : IDisposable
{
    /// <summary>Noise's limit for any message.</summary>
    public const int MaxMessage = 65_535;

    private readonly HandshakePattern _pattern;
    private readonly bool _isInitiator;
    private readonly X25519Key? _static;
    private readonly Entropy _entropy;
    private readonly byte[][] _psks;
    private readonly SymmetricState _symmetric;
    private X25519Key? _ephemeral;
    private byte[]? _remoteStatic;
    private byte[]? _remoteEphemeral;
    private int _message;
    private int _psk;

    /// <param name="staticKey">Stays the caller's.</param>
    /// <param name="remoteStatic">For patterns in which it is known beforehand.</param>
    /// <param name="psks">One of 32 bytes for each psk token, in their order; copied, and zeroed in the end.</param>
    public HandshakeState(
        HandshakePattern pattern, bool isInitiator, ReadOnlySpan<byte> prologue, X25519Key? staticKey, byte[]? remoteStatic,
        IEnumerable<ReadOnlyMemory<byte>> psks, Entropy entropy)
    {
        (_pattern, _isInitiator, _static, _remoteStatic, _entropy) = (pattern, isInitiator, staticKey, remoteStatic, entropy);
        _psks = [.. psks.Select(psk => psk.ToArray())];
        if (_psks.Length != pattern.Messages.Sum(tokens => tokens.Count(token => token == NoiseToken.Psk)) || _psks.Any(psk => psk.Length != 32))
        {
            throw new ArgumentException($"{pattern.Name} needs one PSK of 32 bytes for each of its psk tokens.", nameof(psks));
        }

        _symmetric = new SymmetricState(pattern.ProtocolName);
        _symmetric.MixHash(prologue);
        if (pattern.InitiatorStaticKnown)
        {
            _symmetric.MixHash(isInitiator ? Static.Public : RemoteStatic);
        }

        if (pattern.ResponderStaticKnown)
        {
            _symmetric.MixHash(isInitiator ? RemoteStatic : Static.Public);
        }
    }

    public bool IsComplete => _message == _pattern.Messages.Length;

    /// <summary>True where the next message is ours to write.</summary>
    public bool IsOurTurn => !IsComplete && _message % 2 == (_isInitiator ? 0 : 1);

    public ReadOnlySpan<byte> Hash => _symmetric.Hash;

    private X25519Key Static => _static ?? throw new InvalidOperationException($"{_pattern.Name} needs a static key.");

    private byte[] RemoteStatic => _remoteStatic ?? throw new InvalidOperationException($"{_pattern.Name} needs the other's static key.");

    public byte[] WriteMessage(PayloadWriter payload)
    {
        if (!IsOurTurn)
        {
            throw new InvalidOperationException("It is not our turn to write.");
        }

        using var message = new MemoryStream();
        foreach (var token in _pattern.Messages[_message])
        {
            switch (token)
            {
                case NoiseToken.E:
                    _ephemeral = new X25519Key(_entropy);
                    message.Write(_ephemeral.Public);
                    MixEphemeral(_ephemeral.Public);
                    break;
                case NoiseToken.S:
                    message.Write(_symmetric.EncryptAndHash(Static.Public));
                    break;
                default:
                    Mix(token);
                    break;
            }
        }

        message.Write(_symmetric.EncryptAndHash(payload(_symmetric.Hash)));
        _message++;
        return message.ToArray();
    }

    /// <summary>Reads a message and returns its payload.</summary>
    /// <param name="hash">32 bytes: the handshake hash as it is just before the payload is decrypted.</param>
    /// <exception cref="HandshakeException">The message is not one that the other side of this handshake wrote.</exception>
    public byte[] ReadMessage(ReadOnlySpan<byte> message, Span<byte> hash)
    {
        if (IsComplete || IsOurTurn)
        {
            throw new InvalidOperationException("It is not our turn to read.");
        }

        if (message.Length > MaxMessage)
        {
            throw Malformed();
        }

        foreach (var token in _pattern.Messages[_message])
        {
            switch (token)
            {
                case NoiseToken.E:
                    _remoteEphemeral = Take(ref message, X25519Key.Size).ToArray();
                    MixEphemeral(_remoteEphemeral);
                    break;
                case NoiseToken.S:
                    _remoteStatic = _symmetric.DecryptAndHash(Take(ref message, X25519Key.Size + (_symmetric.HasKey ? Aead.TagSize : 0))) ?? throw Unauthenticated();
                    break;
                default:
                    Mix(token);
                    break;
            }
        }

        _symmetric.Hash.CopyTo(hash);
        var payload = _symmetric.DecryptAndHash(message) ?? throw Unauthenticated();
        _message++;
        return payload;
    }

    /// <summary>The keys to send and to receive with; for one-way patterns only the initiator's sending key counts.</summary>
    public (Aead Send, Aead Receive) Split()
    {
        if (!IsComplete)
        {
            throw new InvalidOperationException("The handshake is not complete.");
        }

        var (initiator, responder) = _symmetric.Split(_static);
        return _isInitiator ? (initiator, responder) : (responder, initiator);
    }

    /// <summary>A secret of this handshake besides the transport keys.</summary>
    public byte[] ExportSecret() => IsComplete ? _symmetric.ExportSecret() : throw new InvalidOperationException("The handshake is not complete.");

    public void Dispose()
    {
        _ephemeral?.Dispose();
        _symmetric.Dispose();
        foreach (var psk in _psks)
        {
            CryptographicOperations.ZeroMemory(psk);
        }
    }

    private void MixEphemeral(ReadOnlySpan<byte> key)
    {
        _symmetric.MixHash(key);
        if (_pattern.HasPsk)
        {
            _symmetric.MixKey(key);
        }
    }

    private void Mix(NoiseToken token)
    {
        switch (token)
        {
            case NoiseToken.Psk:
                _symmetric.MixKeyAndHash(_psks[_psk++]);
                break;
            case NoiseToken.EE:
                Agree(_ephemeral!, _remoteEphemeral!);
                break;
            case NoiseToken.ES:
                Agree(_isInitiator ? _ephemeral! : Static, _isInitiator ? RemoteStatic : _remoteEphemeral!);
                break;
            case NoiseToken.SE:
                Agree(_isInitiator ? Static : _ephemeral!, _isInitiator ? _remoteEphemeral! : RemoteStatic);
                break;
            case NoiseToken.SS:
                Agree(Static, RemoteStatic);
                break;
        }
    }

    private void Agree(X25519Key ours, ReadOnlySpan<byte> theirs)
    {
        Span<byte> secret = stackalloc byte[X25519Key.Size];
        try
        {
            if (!ours.TryAgree(theirs, secret))
            {
                throw new HandshakeException(HandshakeFault.Malformed, "it sent an X25519 key of low order");
            }

            _symmetric.MixKey(secret);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> message, int count)
    {
        if (message.Length < count)
        {
            throw Malformed();
        }

        var taken = message[..count];
        message = message[count..];
        return taken;
    }

    private static HandshakeException Malformed() => new(HandshakeFault.Malformed, "it sent a handshake message of a wrong length");

    private static HandshakeException Unauthenticated() =>
        new(HandshakeFault.Secret, "its handshake message doesn't authenticate: another network's secret, or altered on the way");
}
