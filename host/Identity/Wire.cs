using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Dawn.Identity;

/// <summary>Reads Dawn's big-endian structures out of untrusted bytes: never throws, remembers that it failed.</summary>
/// <remarks>After the last field check <see cref="Complete"/>, once; values read after a failure are empty.</remarks>
internal ref struct WireReader(ReadOnlySpan<byte> bytes)
{
    // Strict: a name that isn't UTF-8 is refused instead of mended.
    private static readonly UTF8Encoding Utf8 = new(false, true);

    private ReadOnlySpan<byte> _rest = bytes;

    public bool Failed { get; private set; }

    public readonly int Remaining => _rest.Length;

    /// <summary>True where everything was read and nothing failed.</summary>
    public readonly bool Complete => !Failed && _rest.IsEmpty;

    public ReadOnlySpan<byte> Bytes(int count)
    {
        if (Failed || count < 0 || count > _rest.Length)
        {
            Failed = true;
            return default;
        }

        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    public byte UInt8() => Bytes(1) is [var b] ? b : (byte)0;

    public ushort UInt16() => Bytes(2) is { Length: 2 } b ? BinaryPrimitives.ReadUInt16BigEndian(b) : (ushort)0;

    public uint UInt32() => Bytes(4) is { Length: 4 } b ? BinaryPrimitives.ReadUInt32BigEndian(b) : 0;

    public ulong UInt64() => Bytes(8) is { Length: 8 } b ? BinaryPrimitives.ReadUInt64BigEndian(b) : 0;

    public NodeId NodeId() => Bytes(Dawn.NodeId.Size) is { Length: Dawn.NodeId.Size } b ? new NodeId(b) : default;

    /// <summary>Bytes under a 16-bit length; a length over <paramref name="max"/> fails.</summary>
    public ReadOnlySpan<byte> Block16(int max)
    {
        var length = UInt16();
        if (length > max)
        {
            Failed = true;
        }

        return Bytes(length);
    }

    /// <summary>UTF-8 text under an 8-bit length.</summary>
    public string Text8() => Text(Bytes(UInt8()));

    /// <summary>UTF-8 text under a 16-bit length of at most <paramref name="max"/> bytes.</summary>
    public string Text16(int max) => Text(Block16(max));

    /// <summary>Marks what was read so far as wrong.</summary>
    public void Fail() => Failed = true;

    private string Text(ReadOnlySpan<byte> utf8)
    {
        try
        {
            return Utf8.GetString(utf8);
        }
        catch (DecoderFallbackException)
        {
            Failed = true;
            return "";
        }
    }
}

/// <summary>Writes what <see cref="WireReader"/> reads.</summary>
internal sealed class WireWriter
{
    private readonly ArrayBufferWriter<byte> _to = new(256);

    public WireWriter UInt8(int value)
    {
        _to.Write([checked((byte)value)]);
        return this;
    }

    public WireWriter UInt16(int value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_to.GetSpan(2), checked((ushort)value));
        _to.Advance(2);
        return this;
    }

    public WireWriter UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_to.GetSpan(4), value);
        _to.Advance(4);
        return this;
    }

    public WireWriter UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_to.GetSpan(8), value);
        _to.Advance(8);
        return this;
    }

    public WireWriter NodeId(NodeId id)
    {
        id.CopyTo(_to.GetSpan(Dawn.NodeId.Size));
        _to.Advance(Dawn.NodeId.Size);
        return this;
    }

    public WireWriter Bytes(ReadOnlySpan<byte> bytes)
    {
        _to.Write(bytes);
        return this;
    }

    public WireWriter Block16(ReadOnlySpan<byte> bytes) => UInt16(bytes.Length).Bytes(bytes);

    public WireWriter Text8(string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        return UInt8(utf8.Length).Bytes(utf8);
    }

    public WireWriter Text16(string text) => Block16(Encoding.UTF8.GetBytes(text));

    public ReadOnlySpan<byte> Written => _to.WrittenSpan;

    public byte[] ToArray() => _to.WrittenSpan.ToArray();
}
