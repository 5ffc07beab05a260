using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Dawn.Testing.Registries;

/// <summary>A record as a registry's tests need it: it says who, when and how long, and a text that makes it another; nothing is signed.</summary>
public sealed record TestRecord : RegistryRecord
{
    private const byte Version = 1;
    private const int HeadSize = 1 + NodeId.Size + 3 * sizeof(ulong);

    /// <summary>Makes a record.</summary>
    /// <param name="node">Whose.</param>
    /// <param name="sequence">Higher is newer.</param>
    /// <param name="issued">When; whole milliseconds count.</param>
    /// <param name="lifetime">How long it counts.</param>
    /// <param name="content">What makes two records with one sequence different ones.</param>
    [SetsRequiredMembers]
    public TestRecord(NodeId node, ulong sequence, DateTimeOffset issued, TimeSpan lifetime, ReadOnlySpan<byte> content = default)
        : base(node, sequence, issued, issued + lifetime)
    {
        var bytes = new byte[HeadSize + content.Length + SHA256.HashSizeInBytes];
        bytes[0] = Version;
        node.CopyTo(bytes.AsSpan(1));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(33), sequence);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(41), issued.ToUnixTimeMilliseconds());
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(49), (issued + lifetime).ToUnixTimeMilliseconds());
        content.CopyTo(bytes.AsSpan(HeadSize));
        // In a signature's place.
        SHA256.HashData(bytes.AsSpan(0, HeadSize + content.Length), bytes.AsSpan(HeadSize + content.Length));
        Encoded = bytes;
    }

    /// <summary>A NodeId that follows from a number; numbers that follow each other give NodeIds that lie apart.</summary>
    public static NodeId NodeOf(int number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return new(SHA256.HashData(bytes));
    }

    /// <summary>Reads what a record of this type has encoded.</summary>
    /// <param name="encoded">Anything.</param>
    /// <param name="now">Records that are over by then don't count, nor those that were issued more than 10 minutes later.</param>
    /// <param name="problem">Why there is no record.</param>
    public static TestRecord? Read(ReadOnlySpan<byte> encoded, DateTimeOffset now, out string? problem)
    {
        problem = "it is malformed";
        var content = encoded.Length - SHA256.HashSizeInBytes;
        if (content < HeadSize || encoded[0] != Version || !SHA256.HashData(encoded[..content]).AsSpan().SequenceEqual(encoded[content..]))
        {
            return null;
        }

        var issued = DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(encoded[41..]));
        var notAfter = DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(encoded[49..]));
        problem = notAfter <= now ? "it is over" : issued > now + TimeSpan.FromMinutes(10) ? "it comes from the future" : null;
        return problem is null ? new(new(encoded.Slice(1, NodeId.Size)), BinaryPrimitives.ReadUInt64BigEndian(encoded[33..]), issued, notAfter - issued, encoded[HeadSize..content]) : null;
    }
}

/// <summary>Reads <see cref="TestRecord"/>s, as the host reads signed ones.</summary>
/// <param name="time">Which records are over.</param>
public sealed class TestRecordReader(TimeProvider time) : IRecordReader
{
    /// <inheritdoc/>
    public RegistryRecord? Read(ReadOnlyMemory<byte> encoded, out string? problem) => TestRecord.Read(encoded.Span, time.GetUtcNow(), out problem);
}
