using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Dawn.Links;
using Dawn.Noise;
using Xunit;

namespace Dawn.Tests.Protocol;

/// <summary>One end of the example's link: the product's queue, records and rekeying, with a pipe for a transport.</summary>
internal sealed class ExampleLink(ExamplePage page, string name, Aead send, Aead receive, Func<SendQueue, Rekeying> rekeying) : IDisposable
{
    private readonly SendQueue _queue = new(1024 * 1024, SendScheduler.Inline);
    private readonly Pipe _pipe = new();
    private readonly RecordReader _reader = new(receive);
    private RecordWriter? _writer;
    private Rekeying? _rekeying;
    private int _nonce;

    public Rekeying Rekeying => _rekeying ??= rekeying(_queue);

    private RecordWriter Writer => _writer ??= new(_pipe.Writer, send);

    public void Queue(LinkFrame type, ReadOnlySpan<byte> body) => Assert.True(_queue.TryAdd(type, body, default));

    /// <summary>Sends what is queued as one record; the other end takes it.</summary>
    /// <returns>The handshake message that was in it, if any.</returns>
    public async Task<byte[]?> SendAsync(ExampleLink to, string what)
    {
        var batch = _queue.Take();
        page.Line($"link {name} {what} frames", batch.Frames);
        Writer.Write(batch.Frames);
        await _pipe.Writer.FlushAsync();
        _queue.OnFlushed();
        ArrayPool<byte>.Shared.Return(batch.Frames.Array!);
        if (batch.EndsEpoch)
        {
            Writer.Switch(batch.Next);
        }

        var read = await _pipe.Reader.ReadAsync();
        var record = read.Buffer.ToArray();
        page.Line($"link {name} {what} record, nonce {_nonce++}", record);
        _nonce = batch.EndsEpoch ? 0 : _nonce;
        var message = to.Take(read.Buffer);
        _pipe.Reader.AdvanceTo(read.Buffer.End);
        return message;
    }

    public void Dispose()
    {
        _writer?.Dispose();
        _reader.Dispose();
        _rekeying?.Dispose();
    }

    private byte[]? Take(ReadOnlySequence<byte> stream)
    {
        Assert.True(RecordReader.TryTake(ref stream, out var body));
        var bytes = body.ToArray();
        Assert.True(_reader.TryOpen(bytes, out var frames));
        byte[]? message = null;
        while (!frames.IsEmpty)
        {
            var length = BinaryPrimitives.ReadUInt16BigEndian(frames[1..]);
            var content = frames.Slice(SendQueue.FrameHead, length);
            if ((LinkFrame)frames[0] == LinkFrame.Rekey)
            {
                Rekeying.OnMessage(content);
                message = content[1..].ToArray();
            }
            else if ((LinkFrame)frames[0] == LinkFrame.Switch)
            {
                _reader.Switch(Rekeying.OnSwitch());
            }

            frames = frames[(SendQueue.FrameHead + length)..];
        }

        return message;
    }
}
