namespace Dawn.Links;

// Silence is counted in ticks of a timer rather than in time: a process that was stopped for a minute finds its links alive,
// since the ticks it missed don't count.
internal sealed partial class Link
{
    public const int TicksPerPing = 5;

    // A busy link hears enough not to ping for life; it still pings this often, to know the round trip.
    private const int TicksPerMeasurement = 15;

    private int _ticks;
    private int _silentTicks;
    private int _doubtedAt = None;
    private int _flushes;
    private int _flushesSeen;
    private int _stuckTicks;

    /// <summary>True where a ping has gone unanswered for a while: the link may be dead, and is no reason to refuse another.</summary>
    public bool IsSuspect => Volatile.Read(ref _silentTicks) > TicksPerPing;

    /// <summary>True until something is heard.</summary>
    public bool IsDoubted => Volatile.Read(ref _doubtedAt) != None;

    public void Doubt()
    {
        // Until something is heard; a second doubt gains no time.
        if (_end == None && Interlocked.CompareExchange(ref _doubtedAt, Volatile.Read(ref _ticks), None) == None)
        {
            Ping();
        }
    }

    private void OnHeard()
    {
        Volatile.Write(ref _silentTicks, 0);
        if (IsDoubted)
        {
            Volatile.Write(ref _doubtedAt, None);
        }
    }

    /// <summary>Called by the ticker once a <paramref name="tick"/>. It does not throw.</summary>
    public void OnTick(TimeSpan tick)
    {
        if (_end != None)
        {
            return;
        }

        var ticks = ++_ticks;
        var silent = Interlocked.Increment(ref _silentTicks);
        var doubted = Volatile.Read(ref _doubtedAt);
        var flushes = Volatile.Read(ref _flushes);
        _stuckTicks = _isFlushing && flushes == _flushesSeen ? _stuckTicks + 1 : 0;
        _flushesSeen = flushes;
        if (_stuckTicks >= _options.WriteTimeout / tick)
        {
            End(LinkEnd.Limit, $"it has read nothing for {_options.WriteTimeout.TotalSeconds:0} s");
        }
        else if (silent >= _options.DeadAfter / tick || (doubted != None && ticks - doubted > _options.DoubtedDeadAfter / tick) || (!_isUp && ticks >= _options.HandshakeTimeout / tick))
        {
            End(LinkEnd.Silent, "nothing was heard from it");
        }
        else if (Certificate is null && ticks >= _options.NewcomerLifetime / tick)
        {
            BeginClose(LinkEnd.Limit, "the time to redeem a ticket is over");
        }
        else if (Certificate is { } certificate && certificate.NotAfter <= _time.GetUtcNow())
        {
            Expire(certificate.NotAfter);
        }
        else if (_isUp && !IsClosing && !TryRekey(tick))
        {
            End(LinkEnd.Limit, $"it took more than {_options.RekeyTimeout.TotalSeconds:0} s for its next step to new keys");
        }
        else if (silent % TicksPerPing == 0 || ticks % TicksPerMeasurement == 0)
        {
            Ping();
        }
    }

    private void Ping()
    {
        Span<byte> body = stackalloc byte[RoundTripMeter.PingSize];
        _roundTrip.OnPing(body);
        // A full queue needs no ping: what is in it asks the same.
        _queue.TryAdd(LinkFrame.Ping, body, default);
    }
}
