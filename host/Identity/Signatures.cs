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
