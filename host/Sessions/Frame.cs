using System.Buffers.Binary;
using System.Text.Unicode;
using Dawn.Identity;

namespace Dawn.Sessions;

/// <summary>What a segment's plaintext is made of (docs/protocol.md, "Segment").</summary>
internal enum FrameType : byte
{
    Padding = 0x00,
    Ack = 0x01,
    Ping = 0x02,
    Pong = 0x03,
    Goodbye = 0x04,
    Open = 0x10,
    Accept = 0x11,
    Data = 0x12,
    Close = 0x13,
    Window = 0x14,
    /// <summary>A signature over the frames before it.</summary>
    Checkpoint = 0x15,
    Rekey = 0x16,
}

/// <summary>One frame as read from a segment; it borrows the segment's bytes.</summary>
internal ref struct Frame
{
    /// <summary>Types from here up are sequenced.</summary>
    public const byte FirstSequenced = 0x10;

    /// <summary>Bytes of a data frame before its data.</summary>
    public const int DataOverhead = 1 + 8 + 4 + 1 + 2;

    /// <summary>Bytes of data in the longest frame that this node sends: leaves room in the segment for the longest ack, a ping and a pong.</summary>
    public const int MaxData = SegmentHeader.MaxPlaintext - DataOverhead - MaxAck - 18;

    public const int MaxAckRanges = 32;

    public const int MaxAck = 1 + 8 + 1 + MaxAckRanges * AckRange;

    public const int AckRange = 8 + 4;

    /// <summary>Bytes of a rekey frame before its handshake message.</summary>
    public const int RekeyOverhead = 1 + 8 + 2 + 1;

    /// <summary>Bytes of the longest frame that isn't data, ack or rekey.</summary>
    public const int MaxControl = 1 + 8 + 4 + 4 + 256 + 256;

    public FrameType Type { get; private set; }

    /// <summary>The sequence; of an ack the first one not held; of ping and pong their 8 bytes.</summary>
    public ulong Sequence { get; private set; }

    public uint Channel { get; private set; }

    /// <summary>Of open, accept and window: bytes that the sender will take.</summary>
    public ulong Window { get; private set; }

    /// <summary>Of data: it ends a message.</summary>
    public bool EndsMessage { get; private set; }

    /// <summary>Of close and goodbye.</summary>
    public ushort Code { get; private set; }

    /// <summary>Of data: the data; of ack: its ranges.</summary>
    public ReadOnlySpan<byte> Body { get; private set; }

    /// <summary>The reason of close and goodbye, the agent of open.</summary>
    public string Text { get; private set; }

    /// <summary>The caller's agent id of open.</summary>
    public string Caller { get; private set; }

    public readonly bool IsSequenced => (byte)Type >= FirstSequenced;

    /// <summary>Takes one frame from the front of <paramref name="rest"/>; false where it is cut off, of unknown type, or breaks its layout.</summary>
    public static bool TryRead(scoped ref ReadOnlySpan<byte> rest, out Frame frame)
    {
        frame = new() { Text = "", Caller = "" };
        if (rest.IsEmpty)
        {
            return false;
        }

        frame.Type = (FrameType)rest[0];
        var reader = new WireReader(rest[1..]);
        if (frame.IsSequenced)
        {
            frame.Sequence = reader.UInt64();
        }

        switch (frame.Type)
        {
            case FrameType.Padding:
                rest = default;
                return true;
            case FrameType.Ack:
                frame.Sequence = reader.UInt64();
                var ranges = reader.UInt8();
                frame.Body = reader.Bytes(ranges <= MaxAckRanges ? ranges * AckRange : -1);
                break;
            case FrameType.Ping or FrameType.Pong:
                frame.Sequence = reader.UInt64();
                break;
            case FrameType.Goodbye:
                frame.Code = reader.UInt16();
                frame.Text = reader.Text8();
                break;
            case FrameType.Open:
                frame.Channel = reader.UInt32();
                frame.Window = reader.UInt32();
                frame.Text = reader.Text8();
                frame.Caller = reader.Text8();
                break;
            case FrameType.Accept:
                frame.Channel = reader.UInt32();
                frame.Window = reader.UInt32();
                break;
            case FrameType.Data:
                frame.Channel = reader.UInt32();
                var flags = reader.UInt8();
                frame.EndsMessage = (flags & 1) != 0;
                frame.Body = reader.Bytes(reader.UInt16());
                if ((flags & ~1) != 0)
                {
                    reader.Fail();
                }

                break;
            case FrameType.Close:
                frame.Channel = reader.UInt32();
                frame.Code = reader.UInt16();
                frame.Text = reader.Text8();
                break;
            case FrameType.Window:
                frame.Channel = reader.UInt32();
                frame.Window = reader.UInt64();
                break;
            case FrameType.Checkpoint or FrameType.Rekey:
                frame.Body = reader.Block16(SegmentHeader.MaxPlaintext);
                break;
            default:
                return false;
        }

        if (reader.Failed)
        {
            return false;
        }

        rest = rest[^reader.Remaining..];
        return true;
    }

    public static int WriteAck(Span<byte> to, ulong firstMissing, ReadOnlySpan<(ulong First, uint Length)> ranges)
    {
        to[0] = (byte)FrameType.Ack;
        BinaryPrimitives.WriteUInt64BigEndian(to[1..], firstMissing);
        to[9] = (byte)ranges.Length;
        var at = 10;
        foreach (var (first, length) in ranges)
        {
            BinaryPrimitives.WriteUInt64BigEndian(to[at..], first);
            BinaryPrimitives.WriteUInt32BigEndian(to[(at + 8)..], length);
            at += AckRange;
        }

        return at;
    }

    public static int WritePing(Span<byte> to, FrameType pingOrPong, ulong value)
    {
        to[0] = (byte)pingOrPong;
        BinaryPrimitives.WriteUInt64BigEndian(to[1..], value);
        return 9;
    }

    public static int WriteGoodbye(Span<byte> to, ushort code, string reason)
    {
        to[0] = (byte)FrameType.Goodbye;
        BinaryPrimitives.WriteUInt16BigEndian(to[1..], code);
        return 3 + WriteText8(to[3..], reason);
    }

    public static int WriteOpen(Span<byte> to, ulong sequence, uint channel, uint window, string agent, string caller)
    {
        var at = WriteStart(to, FrameType.Open, sequence, channel);
        BinaryPrimitives.WriteUInt32BigEndian(to[at..], window);
        at += 4;
        at += WriteText8(to[at..], agent);
        return at + WriteText8(to[at..], caller);
    }

    public static int WriteAccept(Span<byte> to, ulong sequence, uint channel, uint window)
    {
        var at = WriteStart(to, FrameType.Accept, sequence, channel);
        BinaryPrimitives.WriteUInt32BigEndian(to[at..], window);
        return at + 4;
    }

    public static int WriteData(Span<byte> to, ulong sequence, uint channel, bool endsMessage, ReadOnlySpan<byte> data)
    {
        var at = WriteStart(to, FrameType.Data, sequence, channel);
        to[at] = endsMessage ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt16BigEndian(to[(at + 1)..], checked((ushort)data.Length));
        data.CopyTo(to[DataOverhead..]);
        return DataOverhead + data.Length;
    }

    public static int WriteClose(Span<byte> to, ulong sequence, uint channel, ushort code, string reason)
    {
        var at = WriteStart(to, FrameType.Close, sequence, channel);
        BinaryPrimitives.WriteUInt16BigEndian(to[at..], code);
        return at + 2 + WriteText8(to[(at + 2)..], reason);
    }

    public static int WriteWindow(Span<byte> to, ulong sequence, uint channel, ulong total)
    {
        var at = WriteStart(to, FrameType.Window, sequence, channel);
        BinaryPrimitives.WriteUInt64BigEndian(to[at..], total);
        return at + 8;
    }

    /// <summary>Numbers an encoded frame.</summary>
    public static void WriteSequence(Span<byte> frame, ulong sequence) => BinaryPrimitives.WriteUInt64BigEndian(frame[1..], sequence);

    /// <param name="number">0 asks the initiator to begin; 1 to 3 number the handshake's messages.</param>
    public static int WriteRekey(Span<byte> to, ulong sequence, byte number, ReadOnlySpan<byte> message)
    {
        to[0] = (byte)FrameType.Rekey;
        BinaryPrimitives.WriteUInt64BigEndian(to[1..], sequence);
        BinaryPrimitives.WriteUInt16BigEndian(to[9..], checked((ushort)(1 + message.Length)));
        to[11] = number;
        message.CopyTo(to[RekeyOverhead..]);
        return RekeyOverhead + message.Length;
    }

    private static int WriteStart(Span<byte> to, FrameType type, ulong sequence, uint channel)
    {
        to[0] = (byte)type;
        BinaryPrimitives.WriteUInt64BigEndian(to[1..], sequence);
        BinaryPrimitives.WriteUInt32BigEndian(to[9..], channel);
        return 13;
    }

    // Cuts a text that is too long at the last whole character.
    private static int WriteText8(Span<byte> to, string text)
    {
        Utf8.FromUtf16(text, to[1..Math.Min(to.Length, 256)], out _, out var written);
        to[0] = (byte)written;
        return 1 + written;
    }
}
