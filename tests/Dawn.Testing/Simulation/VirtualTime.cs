namespace Dawn.Testing.Simulation;

/// <summary>The clock of one process: the simulation's time, and a wall clock that may be wrong.</summary>
internal sealed class VirtualTime(Simulation simulation, SimulatedProcess process, TimeSpan skew) : TimeProvider
{
    /// <summary>What the clocks say when a simulation starts.</summary>
    public static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long GetTimestamp()
    {
        simulation.Guard();
        return simulation.Now;
    }

    public override DateTimeOffset GetUtcNow()
    {
        simulation.Guard();
        return Start.AddTicks(simulation.Now) + skew;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new VirtualTimer(simulation, process, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class VirtualTimer(Simulation simulation, SimulatedProcess process, TimerCallback callback, object? state) : SimulationEvent, ITimer
    {
        private long _period;

        internal override SimulatedProcess Process => process;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            simulation.Guard();
            simulation.Cancel(this);
            _period = period > TimeSpan.Zero ? period.Ticks : 0;
            if (dueTime != Timeout.InfiniteTimeSpan)
            {
                simulation.Schedule(this, simulation.Now + Math.Max(0, dueTime.Ticks));
            }

            return true;
        }

        public void Dispose() => simulation.Cancel(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }

        internal override void Fire()
        {
            if (_period > 0)
            {
                simulation.Schedule(this, simulation.Now + _period);
            }

            simulation.Trace(process.Node, TraceKind.Timer);
            callback(state);
        }
    }
}
