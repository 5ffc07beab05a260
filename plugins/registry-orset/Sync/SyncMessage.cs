using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;

namespace Dawn.Registries.OrSet;

/// <summary>The bytes of a message of reconciliation: <c>u8 version</c>, <c>u16 step</c>, then items of ascending, disjoint ranges.</summary>
internal static class SyncMessage
{
    public const int MaxSize = 16 * 1024;
    public const int HeaderSize = 3;

    /// <summary>An exchange that is as long goes in circles: this end stops answering.</summary>
    public const int MaxSteps = 1_000;

    private const byte Version = 1;
    private const int MaxWants = 255;

    private enum Kind : byte
    {
        Range = 1,
        Split,
        List,
        Want,
    }

    public static void WriteHeader(IBufferWriter<byte> to, int step)
    {
        var span = to.GetSpan(HeaderSize);
        span[0] = Version;
        BinaryPrimitives.WriteUInt16BigEndian(span[1..], (ushort)step);
        to.Advance(HeaderSize);
    }

    public static int SizeOf(SyncItem item) => 2 + (item.Range.Length + 1) / 2 + item switch
    {
        RangeItem => Digest.ShortSize,
        SplitItem split => sizeof(ushort) + split.Parts.Count(part => part != default) * Digest.ShortSize,
        ListItem list => 1 + list.Entries.Count * (SuffixSize(item.Range) + sizeof(ulong) + Digest.ShortSize),
        _ => 1 + ((WantItem)item).Nodes.Count * SuffixSize(item.Range),
    };

    public static void Write(IBufferWriter<byte> to, SyncItem item)
    {
        var size = SizeOf(item);
        var span = to.GetSpan(size)[..size];
        Span<byte> node = stackalloc byte[NodeId.Size];
        item.Range.First.CopyTo(node);
        span[0] = (byte)(item switch { RangeItem => Kind.Range, SplitItem => Kind.Split, ListItem => Kind.List, _ => Kind.Want });
        span[1] = (byte)item.Range.Length;
        node[..((item.Range.Length + 1) / 2)].CopyTo(span[2..]);
        span = span[(2 + (item.Range.Length + 1) / 2)..];
        switch (item)
        {
            case RangeItem range:
                range.Fingerprint.CopyShortTo(span);
                break;
            case SplitItem split:
                var parts = 0;
                var into = span[sizeof(ushort)..];
                for (var i = 0; i < Prefix.Fanout; i++)
                {
                    if (split.Parts[i] != default)
                    {
                        parts |= 1 << i;
                        split.Parts[i].CopyShortTo(into);
                        into = into[Digest.ShortSize..];
                    }
                }

                BinaryPrimitives.WriteUInt16BigEndian(span, (ushort)parts);
                break;
            case ListItem list:
                span[0] = (byte)list.Entries.Count;
                span = span[1..];
                foreach (var entry in list.Entries)
                {
                    WriteSuffix(ref span, entry.Node, item.Range);
                    BinaryPrimitives.WriteUInt64BigEndian(span, entry.Sequence);
                    entry.Hash.CopyShortTo(span[sizeof(ulong)..]);
                    span = span[(sizeof(ulong) + Digest.ShortSize)..];
                }

                break;
            case WantItem want:
                span[0] = (byte)want.Nodes.Count;
                span = span[1..];
                foreach (var wanted in want.Nodes)
                {
                    WriteSuffix(ref span, wanted, item.Range);
                }

                break;
        }

        to.Advance(size);
    }

    /// <summary>Reads a message to its last byte.</summary>
    /// <exception cref="FormatException">It is malformed in any way.</exception>
    public static (int Step, List<SyncItem> Items) Read(ReadOnlySpan<byte> message)
    {
        if (message.Length is < HeaderSize or > MaxSize || message[0] != Version)
        {
            throw new FormatException(message.Length > 0 && message[0] != Version
                ? $"A message of reconciliation has version {Version}, not {message[0]}: update the older of the two nodes."
                : $"A message of reconciliation has {HeaderSize} to {MaxSize} bytes, not {message.Length}.");
        }

        var step = BinaryPrimitives.ReadUInt16BigEndian(message[1..]);
        var rest = message[HeaderSize..];
        var items = new List<SyncItem>();
        while (!rest.IsEmpty)
        {
            var item = ReadItem(ref rest);
            // Disjoint, so that however many items a message has, the work is never more than one walk over all that is held.
            if (items.Count > 0 && (items[^1].Range.Contains(item.Range.First) || items[^1].Range.CompareTo(item.Range) >= 0))
            {
                throw new FormatException("Ranges of a message of reconciliation ascend and do not overlap.");
            }

            items.Add(item);
        }

        return (step, items);
    }

