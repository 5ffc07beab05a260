namespace Dawn.Links;

/// <summary>How fast strangers are let in at the door, by GCRA over all listeners: what comes faster waits in the kernel, where it costs next to nothing. Thread-safe.</summary>
/// <remarks>The limits of one address don't help against many, nor on loopback. A handshake that fails costs a quarter of a millisecond, so this is an eighth of a core at most.</remarks>
internal sealed class AcceptPace(LinkOptions options, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly long _interval = time.TimestampFrequency / options.AcceptsPerSecond;
    private long _due;

    /// <summary>Counts a connection, and says how long to wait before the next.</summary>
    public TimeSpan Count()
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            _due = Math.Max(now, _due) + _interval;
            var ahead = _due - now - options.AcceptBurst * _interval;
            return ahead > 0 ? TimeSpan.FromSeconds((double)ahead / time.TimestampFrequency) : TimeSpan.Zero;
        }
    }
}
