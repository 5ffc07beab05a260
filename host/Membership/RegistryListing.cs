using System.Buffers.Binary;
using System.Security.Cryptography;
using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>Reconciles by listing everything: the beginner lists its records page by page, the other end says which it wants, and sends what the page lacks.</summary>
/// <remarks>Stateless: each message says where in the order of nodes it stands. A page takes two messages, so that the 32 of a reconciliation are enough for all nodes that a registry holds.</remarks>
internal static class RegistryListing
{
    // 96 bits of a key can't be chosen; sequence; and enough of the hash to tell two records of one sequence apart.
    private const int PrefixSize = 12;
    private const int HashSize = 4;
    private const int LineSize = PrefixSize + sizeof(ulong) + HashSize;
    private const int HeadSize = 1 + 1 + PrefixSize + PrefixSize;

    public const int LinesPerPage = (RegistryFrame.MaxMessage - HeadSize) / LineSize;

    private enum Kind : byte
    {
        Page = 1,
        Wants = 2,
    }

    /// <summary>SHA-256 over (NodeId, sequence, SHA-256 of the record) of all, in the order of nodes.</summary>
    public static byte[] Summary(IEnumerable<Line> lines)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> head = stackalloc byte[NodeId.Size + sizeof(ulong)];
        foreach (var line in lines)
        {
            line.Record.Node.CopyTo(head);
            BinaryPrimitives.WriteUInt64BigEndian(head[NodeId.Size..], line.Record.Sequence);
            hash.AppendData(head);
            hash.AppendData(line.Hash);
        }

        return hash.GetHashAndReset();
    }

    /// <param name="lines">In the order of nodes.</param>
    public static RegistryReply Reconcile(IEnumerable<Line> lines, ReadOnlySpan<byte> message)
    {
        if (message.IsEmpty)
        {
            return new([], Page(lines, null));
        }

        var reader = new WireReader(message);
        var (kind, isLast) = ((Kind)reader.UInt8(), reader.UInt8());
        var (after, until) = (new Prefix(reader.Bytes(PrefixSize)), new Prefix(reader.Bytes(PrefixSize)));
        var size = kind == Kind.Page ? LineSize : PrefixSize;
        if (reader.Failed || isLast > 1 || kind is not (Kind.Page or Kind.Wants) || reader.Remaining % size != 0 || reader.Remaining > size * LinesPerPage)
        {
            throw new FormatException("a message of a listing that is malformed");
        }

        return kind == Kind.Page ? Answer(lines, ref reader, after, until, isLast == 1) : Bring(lines, ref reader, until, isLast == 1);
    }

    /// <summary>What of a page this end has newer or alone, and a message that asks for what the other end has so.</summary>
    private static RegistryReply Answer(IEnumerable<Line> lines, ref WireReader page, Prefix after, Prefix until, bool isLast)
    {
        var theirs = new Dictionary<Prefix, (ulong Sequence, uint Hash)>();
        Prefix? last = null;
        while (page.Remaining > 0)
        {
            var prefix = new Prefix(page.Bytes(PrefixSize));
            if (last is { } before && prefix.CompareTo(before) <= 0)
            {
                throw new FormatException("a page of a listing that is out of order");
            }

            theirs[prefix] = (page.UInt64(), page.UInt32());
            last = prefix;
        }

        var records = new List<RegistryRecord>();
        foreach (var line in lines)
        {
            var prefix = Prefix.Of(line.Record.Node);
            if (prefix.CompareTo(after) <= 0 || (!isLast && prefix.CompareTo(until) > 0))
            {
                continue;
            }

            if (!theirs.Remove(prefix, out var their))
            {
                records.Add(line.Record);
            }
            else if (their.Sequence != line.Record.Sequence)
            {
                if (their.Sequence < line.Record.Sequence)
                {
                    records.Add(line.Record);
                }
                else
                {
                    theirs[prefix] = their;
                }
            }
            else if (their.Hash != line.ShortHash)
            {
                // Both ends are to see both.
                records.Add(line.Record);
                theirs[prefix] = their;
            }
        }

        if (isLast && theirs.Count == 0)
        {
            return new(records, default);
        }

        var wants = Head(Kind.Wants, isLast, default, until);
        foreach (var prefix in theirs.Keys.Order())
        {
            prefix.Write(wants);
        }

        return new(records, wants.ToArray());
    }

    private static RegistryReply Bring(IEnumerable<Line> lines, ref WireReader wants, Prefix until, bool isLast)
    {
        var wanted = new HashSet<Prefix>();
        while (wants.Remaining > 0)
        {
            wanted.Add(new(wants.Bytes(PrefixSize)));
        }

        List<RegistryRecord> records = [.. lines.Select(l => l.Record).Where(r => wanted.Contains(Prefix.Of(r.Node)))];
        return new(records, isLast ? default : Page(lines, until));
    }

    private static byte[] Page(IEnumerable<Line> lines, Prefix? after)
    {
        var rest = lines.Where(l => after is not { } from || Prefix.Of(l.Record.Node).CompareTo(from) > 0).Take(LinesPerPage + 1).ToList();
        var isLast = rest.Count <= LinesPerPage;
        var page = rest.Take(LinesPerPage).ToList();
        var message = Head(Kind.Page, isLast, after ?? default, page is [.., var end] ? Prefix.Of(end.Record.Node) : default);
        foreach (var line in page)
        {
            Prefix.Of(line.Record.Node).Write(message);
            message.UInt64(line.Record.Sequence).UInt32(line.ShortHash);
        }

        return message.ToArray();
    }

    private static WireWriter Head(Kind kind, bool isLast, Prefix after, Prefix until)
    {
        var head = new WireWriter().UInt8((byte)kind).UInt8(isLast ? 1 : 0);
        after.Write(head);
        until.Write(head);
        return head;
    }

    /// <param name="Hash">SHA-256 of its bytes.</param>
    public readonly record struct Line(RegistryRecord Record, byte[] Hash)
    {
        public uint ShortHash => BinaryPrimitives.ReadUInt32BigEndian(Hash);
    }

    private readonly record struct Prefix(ulong High, uint Low) : IComparable<Prefix>
    {
        public Prefix(ReadOnlySpan<byte> bytes) : this(
            bytes.Length < PrefixSize ? 0 : BinaryPrimitives.ReadUInt64BigEndian(bytes), bytes.Length < PrefixSize ? 0 : BinaryPrimitives.ReadUInt32BigEndian(bytes[sizeof(ulong)..]))
        {
        }

        public static Prefix Of(NodeId node)
        {
            Span<byte> bytes = stackalloc byte[NodeId.Size];
            node.CopyTo(bytes);
            return new(bytes);
        }

        public int CompareTo(Prefix other) => High != other.High ? High.CompareTo(other.High) : Low.CompareTo(other.Low);

        public void Write(WireWriter to) => to.UInt64(High).UInt32(Low);
    }
}
