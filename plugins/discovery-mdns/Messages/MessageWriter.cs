using System.Buffers.Binary;

namespace Dawn.Discovery.Mdns.Messages;

/// <summary>Writes one datagram, section by section, up to a size.</summary>
internal sealed class MessageWriter(int limit, bool compress = true, bool isResponse = false, ushort id = 0)
{
    private const int HeaderSize = 12;

    // A pointer has 14 bits.
    private const int PointerReach = 0x4000;

    private readonly byte[] _buffer = new byte[Math.Min(limit, MessageReader.MaxMessage)];
    private readonly int[] _counts = new int[4];
    private readonly Dictionary<DnsName, int> _offsets = [];
    private readonly Stack<DnsName> _named = [];
    private int _size = HeaderSize;
    private bool _isFull;

    /// <summary>What was written behind the header.</summary>
    public byte[] Body => _buffer[HeaderSize.._size];

    /// <returns>False where there is no room: then nothing was written.</returns>
    public bool TryAdd(Question question)
    {
        var (start, named) = (_size, _named.Count);
        Name(question.Name);
        UInt16((int)question.Type);
        UInt16(question.WantsUnicast ? 0x8001 : 1);
        return Keep(Section.Question, start, named);
    }

    /// <returns>False where there is no room: then nothing was written.</returns>
    public bool TryAdd(Section section, DnsRecord record)
    {
        var (start, named) = (_size, _named.Count);
        Name(record.Name);
        UInt16((int)record.Type);
        UInt16(record.CacheFlush ? 0x8001 : 1);
        UInt16((int)(record.Ttl >> 16));
        UInt16((int)(record.Ttl & 0xFFFF));
        UInt16(0);
        var data = _size;
        record.Data.Write(this);
        if (!_isFull)
        {
            BinaryPrimitives.WriteUInt16BigEndian(_buffer.AsSpan(data - 2), (ushort)(_size - data));
        }

        return Keep(section, start, named);
    }

    /// <param name="isTruncated">More known answers follow (RFC 6762, 7.2).</param>
    public byte[] Finish(bool isTruncated = false)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_buffer, id);
        // A response is authoritative (RFC 6762, 18.4).
        BinaryPrimitives.WriteUInt16BigEndian(_buffer.AsSpan(2), (ushort)((isResponse ? 0x8400 : 0) | (isTruncated ? 0x0200 : 0)));
        for (var i = 0; i < _counts.Length; i++)
        {
            BinaryPrimitives.WriteUInt16BigEndian(_buffer.AsSpan(4 + 2 * i), (ushort)_counts[i]);
        }

        return _buffer[.._size];
    }

    public void UInt8(int value) => Bytes([(byte)value]);

    public void UInt16(int value) => Bytes([(byte)(value >> 8), (byte)value]);

    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        _isFull |= bytes.Length > _buffer.Length - _size;
        if (!_isFull)
        {
            bytes.CopyTo(_buffer.AsSpan(_size));
            _size += bytes.Length;
        }
    }

    /// <summary>A name whose end was written before points there, also within data (RFC 6762, 18.14).</summary>
    public void Name(DnsName name)
    {
        for (var rest = name; rest.Parent is { } parent; rest = parent)
        {
            if (compress && _offsets.TryGetValue(rest, out var offset))
            {
                UInt16(0xC000 | offset);
                return;
            }

            if (_size < PointerReach && _offsets.TryAdd(rest, _size))
            {
                _named.Push(rest);
            }

            Bytes(rest.Wire[..(1 + rest.FirstLabel.Length)]);
        }

        UInt8(0);
    }

    private bool Keep(Section section, int start, int named)
    {
        if (!_isFull)
        {
            _counts[(int)section]++;
            return true;
        }

        (_isFull, _size) = (false, start);
        while (_named.Count > named)
        {
            _offsets.Remove(_named.Pop());
        }

        return false;
    }
}
