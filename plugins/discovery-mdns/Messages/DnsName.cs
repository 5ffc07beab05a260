using System.Text;

namespace Dawn.Discovery.Mdns.Messages;

/// <summary>A name as on the wire, without compression: labels of any bytes (RFC 6763, 4.1.1), compared without the case of ASCII letters (RFC 6762, 16).</summary>
internal sealed class DnsName : IEquatable<DnsName>
{
    public const int MaxSize = 255;
    public const int MaxLabelSize = 63;

    // Each label behind its length; the root's, a zero, at the end.
    private readonly byte[] _wire;
    private readonly int _hash;

    private DnsName(byte[] wire)
    {
        _wire = wire;
        var hash = new HashCode();
        foreach (var octet in wire)
        {
            hash.Add(Folded(octet));
        }

        _hash = hash.ToHashCode();
    }

    public ReadOnlySpan<byte> Wire => _wire;

    /// <summary>Empty for the root.</summary>
    public ReadOnlySpan<byte> FirstLabel => _wire.AsSpan(1, _wire[0]);

    /// <summary>Null for the root.</summary>
    public DnsName? Parent => _wire[0] == 0 ? null : field ??= new(_wire[(1 + _wire[0])..]);

    /// <summary>Labels that a reader has checked, with the root's zero.</summary>
    public static DnsName FromWire(ReadOnlySpan<byte> wire) => new(wire.ToArray());

    /// <param name="text">Labels of ASCII between dots.</param>
    public static DnsName Of(string text)
    {
        var wire = new List<byte>(text.Length + 2);
        foreach (var label in text.Split('.'))
        {
            Append(wire, label);
        }

        wire.Add(0);
        return wire.Count <= MaxSize ? new([.. wire]) : throw new ArgumentException("A name has at most 255 bytes.", nameof(text));
    }

    public DnsName Child(string label)
    {
        var wire = new List<byte>(_wire.Length + label.Length + 1);
        Append(wire, label);
        wire.AddRange(_wire);
        return wire.Count <= MaxSize ? new([.. wire]) : throw new ArgumentException("A name has at most 255 bytes.", nameof(label));
    }

    /// <summary>True where this is one label before the other.</summary>
    public bool IsChildOf(DnsName parent) =>
        _wire[0] > 0 && _wire.Length == parent._wire.Length + 1 + _wire[0] && SameOctets(_wire.AsSpan(1 + _wire[0]), parent._wire);

    public bool Equals(DnsName? other) => other is not null && other._hash == _hash && SameOctets(_wire, other._wire);

    public override bool Equals(object? obj) => Equals(obj as DnsName);

    public override int GetHashCode() => _hash;

    /// <summary>For logs: what is no letter, digit, hyphen or underscore is written as \DDD (RFC 1035, 5.1).</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        for (var at = 0; _wire[at] > 0; at += 1 + _wire[at])
        {
            foreach (var octet in _wire.AsSpan(at + 1, _wire[at]))
            {
                _ = char.IsAsciiLetterOrDigit((char)octet) || octet is (byte)'-' or (byte)'_' ? text.Append((char)octet) : text.Append($"\\{octet:D3}");
            }

            text.Append('.');
        }

        return text.Length == 0 ? "." : text.ToString();
    }

    // Lengths are at most 63, which is below the letters: folding leaves them alone.
    private static bool SameOctets(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        if (one.Length != other.Length)
        {
            return false;
        }

        for (var i = 0; i < one.Length; i++)
        {
            if (Folded(one[i]) != Folded(other[i]))
            {
                return false;
            }
        }

        return true;
    }

    private static byte Folded(byte octet) => octet is >= (byte)'A' and <= (byte)'Z' ? (byte)(octet | 0x20) : octet;

    private static void Append(List<byte> wire, string label)
    {
        if (label.Length is 0 or > MaxLabelSize || !Ascii.IsValid(label))
        {
            throw new ArgumentException($"A label has 1 to {MaxLabelSize} characters of ASCII.", nameof(label));
        }

        wire.Add((byte)label.Length);
        wire.AddRange(Encoding.ASCII.GetBytes(label));
    }
}
