using System.Buffers.Binary;
using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Evidence;

/// <summary>One checkpoint with all that it covers, as kept: <c>u8</c> version, the network's key, <c>block16</c> each of certificate and signed content, signature, <c>u16</c> count, leaves, and for each frame salt and <c>block16</c>.</summary>
internal sealed record EvidenceEntry(NodeId Network, ReadOnlyMemory<byte> Certificate, ReadOnlyMemory<byte> Signed, ReadOnlyMemory<byte> Signature, ReadOnlyMemory<byte> Leaves)
{
    /// <summary>Bytes of the longest: as many of the longest frames as a checkpoint covers.</summary>
    public const int MaxSize = 1_024 + Checkpoint.MaxCount * (Checkpoint.HashSize + Salts.Size + sizeof(ushort) + SegmentHeader.MaxPlaintext);

    private const byte Version = 1;

    private const int FixedSize = 1 + NodeId.Size + sizeof(ushort) + Identity.Certificate.Size + sizeof(ushort) + Checkpoint.SignedSize + Signatures.Size + sizeof(ushort);

    public required Checkpoint Checkpoint { get; init; }

    public required SessionDirection Direction { get; init; }

    public required IReadOnlyList<(ReadOnlyMemory<byte> Salt, ReadOnlyMemory<byte> Frame)> Frames { get; init; }

    public static int SizeOf(in VerifiedCheckpoint checkpoint, ReadOnlySpan<byte> frames) => FixedSize + checkpoint.Leaves.Length + frames.Length;

    /// <summary>Writes <see cref="SizeOf"/> bytes.</summary>
    public static void Write(Span<byte> to, NodeId network, in VerifiedCheckpoint checkpoint, ReadOnlySpan<byte> frames)
    {
        to[0] = Version;
        network.CopyTo(to[1..]);
        var rest = Block16(to[(1 + NodeId.Size)..], checkpoint.Sender.Encoded.Span);
        rest = Block16(rest, checkpoint.Signed);
        checkpoint.Signature.CopyTo(rest);
        rest = rest[Signatures.Size..];
        BinaryPrimitives.WriteUInt16BigEndian(rest, (ushort)(checkpoint.Leaves.Length / Checkpoint.HashSize));
        checkpoint.Leaves.CopyTo(rest[sizeof(ushort)..]);
        frames.CopyTo(rest[(sizeof(ushort) + checkpoint.Leaves.Length)..]);

        static Span<byte> Block16(Span<byte> to, ReadOnlySpan<byte> bytes)
        {
            BinaryPrimitives.WriteUInt16BigEndian(to, (ushort)bytes.Length);
            bytes.CopyTo(to[sizeof(ushort)..]);
            return to[(sizeof(ushort) + bytes.Length)..];
        }
    }

    /// <summary>Null for what no node of this version wrote.</summary>
    public static EvidenceEntry? TryRead(ReadOnlyMemory<byte> body)
    {
        var reader = new WireReader(body.Span);
        var isKnown = reader.UInt8() == Version;
        var network = reader.NodeId();
        var certificate = reader.Block16(Identity.Certificate.Size).ToArray();
        var signed = reader.Block16(Checkpoint.SignedSize).ToArray();
        var signature = reader.Bytes(Signatures.Size).ToArray();
        var count = reader.UInt16();
        var leaves = reader.Bytes(count * Checkpoint.HashSize).ToArray();
        var frames = new List<(ReadOnlyMemory<byte>, ReadOnlyMemory<byte>)>();
        for (var i = 0; i < count && !reader.Failed; i++)
        {
            frames.Add((reader.Bytes(Salts.Size).ToArray(), reader.Block16(SegmentHeader.MaxPlaintext).ToArray()));
        }

        return isKnown && reader.Complete && Checkpoint.TryReadSigned(signed, out var checkpoint, out var direction, out _) && checkpoint.Count == count
            ? new(network, certificate, signed, signature, leaves) { Checkpoint = checkpoint, Direction = direction, Frames = frames }
            : null;
    }
}
