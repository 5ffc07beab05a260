using System.Buffers;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Tests;

namespace Dawn.Fuzz.Targets;

/// <summary>A stream of sealed records, as it comes from the wire after the handshake: what opens must be what was sealed, in its order, from the first on.</summary>
internal sealed class RecordsTarget : IFuzzTarget
{
    private static readonly byte[] Key = SeededEntropy.Derive(1, "record key");

    private readonly byte[][] _sealed = [.. Frames().Select(Wire)];
    private readonly byte[] _stream;

    public RecordsTarget() => _stream = [.. _sealed.SelectMany(r => r)];

    public string Name => "records";

    // The copy of the input, and that of each record.
    public long AllocationLimit(int length) => 128 * 1024 + 4L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        using var aead = Aead.CreateBrief(Key);
        var reader = new RecordReader(aead);
        var buffer = new ReadOnlySequence<byte>(input.ToArray());
        var at = 0;
        while (RecordReader.TryTake(ref buffer, out var body))
        {
            var bytes = body.ToArray();
            if (!reader.TryOpen(bytes, out _))
            {
                return;
            }

            at += RecordWriter.LengthSize + bytes.Length;
            Property.Holds(at <= _stream.Length && input[..at].SequenceEqual(_stream.AsSpan(0, at)), "a record opened that was not sealed in this place");
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        yield return _stream;
        for (var count = 1; count < _sealed.Length; count++)
        {
            yield return [.. _sealed.Take(count).SelectMany(r => r)];
        }

        // Repeated, and in another order.
        yield return [.. _sealed[0], .. _sealed[0]];
        yield return [.. _sealed[1], .. _sealed[0]];
    }

    private static IEnumerable<(ulong Nonce, byte[] Plaintext)> Frames()
    {
        var lengths = new[] { 11, 0, 3, 200, 1_500 };
        for (var i = 0; i < lengths.Length; i++)
        {
            yield return ((ulong)i, new SeededEntropy(i).Bytes(lengths[i]));
        }
    }

    private static byte[] Wire((ulong Nonce, byte[] Plaintext) record)
    {
        using var aead = Aead.CreateBrief(Key);
        var size = record.Plaintext.Length + Aead.TagSize;
        var wire = new byte[RecordWriter.LengthSize + size];
        (wire[0], wire[1]) = ((byte)(size >> 8), (byte)size);
        aead.Seal(record.Nonce, default, record.Plaintext, wire.AsSpan(RecordWriter.LengthSize));
        return wire;
    }
}
