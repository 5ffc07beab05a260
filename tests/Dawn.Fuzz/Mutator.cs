using System.Buffers.Binary;

namespace Dawn.Fuzz;

/// <summary>Makes hostile inputs of valid ones; the same seed makes the same.</summary>
public sealed class Mutator(IReadOnlyList<byte[]> corpus, int seed)
{
    /// <summary>More than any length field of the protocol's links and envelopes says.</summary>
    public const int MaxLength = 70_000;

    private static readonly long[] Interesting =
    [
        0, 1, -1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512, 1_023, 1_024, 4_095, 4_096, 16_383, 16_384, 17_408, 17_409, 32_767, 32_768,
        65_518, 65_519, 65_520, 65_535, 65_536, int.MaxValue, int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue,
    ];

    private readonly Random _random = new(seed);
    private readonly byte[] _work = new byte[MaxLength];
    private int _length;

    public byte[] Next()
    {
        var from = Pick();
        _length = Math.Min(from.Length, MaxLength);
        from.AsSpan(0, _length).CopyTo(_work);
        // Now and then as it is: what is valid must go on being taken.
        if (_random.Next(64) != 0)
        {
            // Mostly few changes, so that deep parts are reached; now and then many.
            for (var changes = 1 + (_random.Next(8) == 0 ? _random.Next(16) : _random.Next(3)); changes > 0; changes--)
            {
                Change();
            }
        }

        return _work.AsSpan(0, _length).ToArray();
    }

    private byte[] Pick() => corpus[_random.Next(corpus.Count)];

    private void Change()
    {
        switch (_random.Next(12))
        {
            case 0 or 1 when _length > 0:
                _work[_random.Next(_length)] ^= (byte)(1 << _random.Next(8));
                break;
            case 2 when _length > 0:
                _work[_random.Next(_length)] = (byte)_random.Next(256);
                break;
            case 3 when _length > 0:
                Truncate();
                break;
            case 4:
                Insert(_length, RandomBytes(_random.Next(4) == 0 ? _random.Next(600) : _random.Next(20)));
                break;
            case 5:
                Insert(_random.Next(_length + 1), RandomBytes(1 + _random.Next(8)));
                break;
            case 6 when _length > 1:
                Remove();
                break;
            case 7 when _length > 0:
                Repeat();
                break;
            case 8:
                Splice();
                break;
            case 9 or 10 when _length > 0:
                EditInteger();
                break;
            default:
                Insert(_random.Next(_length + 1), new byte[_random.Next(12)]);
                break;
        }
    }

    private void Truncate() => _length = _random.Next(2) == 0 ? _random.Next(_length) : Math.Max(0, _length - 1 - _random.Next(4));

    private void Remove()
    {
        var at = _random.Next(_length);
        var count = Math.Min(_length - at, 1 + _random.Next(16));
        _work.AsSpan(at + count, _length - at - count).CopyTo(_work.AsSpan(at));
        _length -= count;
    }

    private void Repeat()
    {
        var at = _random.Next(_length);
        var piece = _work.AsSpan(at, Math.Min(_length - at, 1 + _random.Next(64))).ToArray();
        for (var times = _random.Next(16) == 0 ? _random.Next(200) : 1; times > 0; times--)
        {
            Insert(at, piece);
        }
    }

    // The head of this one and the tail of another, cut at the same or at any place.
    private void Splice()
    {
        var other = Pick();
        if (other.Length == 0)
        {
            return;
        }

        var head = _random.Next(_length + 1);
        var tail = _random.Next(2) == 0 ? Math.Min(head, other.Length) : _random.Next(other.Length);
        _length = head;
        Insert(head, other.AsSpan(tail));
    }

    // A field of 1, 2, 4 or 8 bytes: a limit, a little more or less, or what is left of the input after it.
    private void EditInteger()
    {
        var size = 1 << _random.Next(4);
        if (_length < size)
        {
            return;
        }

        var at = _random.Next(_length - size + 1);
        var field = _work.AsSpan(at, size);
        Span<byte> wide = stackalloc byte[8];
        wide.Clear();
        field.CopyTo(wide[(8 - size)..]);
        var value = BinaryPrimitives.ReadInt64BigEndian(wide);
        value = _random.Next(4) switch
        {
            0 => Interesting[_random.Next(Interesting.Length)],
            1 => value + _random.Next(-4, 5),
            2 => _length - at - size + _random.Next(-2, 3),
            _ => value << 1,
        };
        BinaryPrimitives.WriteInt64BigEndian(wide, value);
        wide[(8 - size)..].CopyTo(field);
    }

    private void Insert(int at, ReadOnlySpan<byte> bytes)
    {
        bytes = bytes[..Math.Min(bytes.Length, MaxLength - _length)];
        _work.AsSpan(at, _length - at).CopyTo(_work.AsSpan(at + bytes.Length));
        bytes.CopyTo(_work.AsSpan(at));
        _length += bytes.Length;
    }

    private byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        _random.NextBytes(bytes);
        return bytes;
    }
}
