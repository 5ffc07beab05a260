using System.Buffers.Binary;

namespace Dawn.Links;

/// <summary>Numbers pings and times the last one's pong. Thread-safe.</summary>
internal sealed class RoundTripMeter(TimeProvider time)
{
    public const int PingSize = 8;

    private readonly Lock _lock = new();
    private ulong _number;
    private long _sentAt;
    private TimeSpan? _last;

    public TimeSpan? Last
    {
        get
        {
            lock (_lock)
            {
                return _last;
            }
        }
    }

    public void OnPing(Span<byte> body)
    {
        lock (_lock)
        {
            BinaryPrimitives.WriteUInt64BigEndian(body, ++_number);
            _sentAt = time.GetTimestamp();
        }
    }

    public void OnPong(ReadOnlySpan<byte> body)
    {
        lock (_lock)
        {
            if (BinaryPrimitives.ReadUInt64BigEndian(body) == _number)
            {
                _last = time.GetElapsedTime(_sentAt);
            }
        }
    }
}
