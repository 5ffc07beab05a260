using System.Security.Cryptography;
using BenchmarkDotNet.Attributes;
using Dawn.Benchmarks.Peers;
using Dawn.Identity;
using Dawn.Noise;

namespace Dawn.Benchmarks.Micro;

/// <summary>AES-256-GCM, in both back ends: libsodium's for the keys of links and sessions, the BCL's for those of handshakes.</summary>
public class AeadBenchmarks
{
    private byte[] _plaintext = [];
    private byte[] _sealed = [];
    private Aead _key = null!;
    private ulong _nonce;

    [Params(200, 1_024, 16_384)]
    public int Size { get; set; }

    /// <summary>Whether libsodium does it; else the BCL.</summary>
    [Params(true, false)]
    public bool Locked { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var key = Entropy.System.Bytes(Aead.KeySize);
        _key = Locked ? Aead.Create(key) : Aead.CreateBrief(key);
        (_plaintext, _sealed) = (new byte[Size], new byte[Size + Aead.TagSize]);
        _key.Seal(0, default, _plaintext, _sealed);
        _nonce = 1;
    }

    [GlobalCleanup]
    public void CleanUp() => _key.Dispose();

    [Benchmark]
    public void Seal()
    {
        Span<byte> into = stackalloc byte[Size + Aead.TagSize];
        _key.Seal(_nonce++, default, _plaintext, into);
    }

    [Benchmark]
    public bool Open() => _key.TryOpen(0, default, _sealed, _plaintext);
}

/// <summary>What identities and handshakes are made of.</summary>
public class KeyBenchmarks
{
    private readonly byte[] _content = new byte[120];
    private readonly byte[] _leaf = new byte[1 + 16 + 8 + 4 + 200];
    private SigningKey _signing = null!;
    private X25519Key _ours = null!;
    private byte[] _theirs = [];
    private byte[] _signature = [];

    [GlobalSetup]
    public void SetUp()
    {
        _signing = new(Entropy.System.Bytes(32));
        _signature = _signing.Sign(SigningLabel.Checkpoint, _content);
        _ours = new(Entropy.System);
        using var other = new X25519Key(Entropy.System);
        _theirs = other.Public.ToArray();
    }

    [GlobalCleanup]
    public void CleanUp()
    {
        _signing.Dispose();
        _ours.Dispose();
    }

    [Benchmark]
    public byte[] Ed25519Sign() => _signing.Sign(SigningLabel.Checkpoint, _content);

    [Benchmark]
    public bool Ed25519Verify() => Signatures.Verify(_signing.Id, SigningLabel.Checkpoint, _content, _signature);

    [Benchmark]
    public bool X25519Agree()
    {
        Span<byte> secret = stackalloc byte[X25519Key.Size];
        return _ours.TryAgree(_theirs, secret);
    }

    /// <summary>A leaf of a checkpoint over a message of 200 B.</summary>
    [Benchmark]
    public int Sha256Leaf()
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        return SHA256.HashData(_leaf, hash);
    }
}

/// <summary>XXpsk0+psk3 with both proofs of identity, both sides together, from the first message to the keys.</summary>
public class HandshakeBenchmarks
{
    private readonly byte[] _root = Entropy.System.Bytes(NetworkSecret.RootSize);
    private PeerIdentity _a = null!;
    private PeerIdentity _b = null!;
    private StaticKey _keyA = null!;
    private StaticKey _keyB = null!;

    [GlobalSetup]
    public void SetUp() =>
        (_a, _b, _keyA, _keyB) = (PeerIdentity.Create(_root), PeerIdentity.Create(_root), new(Entropy.System), new(Entropy.System));

    [Benchmark]
    public bool Handshake()
    {
        using var initiator = Side(HandshakeRole.Initiator, _a, _keyA);
        using var responder = Side(HandshakeRole.Responder, _b, _keyB);
        responder.ReadMessage(initiator.WriteMessage());
        initiator.ReadMessage(responder.WriteMessage());
        responder.ReadMessage(initiator.WriteMessage());
        var (sendA, receiveA) = initiator.Split();
        var (sendB, receiveB) = responder.Split();
        using (sendA)
        using (receiveA)
        using (sendB)
        using (receiveB)
        {
            return responder.Remote == _a.Id;
        }
    }

    private static PeerHandshake Side(HandshakeRole role, PeerIdentity identity, StaticKey key) => new(
        role, new(SigningLabel.Link.ToArray(), "prologue"u8.ToArray(), identity.Network.Psk, EncryptionMode.Required), key, identity, Entropy.System, TimeProvider.System);
}
