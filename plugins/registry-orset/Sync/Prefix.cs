namespace Dawn.Registries.OrSet;

/// <summary>A range of NodeIds: all that begin with these half-bytes. Ordered by where they begin, the wider first.</summary>
internal readonly record struct Prefix(NodeId First, int Length) : IComparable<Prefix>
{
    public const int Fanout = 16;
    public const int MaxLength = NodeId.Size * 2;

    /// <summary>Every NodeId.</summary>
    public static readonly Prefix All = default;

    /// <summary>The half-byte of a NodeId at a depth.</summary>
    public static int At(NodeId node, int depth)
    {
        Span<byte> bytes = stackalloc byte[NodeId.Size];
        node.CopyTo(bytes);
        return (depth & 1) == 0 ? bytes[depth / 2] >> 4 : bytes[depth / 2] & 0xF;
    }

    /// <summary>The part of this range whose next half-byte is that.</summary>
    public Prefix Child(int halfByte)
    {
        Span<byte> bytes = stackalloc byte[NodeId.Size];
        First.CopyTo(bytes);
        bytes[Length / 2] |= (byte)((Length & 1) == 0 ? halfByte << 4 : halfByte);
        return new(new(bytes), Length + 1);
    }

    public bool Contains(NodeId node)
    {
        Span<byte> mine = stackalloc byte[NodeId.Size];
        Span<byte> its = stackalloc byte[NodeId.Size];
        First.CopyTo(mine);
        node.CopyTo(its);
        return mine[..(Length / 2)].SequenceEqual(its[..(Length / 2)]) && ((Length & 1) == 0 || mine[Length / 2] >> 4 == its[Length / 2] >> 4);
    }

    public int CompareTo(Prefix other) => First != other.First ? First.CompareTo(other.First) : Length.CompareTo(other.Length);
}
