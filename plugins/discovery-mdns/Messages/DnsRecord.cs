using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Dawn.Discovery.Mdns.Messages;

/// <summary>The types that multicast DNS for services needs; others are carried as they are.</summary>
internal enum DnsType : ushort
{
    A = 1,
    Ptr = 12,
    Txt = 16,
    Aaaa = 28,
    Srv = 33,
    Nsec = 47,
    Any = 255,
}

/// <param name="WantsUnicast">The QU bit (RFC 6762, 5.4).</param>
internal readonly record struct Question(DnsName Name, DnsType Type, bool WantsUnicast = false);

/// <summary>A record of the class IN.</summary>
/// <param name="CacheFlush">The answerer is the only one who has records of this name and type (RFC 6762, 10.2).</param>
/// <param name="Ttl">Seconds; none takes the record back (10.1).</param>
internal sealed record DnsRecord(DnsName Name, RecordData Data, bool CacheFlush, uint Ttl)
{
    public DnsType Type => Data.Type;

    public bool IsSameAs(DnsRecord other) => Name.Equals(other.Name) && Data.Equals(other.Data);
}

/// <summary>Bytes that are equal where their contents are.</summary>
internal readonly struct Octets(byte[] bytes) : IEquatable<Octets>
{
    public ReadOnlySpan<byte> Span => bytes;

    public bool Equals(Octets other) => Span.SequenceEqual(other.Span);

    public override bool Equals(object? obj) => obj is Octets other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.AddBytes(Span);
        return hash.ToHashCode();
    }
}

internal abstract record RecordData
{
    public abstract DnsType Type { get; }

    public abstract void Write(MessageWriter writer);

    /// <summary>Without compression, as rivals compare it (RFC 6762, 8.2).</summary>
    public byte[] Canonical()
    {
        var writer = new MessageWriter(MessageReader.MaxMessage, compress: false);
        Write(writer);
        return writer.Body;
    }
}

internal sealed record AddressData(IPAddress Address) : RecordData
{
    public override DnsType Type => Address.AddressFamily == AddressFamily.InterNetwork ? DnsType.A : DnsType.Aaaa;

    public override void Write(MessageWriter writer) => writer.Bytes(Address.GetAddressBytes());
}

internal sealed record PointerData(DnsName Target) : RecordData
{
    public override DnsType Type => DnsType.Ptr;

    public override void Write(MessageWriter writer) => writer.Name(Target);
}

internal sealed record ServiceData(ushort Priority, ushort Weight, ushort Port, DnsName Target) : RecordData
{
    public override DnsType Type => DnsType.Srv;

    public override void Write(MessageWriter writer)
    {
        writer.UInt16(Priority);
        writer.UInt16(Weight);
        writer.UInt16(Port);
        writer.Name(Target);
    }
}

/// <summary>Strings behind a byte of length each (RFC 1035, 3.3.14), checked by the reader.</summary>
internal sealed record TextData(Octets Strings) : RecordData
{
    public override DnsType Type => DnsType.Txt;

    public static TextData Of(params ReadOnlySpan<string> strings)
    {
        var bytes = new List<byte>();
        foreach (var text in strings)
        {
            bytes.Add(checked((byte)text.Length));
            bytes.AddRange(Encoding.ASCII.GetBytes(text));
        }

        return new(new Octets([.. bytes]));
    }

    /// <summary>The value of the first <c>key=value</c> with this key, in any case of its letters (RFC 6763, 6.4); null without one, or where it is not printable ASCII.</summary>
    public string? this[string key]
    {
        get
        {
            for (var rest = Strings.Span; !rest.IsEmpty; rest = rest[(1 + rest[0])..])
            {
                var text = rest.Slice(1, rest[0]);
                var equals = text.IndexOf((byte)'=');
                if (equals == key.Length && Ascii.EqualsIgnoreCase(text[..equals], key))
                {
                    var value = text[(equals + 1)..];
                    return value.ContainsAnyExceptInRange((byte)' ', (byte)'~') ? null : Encoding.ASCII.GetString(value);
                }
            }

            return null;
        }
    }

    public override void Write(MessageWriter writer)
    {
        if (Strings.Span.IsEmpty)
        {
            // At least one string, though empty (RFC 6763, 6.1).
            writer.UInt8(0);
        }

        writer.Bytes(Strings.Span);
    }
}

/// <summary>Which types a name has: so that nobody waits for others (RFC 6762, 6.1).</summary>
/// <param name="Bitmap">Windows as in RFC 4034, 4.1.2.</param>
internal sealed record NsecData(DnsName Next, Octets Bitmap) : RecordData
{
    public override DnsType Type => DnsType.Nsec;

    /// <param name="types">Below 256, as all are that multicast DNS may name here.</param>
    public static NsecData Of(DnsName name, IEnumerable<DnsType> types)
    {
        Span<byte> bits = stackalloc byte[32];
        var length = 0;
        foreach (var type in types)
        {
            var at = (int)type / 8;
            bits[at] |= (byte)(0x80 >> ((int)type % 8));
            length = Math.Max(length, at + 1);
        }

        return new(name, new Octets([0, (byte)length, .. bits[..length]]));
    }

    public override void Write(MessageWriter writer)
    {
        writer.Name(Next);
        writer.Bytes(Bitmap.Span);
    }
}

/// <summary>Of a type that means nothing here.</summary>
internal sealed record OpaqueData(DnsType Kind, Octets Content) : RecordData
{
    public override DnsType Type => Kind;

    public override void Write(MessageWriter writer) => writer.Bytes(Content.Span);
}