    private static int SuffixSize(Prefix range) => NodeId.Size - range.Length / 2;

    private static void WriteSuffix(ref Span<byte> span, NodeId id, Prefix range)
    {
        Span<byte> node = stackalloc byte[NodeId.Size];
        id.CopyTo(node);
        node[(range.Length / 2)..].CopyTo(span);
        span = span[SuffixSize(range)..];
    }

    private static SyncItem ReadItem(ref ReadOnlySpan<byte> rest)
    {
        var head = Take(ref rest, 2);
        var (kind, length) = ((Kind)head[0], head[1]);
        if (kind is < Kind.Range or > Kind.Want || length >= Prefix.MaxLength)
        {
            throw new FormatException($"An item of reconciliation has kind 1 to 4 and a range of 0 to {Prefix.MaxLength - 1} half-bytes, not {head[0]} and {length}.");
        }

        Span<byte> first = stackalloc byte[NodeId.Size];
        first.Clear();
        Take(ref rest, (length + 1) / 2).CopyTo(first);
        if ((length & 1) == 1 && (first[length / 2] & 0xF) != 0)
        {
            throw new FormatException("Half-bytes behind a range's beginning are 0.");
        }

        var range = new Prefix(new(first), length);
        return kind switch
        {
            Kind.Range => new RangeItem(range, Digest.ReadShort(Take(ref rest, Digest.ShortSize))),
            Kind.Split => ReadSplit(ref rest, range),
            Kind.List => ReadList(ref rest, range),
            _ => ReadWant(ref rest, range),
        };
    }

    private static SplitItem ReadSplit(ref ReadOnlySpan<byte> rest, Prefix range)
    {
        var present = BinaryPrimitives.ReadUInt16BigEndian(Take(ref rest, sizeof(ushort)));
        var parts = new Digest[Prefix.Fanout];
        var bytes = Take(ref rest, BitOperations.PopCount(present) * Digest.ShortSize);
        for (var i = 0; i < Prefix.Fanout; i++)
        {
            if ((present & 1 << i) != 0)
            {
                parts[i] = Digest.ReadShort(bytes);
                bytes = bytes[Digest.ShortSize..];
                if (parts[i] == default)
                {
                    throw new FormatException("The fingerprint of a part that is not empty is not 0.");
                }
            }
        }

        return present != 0 ? new(range, parts) : throw new FormatException("A range that is split is not empty.");
    }

    private static ListItem ReadList(ref ReadOnlySpan<byte> rest, Prefix range)
    {
        int count = Take(ref rest, 1)[0];
        if (count > RangeTree.LeafSize)
        {
            throw new FormatException($"A list has at most {RangeTree.LeafSize} entries, not {count}.");
        }

        var entries = new List<ListEntry>(count);
        for (var i = 0; i < count; i++)
        {
            var node = ReadNode(ref rest, range, i == 0 ? null : entries[^1].Node);
            var sequence = BinaryPrimitives.ReadUInt64BigEndian(Take(ref rest, sizeof(ulong)));
            entries.Add(new(node, sequence, Digest.ReadShort(Take(ref rest, Digest.ShortSize))));
        }

        return new(range, entries);
    }

    private static WantItem ReadWant(ref ReadOnlySpan<byte> rest, Prefix range)
    {
        int count = Take(ref rest, 1)[0];
        if (count is 0 or > MaxWants)
        {
            throw new FormatException("Who wants records names some.");
        }

        var nodes = new List<NodeId>(count);
        for (var i = 0; i < count; i++)
        {
            nodes.Add(ReadNode(ref rest, range, i == 0 ? null : nodes[^1]));
        }

        return new(range, nodes);
    }

    private static NodeId ReadNode(ref ReadOnlySpan<byte> rest, Prefix range, NodeId? before)
    {
        Span<byte> node = stackalloc byte[NodeId.Size];
        range.First.CopyTo(node);
        Take(ref rest, SuffixSize(range)).CopyTo(node[(range.Length / 2)..]);
        var id = new NodeId(node);
        return range.Contains(id) && (before is null || before.Value.CompareTo(id) < 0)
            ? id
            : throw new FormatException("Nodes of a range ascend, and begin as the range does.");
    }

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> rest, int count)
    {
        if (rest.Length < count)
        {
            throw new FormatException("A message of reconciliation ends before its time.");
        }

        var taken = rest[..count];
        rest = rest[count..];
        return taken;
    }
}
