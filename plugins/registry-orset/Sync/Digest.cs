using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Dawn.Registries.OrSet;

/// <summary>A SHA-256, by value; ordered as its bytes are.</summary>
internal readonly record struct Digest(ulong A, ulong B, ulong C, ulong D) : IComparable<Digest>
{
    public const int Size = SHA256.HashSizeInBytes;

    /// <summary>As many bytes of it as travel: 2^64 signatures would have to be made to find two ranges with one fingerprint.</summary>
    public const int ShortSize = 16;

    public static Digest Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[Size];
        SHA256.HashData(bytes, hash);
        return Read(hash);
    }

    public static Digest Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]), BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]));

    /// <summary>The first <see cref="ShortSize"/> bytes; the rest is 0.</summary>
    public static Digest ReadShort(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]), 0, 0);

    public Digest Short => this with { C = 0, D = 0 };

    public void CopyTo(Span<byte> destination)
    {
        CopyShortTo(destination);
        BinaryPrimitives.WriteUInt64BigEndian(destination[16..], C);
        BinaryPrimitives.WriteUInt64BigEndian(destination[24..], D);
    }

    public void CopyShortTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, A);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], B);
    }

    public int CompareTo(Digest other) =>
        A != other.A ? A.CompareTo(other.A) : B != other.B ? B.CompareTo(other.B) : C != other.C ? C.CompareTo(other.C) : D.CompareTo(other.D);
}

/// <summary>A record that is held, with the SHA-256 of its bytes.</summary>
internal sealed record Held(RegistryRecord Record, Digest Hash)
{
    public Held(RegistryRecord record)
        : this(record, Digest.Of(record.Encoded.Span))
    {
    }

    public NodeId Node => Record.Node;

    public ulong Sequence => Record.Sequence;

    /// <summary>Two records under one dot: the higher hash counts, so the join of any number of them is their maximum.</summary>
    public static Held Join(Held first, Held second) => first.Hash.CompareTo(second.Hash) >= 0 ? first : second;

    public bool Equals(Held? other) => other is not null && Hash == other.Hash;

    public override int GetHashCode() => Hash.GetHashCode();
}
