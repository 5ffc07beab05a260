using System.Buffers.Binary;
using Dawn.Identity;

namespace Dawn.Sessions;

/// <summary>One direction of a session: who says something to whom.</summary>
/// <param name="FromInitiator">The sender began the session.</param>
internal sealed record SessionDirection(NodeId Sender, NodeId Recipient, bool FromInitiator, ulong Tag);

/// <summary>A signature over consecutive sequenced frames of one direction (docs/protocol.md, "Checkpoints").</summary>
/// <param name="First">The sequence of the first frame that it covers.</param>
/// <param name="Count">Frames that it covers.</param>
/// <param name="Time">Unix milliseconds, by the sender's clock.</param>
internal readonly record struct Checkpoint(ulong Number, ulong First, int Count, ulong Time)
{
    /// <summary>Frames under one checkpoint, at most.</summary>
    public const int MaxCount = 1_024;

    public const int HashSize = 32;

    /// <summary>Bytes of what is signed, without the label.</summary>
    public const int SignedSize = 1 + NodeId.Size + NodeId.Size + 1 + 8 + 8 + HashSize + 8 + 2 + HashSize + 8;

    /// <summary>Bytes of the whole frame.</summary>
    public const int FrameSize = 1 + 8 + 2 + BodySize;

    /// <summary>The last moment that can be shown as a date.</summary>
    public static readonly ulong MaxTime = (ulong)DateTimeOffset.MaxValue.ToUnixTimeMilliseconds();

    private const int BodySize = 8 + 8 + 2 + 8 + Signatures.Size;

    private const byte Version = 1;

    public static bool TryRead(ReadOnlySpan<byte> body, out Checkpoint checkpoint, out ReadOnlySpan<byte> signature)
    {
        var reader = new WireReader(body);
        checkpoint = new(reader.UInt64(), reader.UInt64(), reader.UInt16(), reader.UInt64());
        signature = reader.Bytes(Signatures.Size);
        return reader.Complete;
    }

    /// <summary>The frame, whose sequence is written when it is first sent.</summary>
    public void WriteFrame(Span<byte> to, ReadOnlySpan<byte> signature)
    {
        to[0] = (byte)FrameType.Checkpoint;
        BinaryPrimitives.WriteUInt64BigEndian(to[1..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(to[9..], BodySize);
        BinaryPrimitives.WriteUInt64BigEndian(to[11..], Number);
        BinaryPrimitives.WriteUInt64BigEndian(to[19..], First);
        BinaryPrimitives.WriteUInt16BigEndian(to[27..], checked((ushort)Count));
        BinaryPrimitives.WriteUInt64BigEndian(to[29..], Time);
        signature.CopyTo(to[37..]);
    }

    /// <summary>What is signed, all of which both ends know for themselves but the four numbers.</summary>
    /// <param name="previous">The hash of the checkpoint before (<see cref="LeafHash.Chain"/>); zeros for the first.</param>
    public byte[] Signed(SessionDirection direction, ReadOnlySpan<byte> previous, ReadOnlySpan<byte> root) => new WireWriter()
        .UInt8(Version).NodeId(direction.Sender).NodeId(direction.Recipient).UInt8(direction.FromInitiator ? 1 : 2).UInt64(direction.Tag)
        .UInt64(Number).Bytes(previous).UInt64(First).UInt16(Count).Bytes(root).UInt64(Time).ToArray();

    /// <summary>Reads what was signed back; for whoever is shown it later.</summary>
    public static bool TryReadSigned(ReadOnlySpan<byte> signed, out Checkpoint checkpoint, out SessionDirection direction, out ReadOnlySpan<byte> previous)
    {
        var reader = new WireReader(signed);
        var version = reader.UInt8();
        var (sender, recipient, role, tag, number) = (reader.NodeId(), reader.NodeId(), reader.UInt8(), reader.UInt64(), reader.UInt64());
        previous = reader.Bytes(HashSize);
        var (first, count) = (reader.UInt64(), reader.UInt16());
        reader.Bytes(HashSize);
        checkpoint = new(number, first, count, reader.UInt64());
        direction = new(sender, recipient, role == 1, tag);
        return reader.Complete && version == Version && role is (1 or 2) && count is (> 0 and <= MaxCount)
            && checkpoint.Time <= MaxTime;
    }
}
