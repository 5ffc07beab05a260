using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using Dawn.Identity;

namespace Dawn;

/// <summary>A node's name: its 32-byte Ed25519 public key. Text: lower-case RFC 4648 base32 without padding, 52 characters.</summary>
/// <remarks>A value says nothing about validity as a curve point: who has verified a signature of it knows. Ordered as its bytes are.</remarks>
public readonly struct NodeId : IEquatable<NodeId>, IComparable<NodeId>
{
    /// <summary>Bytes in a NodeId.</summary>
    public const int Size = 32;

    /// <summary>Characters in its text.</summary>
    public const int TextLength = 52;

    /// <summary>Characters of the shortest prefix that people may type.</summary>
    public const int MinPrefixLength = 6;

    private readonly ulong _a, _b, _c, _d;

    /// <summary>Takes the bytes as they are.</summary>
    /// <param name="bytes">Exactly <see cref="Size"/>.</param>
    /// <exception cref="ArgumentException">Another length.</exception>
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

    /// <summary>Writes the bytes.</summary>
    /// <param name="destination">At least <see cref="Size"/> bytes.</param>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, _a);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], _b);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], _c);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], _d);
    }

    /// <summary>The bytes, in an array of its own.</summary>
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

    /// <summary>The 52 characters.</summary>
    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        CopyTo(bytes);
        return Base32.Encode(bytes);
    }

    /// <summary>The first characters, for logs and people.</summary>
    public string ToShortString() => ToString()[..10];

    /// <inheritdoc/>
    public bool Equals(NodeId other) => _a == other._a && _b == other._b && _c == other._c && _d == other._d;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is NodeId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_a, _b);

    /// <inheritdoc/>
    public int CompareTo(NodeId other) =>
        _a != other._a ? _a.CompareTo(other._a) :
        _b != other._b ? _b.CompareTo(other._b) :
        _c != other._c ? _c.CompareTo(other._c) : _d.CompareTo(other._d);

    /// <summary>Compares the bytes.</summary>
    public static bool operator ==(NodeId left, NodeId right) => left.Equals(right);

    /// <summary>Compares the bytes.</summary>
    public static bool operator !=(NodeId left, NodeId right) => !left.Equals(right);
}
