using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Dawn.Noise;

namespace Dawn.Links;

/// <summary>Cuts frames into records, seals them, and puts them on the way (docs/protocol.md, "Records").</summary>
/// <param name="aead">Null for clear records.</param>
internal sealed class RecordWriter(PipeWriter output, Aead? aead)
{
    /// <summary>Plaintext in the longest record: Noise's limit for a message, less the tag.</summary>
    public const int MaxRecord = 65_519;

    public const int LengthSize = 2;

    private ulong _nonce;

    /// <summary>Writes whole frames as few records; what they say leaves with the next flush.</summary>
    public void Write(ReadOnlySpan<byte> frames)
    {
        var overhead = aead is null ? 0 : Aead.TagSize;
        while (!frames.IsEmpty)
        {
            var record = frames[..(frames.Length <= MaxRecord ? frames.Length : WholeFrames(frames))];
            var size = record.Length + overhead;
            var to = output.GetSpan(LengthSize + size);
            BinaryPrimitives.WriteUInt16BigEndian(to, (ushort)size);
            if (aead is null)
            {
                record.CopyTo(to[LengthSize..]);
            }
            else
            {
                // Counted before it seals: whatever fails, no nonce is used twice.
                aead.Seal(_nonce++, default, record, to.Slice(LengthSize, size));
            }

            output.Advance(LengthSize + size);
            frames = frames[record.Length..];
        }
    }

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
internal sealed class RecordReader(Aead? aead)
{
    private ulong _nonce;

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
    public bool TryOpen(Span<byte> body, out ReadOnlySpan<byte> frames)
    {
        frames = body;
        if (aead is null)
        {
            return body.Length <= RecordWriter.MaxRecord;
        }

        if (body.Length < Aead.TagSize)
        {
            return false;
        }

        var plaintext = body[..^Aead.TagSize];
        frames = plaintext;
        return aead.TryOpen(_nonce++, default, body, plaintext);
    }
}
