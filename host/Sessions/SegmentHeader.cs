using System.Buffers.Binary;
using Dawn.Routing;

namespace Dawn.Sessions;

/// <summary>The clear header of a segment (docs/protocol.md, "Segment").</summary>
/// <param name="Epoch">Which keys seal the body.</param>
/// <param name="IsClear">The body is not sealed at all.</param>
/// <param name="Nonce">Never used twice in a direction and epoch.</param>
internal readonly record struct SegmentHeader(ushort Epoch, bool IsClear, ulong Nonce)
{
    public const int Size = 2 + 1 + 1 + 8;

    /// <summary>Bytes in the longest plaintext.</summary>
    public const int MaxPlaintext = 16 * 1024;

    /// <summary>Bytes that sealing adds.</summary>
    public const int TagSize = 16;

    /// <summary>Bytes of associated data: the envelope's version and kind, both nodes, the session's tag, this header.</summary>
    public const int AssociatedSize = 1 + 1 + NodeId.Size + NodeId.Size + 8 + Size;

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt16BigEndian(to, Epoch);
        to[2] = IsClear ? (byte)1 : (byte)0;
        to[3] = 0;
        BinaryPrimitives.WriteUInt64BigEndian(to[4..], Nonce);
    }

    /// <summary>Reads the header of a segment; false where it is too short or has flags that nobody defined.</summary>
    public static bool TryRead(ReadOnlySpan<byte> segment, out SegmentHeader header)
    {
        header = default;
        if (segment.Length < Size || (segment[2] & ~1) != 0 || segment[3] != 0)
        {
            return false;
        }

        header = new(BinaryPrimitives.ReadUInt16BigEndian(segment), segment[2] == 1, BinaryPrimitives.ReadUInt64BigEndian(segment[4..]));
        return true;
    }

    /// <summary>The part of the associated data that is the same for all segments of a direction, with room for the header behind it.</summary>
    public static byte[] AssociatedPrefix(NodeId source, NodeId target, ulong tag)
    {
        var data = new byte[AssociatedSize];
        data[0] = 1;
        data[1] = (byte)EnvelopeKind.Segment;
        source.CopyTo(data.AsSpan(2));
        target.CopyTo(data.AsSpan(2 + NodeId.Size));
        BinaryPrimitives.WriteUInt64BigEndian(data.AsSpan(2 + 2 * NodeId.Size), tag);
        return data;
    }
}
