using System.Buffers.Binary;
using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Noise;

namespace Dawn.Tests.Invariants;

/// <summary>Everything that was sealed under the transport keys of all nodes that report here. Thread-safe.</summary>
internal sealed class SealLog
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Key, ulong Nonce), string> _sealed = [];
    private readonly List<string> _violations = [];

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _sealed.Count;
            }
        }
    }

    /// <summary>How many keys have sealed something.</summary>
    public int Keys
    {
        get
        {
            lock (_lock)
            {
                return _sealed.Keys.Select(one => one.Key).Distinct().Count();
            }
        }
    }

    /// <summary>Nonces that have sealed more than once, whatever it was: no transmission may repeat one.</summary>
    public IReadOnlyList<string> Violations
    {
        get
        {
            lock (_lock)
            {
                return [.. _violations];
            }
        }
    }

    public void Add(string key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plaintext)
    {
        // The length of the first part keeps one pair from reading as another.
        var content = Convert.ToHexStringLower(SHA256.HashData([.. BitConverter.GetBytes(associated.Length), .. associated, .. plaintext]));
        lock (_lock)
        {
            var number = BinaryPrimitives.ReadUInt64BigEndian(nonce[4..]);
            if (!_sealed.TryAdd((key, number), content))
            {
                _violations.Add($"key {key[..8]} sealed twice under nonce {number}{(_sealed[(key, number)] == content ? ", the same" : "")}");
            }
        }
    }
}

/// <summary>A process's key, watched: counts agreements under it, and reports what the ciphers of its handshakes seal.</summary>
internal sealed class WatchedKey(Entropy entropy, SealLog? log = null) : StaticKey(entropy)
{
    private int _agreements;

    public int Agreements => Volatile.Read(ref _agreements);

    public override bool TryAgree(ReadOnlySpan<byte> remote, Span<byte> secret)
    {
        Interlocked.Increment(ref _agreements);
        return base.TryAgree(remote, secret);
    }

    public override Aead CreateCipher(ReadOnlySpan<byte> key) =>
        log is null ? base.CreateCipher(key) : new WatchedAead(base.CreateCipher(key), Convert.ToHexStringLower(SHA256.HashData(key)), log);

    private sealed class WatchedAead(Aead inner, string key, SealLog log) : Aead
    {
        public override void Dispose() => inner.Dispose();

        protected override void SealCore(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext)
        {
            log.Add(key, nonce, associated, plaintext);
            inner.Seal(BinaryPrimitives.ReadUInt64BigEndian(nonce[4..]), associated, plaintext, ciphertext);
        }

        protected override bool OpenCore(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext) =>
            inner.TryOpen(BinaryPrimitives.ReadUInt64BigEndian(nonce[4..]), associated, ciphertext, plaintext);
    }
}

/// <summary>Counts what is drawn: every ephemeral key of a handshake is 32 bytes of it.</summary>
internal sealed class CountingEntropy(int seed) : Entropy
{
    private readonly SeededEntropy _entropy = new(seed);
    private int _draws;

    public int Draws => Volatile.Read(ref _draws);

    public override void Fill(Span<byte> destination)
    {
        Interlocked.Increment(ref _draws);
        _entropy.Fill(destination);
    }
}
