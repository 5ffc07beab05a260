using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using NSec.Cryptography;

namespace Dawn.Identity;

/// <summary>
/// One label for each use of a signing key, so that a signature made for one purpose never counts for another.
/// What is signed is always <c>label ‖ 0x00 ‖ content</c>.
/// </summary>
internal static class SigningLabel
{
    public static ReadOnlySpan<byte> Link => "dawn/1 link"u8;
    public static ReadOnlySpan<byte> Session => "dawn/1 session"u8;
    public static ReadOnlySpan<byte> Record => "dawn/1 record"u8;
    public static ReadOnlySpan<byte> Flood => "dawn/1 flood"u8;
    public static ReadOnlySpan<byte> Checkpoint => "dawn/1 checkpoint"u8;
    public static ReadOnlySpan<byte> Certificate => "dawn/1 certificate"u8;
    public static ReadOnlySpan<byte> Suspicion => "dawn/1 suspicion"u8;
    public static ReadOnlySpan<byte> Leave => "dawn/1 leave"u8;
}

/// <summary>Ed25519 (RFC 8032) under labels, with the checks that libraries leave to us. Thread-safe.</summary>
internal static class Signatures
{
    public const int Size = 64;

    /// <summary>Verifies a signature by <paramref name="signer"/>; false also for keys that <see cref="IsAdmissible"/> refuses.</summary>
    public static bool Verify(NodeId signer, ReadOnlySpan<byte> label, ReadOnlySpan<byte> content, ReadOnlySpan<byte> signature) =>
        signature.Length == Size && TryImport(signer, out var key) && SignatureAlgorithm.Ed25519.Verify(key, Labelled(label, content), signature);

    /// <summary>True for public keys in canonical encoding that are not of low order.</summary>
    /// <remarks>
    /// All 914 keys of the CCTV collection import without complaint, low-order and non-canonical ones included; under a low-order key
    /// one signature fits many messages (Chalkias et al., "Taming the many EdDSAs", 2020).
    /// </remarks>
    public static bool IsAdmissible(NodeId id)
    {
        Span<byte> bytes = stackalloc byte[NodeId.Size];
        id.CopyTo(bytes);
        return IsCanonical(bytes) && !IsLowOrder(bytes);
    }

    internal static byte[] Labelled(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content)
    {
        var message = new byte[label.Length + 1 + content.Length];
        label.CopyTo(message);
        content.CopyTo(message.AsSpan(label.Length + 1));
        return message;
    }

    private static bool TryImport(NodeId id, [NotNullWhen(true)] out PublicKey? key)
    {
        key = null;
        return IsAdmissible(id) && PublicKey.TryImport(SignatureAlgorithm.Ed25519, id.ToArray(), KeyBlobFormat.RawPublicKey, out key);
    }

    // y < p = 2^255 - 19, little-endian, the sign of x in the top bit (RFC 8032, 5.1.3).
    private static bool IsCanonical(ReadOnlySpan<byte> key)
    {
        if ((key[31] & 0x7f) != 0x7f || key[1..31].ContainsAnyExcept((byte)0xff))
        {
            return true;
        }

        return key[0] < 0xed;
    }

    // The eight points of small order, by their canonical y; the sign bit is ignored.
    private static bool IsLowOrder(ReadOnlySpan<byte> key)
    {
        Span<byte> y = stackalloc byte[NodeId.Size];
        key.CopyTo(y);
        y[31] &= 0x7f;
        foreach (var low in LowOrderY)
        {
            if (y.SequenceEqual(low))
            {
                return true;
            }
        }

        return false;
    }

    private static readonly byte[][] LowOrderY =
    [
        Convert.FromHexString("0000000000000000000000000000000000000000000000000000000000000000"),
        Convert.FromHexString("0100000000000000000000000000000000000000000000000000000000000000"),
        Convert.FromHexString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        Convert.FromHexString("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        Convert.FromHexString("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ];
}

/// <summary>
/// Signatures that were found good, so that each is checked once: a member's certificate comes with every record and every handshake of its, and its records from every side.
/// Thread-safe; it forgets what others push out.
/// </summary>
/// <param name="sets">A power of two; a set is made when its first signature comes, so that a small network has few.</param>
internal sealed class KnownSignatures(int sets)
{
    public const int Ways = 4;

    private const int OnStack = 1_024;

    private readonly Lock _lock = new();
    private readonly (UInt128, UInt128)[]?[] _known = new (UInt128, UInt128)[sets][];
    private long _checks;
    private int _turn;

    /// <summary>The process's own: with all of its sets in use half a megabyte.</summary>
    public static KnownSignatures Shared { get; } = new(4_096);

    /// <summary>Signatures that were new, or forgotten, or bad.</summary>
    public long Checks => Interlocked.Read(ref _checks);

    /// <summary>As <see cref="Signatures.Verify"/>.</summary>
    public bool Verify(NodeId signer, ReadOnlySpan<byte> label, ReadOnlySpan<byte> content, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != Signatures.Size)
        {
            return false;
        }

        var digest = DigestOf(signer, label, content, signature);
        ref var set = ref _known[(int)(uint)digest.Item1 & (sets - 1)];
        lock (_lock)
        {
            if (set is not null && Array.IndexOf(set, digest) >= 0)
            {
                return true;
            }
        }

        Interlocked.Increment(ref _checks);
        if (!Signatures.Verify(signer, label, content, signature))
        {
            return false;
        }

        lock (_lock)
        {
            set ??= new (UInt128, UInt128)[Ways];
            set[_turn++ & (Ways - 1)] = digest;
        }

        return true;
    }

    // All that the check depends on, whole: whoever could make two with one digest could break SHA-256.
    private static (UInt128, UInt128) DigestOf(NodeId signer, ReadOnlySpan<byte> label, ReadOnlySpan<byte> content, ReadOnlySpan<byte> signature)
    {
        var length = NodeId.Size + Signatures.Size + 1 + label.Length + content.Length;
        var rented = length > OnStack ? ArrayPool<byte>.Shared.Rent(length) : null;
        var input = (rented ?? stackalloc byte[OnStack])[..length];
        signer.CopyTo(input);
        signature.CopyTo(input[NodeId.Size..]);
        input[NodeId.Size + Signatures.Size] = checked((byte)label.Length);
        var rest = input[(NodeId.Size + Signatures.Size + 1)..];
        label.CopyTo(rest);
        content.CopyTo(rest[label.Length..]);
        Span<byte> hash = stackalloc byte[32];
        System.Security.Cryptography.SHA256.HashData(input, hash);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        return (BinaryPrimitives.ReadUInt128BigEndian(hash), BinaryPrimitives.ReadUInt128BigEndian(hash[16..]));
    }
}

/// <summary>A node's (or the network's) Ed25519 key pair: signs, and never shows its private half. Thread-safe.</summary>
internal sealed class SigningKey : IDisposable
{
    private readonly Key _key;

    /// <param name="seed">32 bytes (RFC 8032's private key); the caller zeroes its own copy.</param>
    public SigningKey(ReadOnlySpan<byte> seed)
    {
        _key = Key.Import(SignatureAlgorithm.Ed25519, seed, KeyBlobFormat.RawPrivateKey);
        Id = new NodeId(_key.PublicKey.Export(KeyBlobFormat.RawPublicKey));
    }

    /// <summary>The public half.</summary>
    public NodeId Id { get; }

    public byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => SignatureAlgorithm.Ed25519.Sign(_key, Signatures.Labelled(label, content));

    public void Dispose() => _key.Dispose();
}
