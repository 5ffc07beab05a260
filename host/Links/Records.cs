using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Dawn.Noise;

namespace Dawn.Links;

/// <summary>One direction's key in one epoch together with its counter: they are made and thrown away together, so that no key ever meets another's counter.</summary>
/// <param name="aead">Null for clear records. Disposed with this.</param>
internal sealed class RecordKey(Aead? aead) : IDisposable
{
    private ulong _nonce;
    private long _bytes;

    public bool IsSealed => aead is not null;

    public int Overhead => aead is null ? 0 : Aead.TagSize;

    /// <summary>Plaintext it has sealed or opened so far.</summary>
    public long Bytes => Volatile.Read(ref _bytes);

    public void Seal(ReadOnlySpan<byte> frames, Span<byte> to)
    {
        Volatile.Write(ref _bytes, _bytes + frames.Length);
        if (aead is null)
        {
            frames.CopyTo(to);
        }
        else
        {
            // Counted before it seals: whatever fails, no nonce is used twice.
            aead.Seal(_nonce++, default, frames, to);
        }
    }

    /// <summary>Opens in place; false for anything but the record that is the next in order.</summary>
    public bool TryOpen(Span<byte> body, out ReadOnlySpan<byte> frames)
    {
        frames = body;
        if (aead is null)
        {
            Volatile.Write(ref _bytes, _bytes + body.Length);
            return body.Length <= RecordWriter.MaxRecord;
        }

        if (body.Length < Aead.TagSize)
        {
            return false;
        }

        var plaintext = body[..^Aead.TagSize];
        frames = plaintext;
        Volatile.Write(ref _bytes, _bytes + plaintext.Length);
        return aead.TryOpen(_nonce++, default, body, plaintext);
    }

    /// <summary>The next epoch's, in place of this one, which is of no more use.</summary>
    /// <exception cref="InvalidOperationException">A sealed direction stays sealed, and a clear one clear.</exception>
    public RecordKey Replace(Aead? next)
    {
        if (next is null != aead is null || (next is not null && ReferenceEquals(next, aead)))
        {
            throw new InvalidOperationException("The next epoch needs a new key where this one has a key, and none where it has none.");
        }

        Dispose();
        return new(next);
    }

    public void Dispose() => aead?.Dispose();
}

/// <summary>Cuts frames into records, seals them, and puts them on the way (docs/protocol.md, "Records").</summary>
/// <param name="aead">Null for clear records.</param>
internal sealed class RecordWriter(PipeWriter output, Aead? aead) : IDisposable
{
    /// <summary>Plaintext in the longest record: Noise's limit for a message, less the tag.</summary>
    public const int MaxRecord = 65_519;

    public const int LengthSize = 2;

    private RecordKey _key = new(aead);

    /// <summary>What the present key has sealed.</summary>
    public long Bytes => Volatile.Read(ref _key).Bytes;

    /// <summary>Writes whole frames as few records; what they say leaves with the next flush.</summary>
    public void Write(ReadOnlySpan<byte> frames)
    {
        while (!frames.IsEmpty)
        {
            var record = frames[..(frames.Length <= MaxRecord ? frames.Length : WholeFrames(frames))];
            var size = record.Length + _key.Overhead;
            var to = output.GetSpan(LengthSize + size);
            BinaryPrimitives.WriteUInt16BigEndian(to, (ushort)size);
            _key.Seal(record, to.Slice(LengthSize, size));
            output.Advance(LengthSize + size);
            frames = frames[record.Length..];
        }
    }

    /// <summary>What is written from now on is sealed under this key; null for clear records.</summary>
    public void Switch(Aead? next) => Volatile.Write(ref _key, _key.Replace(next));

    public void Dispose() => _key.Dispose();

    private static int WholeFrames(ReadOnlySpan<byte> frames)
    {
        for (var length = 0; ;)
        {
            var next = length + SendQueue.FrameHead + BinaryPrimitives.ReadUInt16BigEndian(frames[(length + 1)..]);
            if (next > MaxRecord)
            {
                return length;
            }

            length = next;
        }
    }
}

/// <summary>Takes records out of a stream and opens them, strictly in order.</summary>
/// <param name="aead">Null for clear records.</param>
internal sealed class RecordReader(Aead? aead) : IDisposable
{
    private RecordKey _key = new(aead);

    /// <summary>What the present key has opened.</summary>
    public long Bytes => Volatile.Read(ref _key).Bytes;

    /// <summary>Takes the next record's body off the buffer; false where it isn't there as a whole.</summary>
    public static bool TryTake(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> body)
    {
        body = default;
        Span<byte> length = stackalloc byte[RecordWriter.LengthSize];
        if (buffer.Length < RecordWriter.LengthSize)
        {
            return false;
        }

        buffer.Slice(0, RecordWriter.LengthSize).CopyTo(length);
        var size = BinaryPrimitives.ReadUInt16BigEndian(length);
        if (buffer.Length < RecordWriter.LengthSize + size)
        {
            return false;
        }

        body = buffer.Slice(RecordWriter.LengthSize, size);
        buffer = buffer.Slice(RecordWriter.LengthSize + size);
        return true;
    }

    /// <summary>Opens, in place, the record that is the next in order; false for anything else.</summary>
    public bool TryOpen(Span<byte> body, out ReadOnlySpan<byte> frames) => _key.TryOpen(body, out frames);

    /// <summary>What comes from now on is sealed under this key; null for clear records.</summary>
    public void Switch(Aead? next) => Volatile.Write(ref _key, _key.Replace(next));

    public void Dispose() => _key.Dispose();
}
