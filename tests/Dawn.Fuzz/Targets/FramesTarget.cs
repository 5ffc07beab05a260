using System.Buffers.Binary;
using Dawn.Sessions;

namespace Dawn.Fuzz.Targets;

/// <summary>The frames of a session's segment: what is read writes itself again, byte by byte.</summary>
internal sealed class FramesTarget : IFuzzTarget
{
    private readonly byte[] _again = new byte[1 << 17];

    public string Name => "frames";

    public void Run(ReadOnlySpan<byte> input)
    {
        for (var rest = input; !rest.IsEmpty;)
        {
            var before = rest;
            if (!Frame.TryRead(ref rest, out var frame))
            {
                Property.Holds(rest == before, "a frame that can't be read was taken off");
                return;
            }

            var bytes = before[..(before.Length - rest.Length)];
            Property.Holds(!bytes.IsEmpty, "a frame of no bytes");
            Property.Holds(frame.IsSequenced == (bytes[0] >= Frame.FirstSequenced), "a frame in the wrong order of things");
            var length = Write(frame);
            if (length > 0)
            {
                Property.Canonical(bytes, _again.AsSpan(0, length));
            }
        }
    }

    public IEnumerable<byte[]> Seeds() => SessionTarget.Conversations().SelectMany(c => c);

    // Zero for what this node never writes.
    private int Write(in Frame frame)
    {
        switch (frame.Type)
        {
            case FrameType.Ack:
                var ranges = new (ulong, uint)[frame.Body.Length / Frame.AckRange];
                for (var i = 0; i < ranges.Length; i++)
                {
                    var range = frame.Body[(i * Frame.AckRange)..];
                    ranges[i] = (BinaryPrimitives.ReadUInt64BigEndian(range), BinaryPrimitives.ReadUInt32BigEndian(range[8..]));
                }

                return Frame.WriteAck(_again, frame.Sequence, ranges);
            case FrameType.Ping or FrameType.Pong:
                return Frame.WritePing(_again, frame.Type, frame.Sequence);
            case FrameType.Goodbye:
                return Frame.WriteGoodbye(_again, frame.Code, frame.Text);
            case FrameType.Open:
                return Frame.WriteOpen(_again, frame.Sequence, frame.Channel, (uint)frame.Window, frame.Text, frame.Caller);
            case FrameType.Accept:
                return Frame.WriteAccept(_again, frame.Sequence, frame.Channel, (uint)frame.Window);
            case FrameType.Data:
                return Frame.WriteData(_again, frame.Sequence, frame.Channel, frame.EndsMessage, frame.Body);
            case FrameType.Close:
                return Frame.WriteClose(_again, frame.Sequence, frame.Channel, frame.Code, frame.Text);
            case FrameType.Window:
                return Frame.WriteWindow(_again, frame.Sequence, frame.Channel, frame.Window);
            default:
                return 0;
        }
    }
}
