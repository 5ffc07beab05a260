using Dawn.Identity;

namespace Dawn.Links;

/// <summary>The first bytes of either side, in the clear and without identity (docs/protocol.md, "Hello").</summary>
/// <param name="TicketId">16 bytes where the dialer redeems a ticket.</param>
/// <param name="Encoded">As sent; both hellos are the handshake's prologue, so that nobody in between can alter them.</param>
internal sealed record Hello(EncryptionMode Offer, ReadOnlyMemory<byte>? TicketId, ReadOnlyMemory<byte> Encoded)
{
    /// <summary>Magic, version, offer and length of the extensions: what tells how much follows.</summary>
    public const int HeadSize = 8;

    public const int TicketIdSize = 16;

    private const int RandomSize = 32;

    private const int MaxExtensions = 472;

    private const byte Version = 1;

    private const byte TicketExtension = 1;

    private static ReadOnlySpan<byte> Magic => "DAWN"u8;

    public static Hello Create(EncryptionMode offer, ReadOnlyMemory<byte>? ticketId, Entropy entropy)
    {
        var extensions = new WireWriter();
        if (ticketId is { } id)
        {
            extensions.UInt8(TicketExtension).Block16(id.Span);
        }

        var encoded = new WireWriter().Bytes(Magic).UInt8(Version).UInt8((byte)offer).UInt16(extensions.Written.Length)
            .Bytes(entropy.Bytes(RandomSize)).Bytes(extensions.Written).ToArray();
        return new(offer, ticketId, encoded);
    }

    /// <summary>How many bytes follow the first eight; null where those are not the beginning of a hello.</summary>
    public static int? RestOf(ReadOnlySpan<byte> head)
    {
        var reader = new WireReader(head);
        return reader.Bytes(Magic.Length).SequenceEqual(Magic)
            && reader.UInt8() == Version
            && Enum.IsDefined((EncryptionMode)reader.UInt8())
            && reader.UInt16() is <= MaxExtensions and var extensions
            && reader.Complete
                ? RandomSize + extensions
                : null;
    }

    /// <summary>Null for anything but a whole hello.</summary>
    public static Hello? TryRead(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length < HeadSize || RestOf(encoded[..HeadSize]) != encoded.Length - HeadSize)
        {
            return null;
        }

        var reader = new WireReader(encoded[(HeadSize + RandomSize)..]);
        ReadOnlyMemory<byte>? ticket = null;
        while (!reader.Failed && reader.Remaining > 0)
        {
            var type = reader.UInt8();
            var value = reader.Block16(MaxExtensions);
            if (type != TicketExtension)
            {
                continue;
            }

            if (value.Length != TicketIdSize || ticket is not null)
            {
                return null;
            }

            ticket = value.ToArray();
        }

        return reader.Failed ? null : new((EncryptionMode)encoded[5], ticket, encoded.ToArray());
    }
}
