namespace Dawn.Sessions;

/// <summary>The retransmission time-out of RFC 6298, in ticks of 100 ns, with the bounds of docs/protocol.md.</summary>
internal sealed class RoundTripEstimator
{
    private const long Initial = TimeSpan.TicksPerSecond;
    private const long Min = 200 * TimeSpan.TicksPerMillisecond;
    private const long Max = 8 * TimeSpan.TicksPerSecond;

    private long _variation;
    private int _backoff;

    /// <summary>Zero before the first measurement.</summary>
    public long Smoothed { get; private set; }

    public long TimeOut => Math.Min(Max, (Smoothed == 0 ? Initial : Math.Clamp(Smoothed + 4 * _variation, Min, Max)) << _backoff);

    /// <summary>Takes a measurement, never one of something that was sent twice (Karn's algorithm).</summary>
    public void Add(long ticks)
    {
        ticks = Math.Max(1, ticks);
        if (Smoothed == 0)
        {
            (Smoothed, _variation) = (ticks, ticks / 2);
            return;
        }

        // alpha = 1/8, beta = 1/4.
        _variation += (Math.Abs(Smoothed - ticks) - _variation) / 4;
        Smoothed = Math.Max(1, Smoothed + (ticks - Smoothed) / 8);
    }

    public void BackOff() => _backoff = Math.Min(_backoff + 1, 6);

    public void EndBackOff() => _backoff = 0;
}
