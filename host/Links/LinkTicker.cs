namespace Dawn.Links;

/// <summary>One timer for all links of a table: hundreds of them, each with a phase of its own, would wake an idle process as often. Thread-safe.</summary>
/// <remarks>The first link sets the phase, and the last one takes the timer along.</remarks>
internal sealed class LinkTicker(LinkOptions options, TimeProvider time)
{
    private readonly Lock _lock = new();
    private Link[] _links = [];
    private ITimer? _timer;

    /// <summary>A fifth of the time until a ping.</summary>
    public TimeSpan Period { get; } = options.PingAfter / Link.TicksPerPing;

    public void Add(Link link)
    {
        lock (_lock)
        {
            _links = [.. _links, link];
            _timer ??= time.CreateTimer(_ => Tick(), null, Period, Period);
        }
    }

    public void Remove(Link link)
    {
        lock (_lock)
        {
            _links = [.. _links.Where(one => one != link)];
            if (_links.Length == 0)
            {
                _timer?.Dispose();
                _timer = null;
            }
        }
    }

    private void Tick()
    {
        foreach (var link in Volatile.Read(ref _links))
        {
            link.OnTick(Period);
        }
    }
}
