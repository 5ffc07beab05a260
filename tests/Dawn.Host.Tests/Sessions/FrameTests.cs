using System.Text;
using CsCheck;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

public class FrameTests
{
    private static readonly Gen<string> Text = Gen.Char["abcxyz0189-ä€"].Array[0, 80].Select(c => new string(c));

    [Fact]
    public void Frames_are_read_as_they_were_written() => Gen.Select(Gen.ULong, Gen.UInt, Gen.ULong, Gen.UShort, Text, Text, Gen.Byte.Array[0, 3_000]).Sample(
        (sequence, channel, total, code, a, b, data) =>
        {
            var to = new byte[SegmentHeader.MaxPlaintext];
            var frame = Read(to.AsSpan(0, Frame.WriteOpen(to, sequence, channel, (uint)total, a, b)));
            Assert.Equal((FrameType.Open, sequence, channel, (uint)total, a, b), (frame.Type, frame.Sequence, frame.Channel, (uint)frame.Window, frame.Text, frame.Caller));
            frame = Read(to.AsSpan(0, Frame.WriteAccept(to, sequence, channel, (uint)total)));
            Assert.Equal((FrameType.Accept, sequence, channel, (uint)total), (frame.Type, frame.Sequence, frame.Channel, (uint)frame.Window));
            frame = Read(to.AsSpan(0, Frame.WriteData(to, sequence, channel, code % 2 == 0, data)));
            Assert.Equal((FrameType.Data, sequence, channel, code % 2 == 0), (frame.Type, frame.Sequence, frame.Channel, frame.EndsMessage));
            Assert.Equal(data, frame.Body.ToArray());
            frame = Read(to.AsSpan(0, Frame.WriteClose(to, sequence, channel, code, a)));
            Assert.Equal((FrameType.Close, sequence, channel, code, a), (frame.Type, frame.Sequence, frame.Channel, frame.Code, frame.Text));
            frame = Read(to.AsSpan(0, Frame.WriteWindow(to, sequence, channel, total)));
            Assert.Equal((FrameType.Window, sequence, channel, total), (frame.Type, frame.Sequence, frame.Channel, frame.Window));
            frame = Read(to.AsSpan(0, Frame.WriteGoodbye(to, code, a)));
            Assert.Equal((FrameType.Goodbye, code, a), (frame.Type, frame.Code, frame.Text));
            frame = Read(to.AsSpan(0, Frame.WritePing(to, FrameType.Pong, sequence)));
            Assert.Equal((FrameType.Pong, sequence), (frame.Type, frame.Sequence));
            frame = Read(to.AsSpan(0, Frame.WriteAck(to, sequence, [(total, channel), (1, 2)])));
            Assert.Equal((FrameType.Ack, sequence, 2 * Frame.AckRange), (frame.Type, frame.Sequence, frame.Body.Length));
        });

    [Fact]
    public void The_layout_is_the_documented_one()
    {
        var to = new byte[64];
        Assert.Equal("12" + "0000000000000102" + "00000003" + "01" + "0002" + "6869", Hex(to, Frame.WriteData(to, 0x102, 3, true, "hi"u8)));
        Assert.Equal("10" + "0000000000000000" + "00000002" + "00040000" + "0461626364" + "056f776e6572", Hex(to, Frame.WriteOpen(to, 0, 2, 0x40000, "abcd", "owner")));
        Assert.Equal("01" + "0000000000000005" + "01" + "0000000000000007" + "00000003", Hex(to, Frame.WriteAck(to, 5, [(7, 3)])));
        Assert.Equal("13" + "0000000000000009" + "00000001" + "0005" + "026e6f", Hex(to, Frame.WriteClose(to, 9, 1, 5, "no")));
        Assert.Equal("14" + "0000000000000009" + "00000001" + "0000000000040000", Hex(to, Frame.WriteWindow(to, 9, 1, 0x40000)));
        Assert.Equal("04" + "0006" + "00", Hex(to, Frame.WriteGoodbye(to, 6, "")));
        new SegmentHeader(0, true, 0x0102030405060708).Write(to);
        Assert.Equal("0000" + "01" + "00" + "0102030405060708", Hex(to, SegmentHeader.Size));
    }

    [Fact]
    public void Garbage_is_refused_and_never_thrown_at() => Gen.Byte.Array[0, 400].Sample(bytes =>
    {
        ReadOnlySpan<byte> rest = bytes;
        for (var frames = 0; Frame.TryRead(ref rest, out _); frames++)
        {
            Assert.True(frames <= bytes.Length);
        }

        SegmentHeader.TryRead(bytes, out _);
    }, iter: 20_000);

    [Fact]
    public void A_frame_that_is_cut_off_is_refused() => Gen.Select(Gen.Byte.Array[1, 200], Gen.Int[1, 200]).Sample((data, cut) =>
    {
        var to = new byte[300];
        var length = Frame.WriteData(to, 7, 1, true, data);
        ReadOnlySpan<byte> rest = to.AsSpan(0, length - Math.Min(cut, length));
        Assert.False(Frame.TryRead(ref rest, out _));
    });

    [Theory]
    [InlineData("05")]
    [InlineData("0f")]
    [InlineData("17" + "0000000000000000")]
    [InlineData("ff")]
    [InlineData("12" + "0000000000000000" + "00000000" + "02" + "0000")]
    [InlineData("01" + "0000000000000000" + "21")]
    [InlineData("04" + "0000" + "01" + "ff")]
    public void What_nobody_defined_is_refused(string hex)
    {
        ReadOnlySpan<byte> rest = Convert.FromHexString(hex);
        Assert.False(Frame.TryRead(ref rest, out _));
    }

    [Fact]
    public void Padding_takes_the_rest_of_the_segment()
    {
        ReadOnlySpan<byte> rest = [0, 255, 255, 255];
        Assert.True(Frame.TryRead(ref rest, out var frame));
        Assert.Equal(FrameType.Padding, frame.Type);
        Assert.True(rest.IsEmpty);
    }

    [Fact]
    public void A_long_reason_is_cut_at_a_whole_character()
    {
        var to = new byte[Frame.MaxControl];
        var frame = Read(to.AsSpan(0, Frame.WriteClose(to, 0, 0, 4, new string('€', 200))));
        Assert.Equal(new string('€', 85), frame.Text);
        Assert.True(Encoding.UTF8.GetByteCount(frame.Text) <= 255);
    }

    private static Frame Read(ReadOnlySpan<byte> encoded)
    {
        var rest = encoded;
        Assert.True(Frame.TryRead(ref rest, out var frame));
        Assert.True(rest.IsEmpty);
        return frame;
    }

    private static string Hex(byte[] bytes, int length) => Convert.ToHexStringLower(bytes, 0, length);
}
