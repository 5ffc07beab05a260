using System.Collections.Immutable;

namespace Dawn.Identity;

/// <summary>An invitation, as one line of text. Layout: docs/protocol.md, "Tickets".</summary>
/// <param name="Secret">32 bytes: whoever holds them may join once, until <see cref="NotAfter"/>.</param>
internal sealed record Ticket(UInt128 Id, byte[] Secret, CertificateRole Role, NodeId Issuer, DateTimeOffset NotAfter, string NetworkName, ImmutableArray<Uri> Addresses)
{
    public const int IdSize = 16;
    public const int SecretSize = 32;
    public const int MaxAddresses = 4;

    private const string Prefix = "dawn1";
    private const byte Version = 1;

    public override string ToString()
    {
        var writer = new WireWriter().UInt8(Version).UInt8((byte)Role).UInt64((ulong)(Id >> 64)).UInt64((ulong)Id).Bytes(Secret).NodeId(Issuer)
            .UInt64((ulong)NotAfter.ToUnixTimeSeconds()).Text8(NetworkName).UInt8(Addresses.Length);
        foreach (var address in Addresses)
        {
            writer.Text8(address.GetLeftPart(UriPartial.Authority));
        }

        return Prefix + Base32.Encode(writer.Written);
    }

    /// <summary>Reads what <see cref="ToString"/> wrote; null with the reason where it is no ticket.</summary>
    public static Ticket? TryParse(string text, out string problem)
    {
        text = text.Trim();
        problem = "it is no ticket: a ticket begins with 'dawn1' and is one long word";
        var body = text.Length is > 5 and <= 2048 && text.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) ? text.AsSpan(Prefix.Length) : default;
        var bytes = new byte[body.Length * 5 / 8];
        if (body.IsEmpty || !Base32.TryDecode(body, bytes))
        {
            problem = body.IsEmpty ? problem : "the ticket is damaged: a part is missing or mistyped";
            return null;
        }

        var reader = new WireReader(bytes);
        var (version, role) = (reader.UInt8(), (CertificateRole)reader.UInt8());
        var id = new UInt128(reader.UInt64(), reader.UInt64());
        var secret = reader.Bytes(SecretSize).ToArray();
        var issuer = reader.NodeId();
        var notAfter = reader.UInt64();
        var name = reader.Text8();
        var addresses = ImmutableArray.CreateBuilder<Uri>();
        int count = reader.UInt8();
        for (var i = 0; i < count && !reader.Failed; i++)
        {
            if (count > MaxAddresses || !Uri.TryCreate(reader.Text8(), UriKind.Absolute, out var uri) || !NodeRecord.IsAddress(uri))
            {
                reader.Fail();
                break;
            }

            addresses.Add(uri);
        }

        if (version != Version && !reader.Failed)
        {
            problem = $"the ticket is of version {version}; this program reads version {Version}: update it";
            return null;
        }

        if (!reader.Complete || !Enum.IsDefined(role) || notAfter > (ulong)DateTimeOffset.MaxValue.ToUnixTimeSeconds())
        {
            problem = "the ticket is damaged: a part is missing or mistyped";
            return null;
        }

        problem = "";
        return new(id, secret, role, issuer, DateTimeOffset.FromUnixTimeSeconds((long)notAfter), name, addresses.ToImmutable());
    }

    public byte[] IdBytes()
    {
        var bytes = new byte[IdSize];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, Id);
        return bytes;
    }

    /// <summary>The PSK with which it is redeemed; the caller zeroes it.</summary>
    public byte[] Psk()
    {
        var psk = new byte[32];
        NetworkSecret.DeriveTicketPsk(Secret, psk);
        return psk;
    }
}
