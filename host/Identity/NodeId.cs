using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Dawn.Identity;

/// <summary>A node's name: its 32-byte Ed25519 public key. Text: lower-case RFC 4648 base32 without padding, 52 characters.</summary>
/// <remarks>A value says nothing about validity as a curve point; <see cref="Signatures"/> decides that.</remarks>
internal readonly struct NodeId : IEquatable<NodeId>, IComparable<NodeId>
{
    /// <summary>Bytes in a NodeId.</summary>
    public const int Size = 32;

    /// <summary>Characters in its text.</summary>
    public const int TextLength = 52;

    /// <summary>Characters of the shortest prefix that people may type.</summary>
    public const int MinPrefixLength = 6;

    private readonly ulong _a, _b, _c, _d;

    public NodeId(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Size)
        {
            throw new ArgumentException($"A NodeId has {Size} bytes, not {bytes.Length}.", nameof(bytes));
        }

        _a = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _d);
    }

    public byte[] ToArray()
    {
        var bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Reads the 52-character text; upper case is taken too. False for anything else, also for non-zero trailing bits.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out NodeId id)
    {
        id = default;
        Span<byte> bytes = stackalloc byte[Size];
        if (text is not { Length: TextLength } || !Base32.TryDecode(text, bytes))
        {
            return false;
        }

        id = new NodeId(bytes);
        return true;
    }

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return Base32.Encode(bytes);
    }

    /// <summary>The first characters, for logs and people.</summary>
    public string ToShortString() => ToString()[..10];

    public bool Equals(NodeId other) => _a == other._a && _b == other._b && _c == other._c && _d == other._d;

    public override bool Equals(object? obj) => obj is NodeId other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(_a, _b, _c, _d);

    public int CompareTo(NodeId other) =>
        _a != other._a ? _a.CompareTo(other._a) :
        _b != other._b ? _b.CompareTo(other._b) :
        _c != other._c ? _c.CompareTo(other._c) : _d.CompareTo(other._d);

    public static bool operator ==(NodeId left, NodeId right) => left.Equals(right);

    public static bool operator !=(NodeId left, NodeId right) => !left.Equals(right);
}
