using Dawn.Identity;
using Dawn.Noise;
using Xunit;

namespace Dawn.Tests.Protocol;

/// <summary>Entropy that was written down beforehand: each value once, in order, for exactly the size that is asked for.</summary>
internal sealed class WrittenEntropy(params byte[][] values) : Entropy
{
    private int _next;

    public override void Fill(Span<byte> destination)
    {
        Assert.Equal(values[_next].Length, destination.Length);
        values[_next++].CopyTo(destination);
    }
}

/// <summary>A node's static key, which notes the keys of every handshake that ends with it: the initiator's, then the responder's.</summary>
internal sealed class NotingKey(byte[] privateKey) : StaticKey(new WrittenEntropy(privateKey))
{
    public List<byte[]> Ciphers { get; } = [];

    public override Aead CreateCipher(ReadOnlySpan<byte> key)
    {
        Ciphers.Add(key.ToArray());
        return base.CreateCipher(key);
    }
}

/// <summary>One node of the example: every secret that it has is a byte, 32 times.</summary>
internal sealed class ExampleNode
{
    private readonly byte _first;

    /// <param name="first">The upper half of each of its bytes, such as 0xa0.</param>
    public ExampleNode(byte first)
    {
        _first = first;
        Key = new(Secret(1));
        Static = new(Secret(2));
    }

    public SigningKey Key { get; }

    public NotingKey Static { get; }

    public NodeId Id => Key.Id;

    /// <summary>A secret by its number: 1 identity seed, 2 static key, 3 random of the hello, then ephemeral keys.</summary>
    public byte[] Secret(int number) => [.. Enumerable.Repeat((byte)(_first + number), 32)];
}

/// <summary>
/// Reads along with a handshake of the product, from the same secrets: what a message carries, and h. Each message is also written anew from what was read, and must be the same.
/// </summary>
internal sealed class HandshakeReader : IDisposable
{
    private readonly (StaticKey Initiator, StaticKey Responder) _static;
    private readonly HandshakeState _initiator;
    private readonly HandshakeState _responder;
    private readonly ExamplePage _page;
    private readonly string _what;
    private int _messages;

    public HandshakeReader(ExamplePage page, string what, ExampleNode initiator, ExampleNode responder, int ephemeral, ReadOnlySpan<byte> prologue, byte[] psk)
    {
        (_page, _what) = (page, what);
        _static = (new(new WrittenEntropy(initiator.Secret(2))), new(new WrittenEntropy(responder.Secret(2))));
        _initiator = new(HandshakePattern.XXpsk0psk3, true, prologue, _static.Initiator, null, [psk, psk], new WrittenEntropy(initiator.Secret(ephemeral)));
        _responder = new(HandshakePattern.XXpsk0psk3, false, prologue, _static.Responder, null, [psk, psk], new WrittenEntropy(responder.Secret(ephemeral)));
        page.Line($"{what} prologue", prologue);
        page.Line($"{what} PSK", psk);
        page.Line($"{what} h before message 1", _initiator.Hash);
        using X25519Key e1 = new(initiator.Secret(ephemeral)), e2 = new(responder.Secret(ephemeral));
        page.Line($"{what} initiator's ephemeral private key", initiator.Secret(ephemeral));
        page.Line($"{what} initiator's ephemeral public key", e1.Public);
        page.Line($"{what} responder's ephemeral private key", responder.Secret(ephemeral));
        page.Line($"{what} responder's ephemeral public key", e2.Public);
        page.Line($"{what} DH ee", Agree(e1, e2.Public));
        page.Line($"{what} DH es", Agree(e1, _static.Responder.Public));
        page.Line($"{what} DH se", Agree(e2, _static.Initiator.Public));
    }

    public ReadOnlySpan<byte> Hash => _initiator.Hash;

    public void Read(ReadOnlySpan<byte> message)
    {
        var (writer, reader) = _messages++ % 2 == 0 ? (_initiator, _responder) : (_responder, _initiator);
        Span<byte> before = stackalloc byte[32];
        var payload = reader.ReadMessage(message, before);
        Assert.Equal(message.ToArray(), writer.WriteMessage(_ => payload));
        Assert.Equal(writer.Hash.ToArray(), reader.Hash.ToArray());
        if (_messages > 1)
        {
            _page.Line($"{_what} h that proof {_messages} signs", before);
        }

        _page.Line($"{_what} message {_messages} payload", payload);
        _page.Line($"{_what} message {_messages}", message);
        _page.Line($"{_what} h after message {_messages}", writer.Hash);
    }

    public void Dispose()
    {
        _initiator.Dispose();
        _responder.Dispose();
        _static.Initiator.Dispose();
        _static.Responder.Dispose();
    }

    private static byte[] Agree(X25519Key ours, ReadOnlySpan<byte> theirs)
    {
        var secret = new byte[32];
        Assert.True(ours.TryAgree(theirs, secret));
        return secret;
    }
}
