using System.Security.Cryptography;

namespace Dawn.Sessions;

/// <summary>
/// The hashes under a checkpoint: a leaf for each frame, a root over up to <see cref="Checkpoint.MaxCount"/> leaves, and the chain from one to the next.
/// The tree has one level: 64 leaves cost one hash of 2 KiB instead of 63 of 64 bytes, and a proof is still only hashes.
/// </summary>
/// <remarks>One thread at a time. Two appends to a context kept cost less than a copy and a one-shot hash, and need no buffer.</remarks>
internal sealed class LeafHash : IDisposable
{
    private readonly IncrementalHash _sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public void Leaf(ReadOnlySpan<byte> salt, ReadOnlySpan<byte> frame, Span<byte> leaf)
    {
        _sha256.AppendData([0x00]);
        _sha256.AppendData(salt);
        _sha256.AppendData(frame);
        _sha256.GetHashAndReset(leaf);
    }

    public void Root(ReadOnlySpan<byte> leaves, Span<byte> root)
    {
        _sha256.AppendData([0x01]);
        _sha256.AppendData(leaves);
        _sha256.GetHashAndReset(root);
    }

    /// <summary>What the next checkpoint names this one by.</summary>
    public void Chain(ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature, Span<byte> hash)
    {
        _sha256.AppendData(signed);
        _sha256.AppendData(signature);
        _sha256.GetHashAndReset(hash);
    }

    public void Dispose() => _sha256.Dispose();
}
