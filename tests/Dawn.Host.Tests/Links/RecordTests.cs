using System.Buffers;
using System.IO.Pipelines;
using CsCheck;
using Dawn.Links;
using Dawn.Noise;
using Xunit;

namespace Dawn.Tests.Links;

public class RecordTests
{
    private static readonly Gen<byte[]> Frame = Gen.OneOf(Gen.Int[0, 300], Gen.Int[60_000, Link.MaxFrame]).Select(length =>
        (byte[])[(byte)LinkFrame.Envelope, (byte)(length >> 8), (byte)length, .. new byte[length]]);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Frames_come_out_as_they_went_in_and_no_frame_straddles_records(bool isSealed) =>
        Frame.Array[1, 12].Sample(frames =>
        {
            var sent = frames.SelectMany(frame => frame).ToArray();
            var (seal, open) = Keys(isSealed);
            var buffer = Write(seal, sent);
            var reader = new RecordReader(open);
            var (received, records) = (new List<byte>(), 0);
            while (RecordReader.TryTake(ref buffer, out var body))
            {
                Assert.True(reader.TryOpen(body.ToArray(), out var opened));
                Assert.InRange(opened.Length, 1, RecordWriter.MaxRecord);
                received.AddRange(opened);
                for (; !opened.IsEmpty; opened = opened[(3 + (opened[1] << 8) + opened[2])..])
                {
                    Assert.True(3 + (opened[1] << 8) + opened[2] <= opened.Length);
                }

                records++;
            }

            Assert.True(received.ToArray().AsSpan().SequenceEqual(sent));
            Assert.True(buffer.IsEmpty);
            // As few as fit: any two neighbours would not have fitted into one.
            Assert.True(records <= 1 + 2 * sent.Length / RecordWriter.MaxRecord, $"{records} records for {sent.Length} bytes");
        }, iter: 30, threads: 1);

    [Fact]
    public void Records_open_once_and_in_order_alone()
    {
        var (seal, open) = Keys(true);
        var bodies = new List<byte[]>();
        for (var buffer = Write(seal, [0, 0, 1, 0], [0, 0, 1, 1], [0, 0, 1, 2]); RecordReader.TryTake(ref buffer, out var body);)
        {
            bodies.Add(body.ToArray());
        }

        Assert.Equal(3, bodies.Count);
        Assert.False(new RecordReader(open).TryOpen([.. bodies[1]], out _));
        var replayed = new RecordReader(open);
        Assert.True(replayed.TryOpen([.. bodies[0]], out _));
        Assert.False(replayed.TryOpen([.. bodies[0]], out _));
        Assert.False(new RecordReader(open).TryOpen([.. bodies[0][..^1]], out _));
        Assert.False(new RecordReader(open).TryOpen(new byte[15], out _));
        Assert.False(new RecordReader(null).TryOpen(new byte[RecordWriter.MaxRecord + 1], out _));
    }

    [Fact]
    public void After_a_switch_records_are_under_the_next_key_and_counted_from_0()
    {
        var (first, second) = (new SeededEntropy(1).Bytes(32), new SeededEntropy(2).Bytes(32));
        var pipe = new Pipe();
        using var writer = new RecordWriter(pipe.Writer, Aead.CreateBrief(first));
        writer.Write([0, 0, 0]);
        writer.Write([0, 0, 0]);
        Assert.Equal(6, writer.Bytes);
        writer.Switch(Aead.CreateBrief(second));
        Assert.Equal(0, writer.Bytes);
        writer.Write([0, 0, 0]);
        pipe.Writer.Complete();
        Assert.True(pipe.Reader.TryRead(out var read));
        var buffer = read.Buffer;
        using var reader = new RecordReader(Aead.CreateBrief(first));
        for (var i = 0; i < 2; i++)
        {
            Assert.True(RecordReader.TryTake(ref buffer, out var body));
            Assert.True(reader.TryOpen(body.ToArray(), out _));
        }

        Assert.True(RecordReader.TryTake(ref buffer, out var third));
        using var old = Aead.CreateBrief(first);
        using var next = Aead.CreateBrief(second);
        for (var nonce = 0UL; nonce < 4; nonce++)
        {
            Assert.False(old.TryOpen(nonce, default, third.ToArray(), new byte[3]));
            Assert.Equal(nonce == 0, next.TryOpen(nonce, default, third.ToArray(), new byte[3]));
        }
    }

    [Fact]
    public void A_direction_stays_as_sealed_as_it_is_and_no_key_returns()
    {
        var key = Aead.CreateBrief(new byte[32]);
        using var isSealed = new RecordReader(key);
        Assert.Throws<InvalidOperationException>(() => isSealed.Switch(null));
        Assert.Throws<InvalidOperationException>(() => isSealed.Switch(key));
        using var clear = new RecordReader(null);
        using var other = Aead.CreateBrief(new byte[32]);
        Assert.Throws<InvalidOperationException>(() => clear.Switch(other));
        clear.Switch(null);
        Assert.True(clear.TryOpen([1, 2, 3], out var frames));
        Assert.Equal([1, 2, 3], frames.ToArray());
    }

    private static (Aead? Seal, Aead? Open) Keys(bool isSealed) => isSealed ? (Aead.CreateBrief(new byte[32]), Aead.CreateBrief(new byte[32])) : (null, null);

    private static ReadOnlySequence<byte> Write(Aead? aead, params byte[][] batches)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        var writer = new RecordWriter(pipe.Writer, aead);
        foreach (var frames in batches)
        {
            writer.Write(frames);
        }

        pipe.Writer.Complete();
        Assert.True(pipe.Reader.TryRead(out var read));
        return read.Buffer;
    }
}
