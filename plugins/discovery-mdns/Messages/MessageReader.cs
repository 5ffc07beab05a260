using System.Buffers.Binary;
using System.Net;

namespace Dawn.Discovery.Mdns.Messages;

/// <summary>Reads a datagram of a stranger: whatever it holds, the outcome is a message or null, and what it costs is bounded by its size.</summary>
internal ref struct MessageReader
{
    /// <summary>RFC 6762, 17.</summary>
    public const int MaxMessage = 9_000;

    // Many more than fit the packets of any link that is common; few enough that no message costs much.
    public const int MaxQuestions = 64;
    public const int MaxRecords = 512;

    private const int HeaderSize = 12;
    private const int In = 1;

    private readonly ReadOnlySpan<byte> _message;
    private int _at;

    private MessageReader(ReadOnlySpan<byte> message) => _message = message;

    /// <returns>Null for what is no message, and for those that RFC 6762, 18.3 and 18.11 have ignored.</returns>
    public static DnsMessage? Read(ReadOnlySpan<byte> datagram)
    {
        if (datagram.Length is < HeaderSize or > MaxMessage)
        {
            return null;
        }

        var (id, flags) = (BinaryPrimitives.ReadUInt16BigEndian(datagram), BinaryPrimitives.ReadUInt16BigEndian(datagram[2..]));
        Span<int> counts = stackalloc int[4];
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] = BinaryPrimitives.ReadUInt16BigEndian(datagram[(4 + 2 * i)..]);
        }

        const int OpcodeAndRcode = 0x780F;
        if ((flags & OpcodeAndRcode) != 0 || counts[0] > MaxQuestions || counts[1] + counts[2] + counts[3] > MaxRecords)
        {
            return null;
        }

        var reader = new MessageReader(datagram) { _at = HeaderSize };
        return reader.ReadQuestions(counts[0]) is { } questions && reader.ReadRecords(counts[1]) is { } answers
            && reader.ReadRecords(counts[2]) is { } authorities && reader.ReadRecords(counts[3]) is { } additionals
            ? new(id, (flags & 0x8000) != 0, (flags & 0x0200) != 0, questions, answers, authorities, additionals)
            : null;
    }

    private List<Question>? ReadQuestions(int count)
    {
        List<Question> questions = [];
        for (; count > 0; count--)
        {
            if (ReadName() is not { } name || !TryUInt16(out var type) || !TryUInt16(out var kind))
            {
                return null;
            }

            const int AnyClass = 255;
            if ((kind & 0x7FFF) is In or AnyClass)
            {
                questions.Add(new(name, (DnsType)type, (kind & 0x8000) != 0));
            }
        }

        return questions;
    }

    private List<DnsRecord>? ReadRecords(int count)
    {
        List<DnsRecord> records = [];
        for (; count > 0; count--)
        {
            if (ReadName() is not { } name || !TryUInt16(out var type) || !TryUInt16(out var kind) || !TryUInt16(out var high) || !TryUInt16(out var low)
                || !TryUInt16(out var length) || _message.Length - _at < length)
            {
                return null;
            }

            var end = _at + length;
            // Other classes include the options of RFC 6891, which are no record at all.
            if ((kind & 0x7FFF) == In)
            {
                if (ReadData((DnsType)type, end) is not { } data)
                {
                    return null;
                }

                records.Add(new(name, data, (kind & 0x8000) != 0, (uint)high << 16 | (uint)low));
            }

            _at = end;
        }

        return records;
    }

    // The names within may point anywhere before them; they must end where the data does.
    private RecordData? ReadData(DnsType type, int end)
    {
        var content = _message[_at..end];
        switch (type)
        {
            case DnsType.A:
                return content.Length == 4 ? new AddressData(new IPAddress(content)) : null;
            case DnsType.Aaaa:
                return content.Length == 16 ? new AddressData(new IPAddress(content)) : null;
            case DnsType.Ptr:
                return ReadName() is { } target && _at == end ? new PointerData(target) : null;
            case DnsType.Srv:
                return TryUInt16(out var priority) && TryUInt16(out var weight) && TryUInt16(out var port) && ReadName() is { } host && _at == end
                    ? new ServiceData((ushort)priority, (ushort)weight, (ushort)port, host)
                    : null;
            case DnsType.Txt:
                return ReadText(content);
            case DnsType.Nsec:
                return ReadName() is { } next && _at <= end ? new NsecData(next, new(_message[_at..end].ToArray())) : null;
            default:
                return new OpaqueData(type, new(content.ToArray()));
        }
    }

    private static TextData? ReadText(ReadOnlySpan<byte> content)
    {
        var strings = new List<byte>(content.Length);
        while (!content.IsEmpty)
        {
            var size = 1 + content[0];
            if (size > content.Length)
            {
                return null;
            }

            // Empty strings say nothing (RFC 6763, 6.1).
            if (size > 1)
            {
                strings.AddRange(content[..size]);
            }

            content = content[size..];
        }

        return new(new Octets([.. strings]));
    }

    private DnsName? ReadName()
    {
        Span<byte> name = stackalloc byte[DnsName.MaxSize];
        var (size, at, limit, after) = (0, _at, _at, -1);
        while (at < _message.Length)
        {
            int length = _message[at];
            if ((length & 0xC0) == 0xC0)
            {
                if (at + 1 >= _message.Length)
                {
                    return null;
                }

                var target = (length & 0x3F) << 8 | _message[at + 1];
                after = after < 0 ? at + 2 : after;
                // Always further back than ever before (RFC 1035, 4.1.4: a prior occurrence), so there is no way round in circles; and not into the header.
                if (target >= limit || target < HeaderSize)
                {
                    return null;
                }

                at = limit = target;
                continue;
            }

            // The other two forms of a label were given up (RFC 6891, 5).
            if (length > DnsName.MaxLabelSize || size + 1 + length > DnsName.MaxSize - (length > 0 ? 1 : 0) || at + 1 + length > _message.Length)
            {
                return null;
            }

            _message.Slice(at, 1 + length).CopyTo(name[size..]);
            size += 1 + length;
            at += 1 + length;
            if (length == 0)
            {
                _at = after < 0 ? at : after;
                return DnsName.FromWire(name[..size]);
            }
        }

        return null;
    }

    private bool TryUInt16(out int value)
    {
        if (_message.Length - _at < 2)
        {
            value = 0;
            return false;
        }

        value = BinaryPrimitives.ReadUInt16BigEndian(_message[_at..]);
        _at += 2;
        return true;
    }
}
