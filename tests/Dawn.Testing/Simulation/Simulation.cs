namespace Dawn.Testing.Simulation;

/// <summary>In which order what is ready runs.</summary>
internal enum RunOrder
{
    /// <summary>As the seed says: other seeds explore other orders.</summary>
    Seeded,

    /// <summary>First come, first served.</summary>
    Fifo,
}

/// <summary>A run that can't go on: something escaped, or threw where nobody catches.</summary>
internal sealed class SimulationException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// Time, and everything that happens in it, on the thread that calls <see cref="Run"/>. Time moves only when nothing is left to do at the present moment,
/// so what takes an hour of waiting takes no time at all; the same seed leads to the same events, to the last byte.
/// </summary>
internal sealed class Simulation : IDisposable
{
    // What doesn't come to rest within so many steps never will: two that answer each other for ever, at one and the same moment.
    private const int MaxStepsAtOnce = 1_000_000;

    private readonly EventQueue _events = new();
    private readonly List<(SimulatedProcess Process, SendOrPostCallback Callback, object? State)> _ready = [];
    private readonly SeededRandom _order;
    private readonly RunOrder _runOrder;
    private readonly Trace _trace;
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private PoolGate? _gate;
    private int _next;
    private int _stepsAtOnce;
    private string? _escape;

    /// <param name="nodes">How many can be traced.</param>
    public Simulation(ulong seed, int nodes, RunOrder order = RunOrder.Seeded)
    {
        (_order, _runOrder, _trace) = (SeededRandom.Of(seed, 1), order, new(nodes));
        World = new(this, -1, TimeSpan.Zero);
    }

    /// <summary>Ticks since the start.</summary>
    public long Now { get; private set; }

    public TimeSpan Elapsed => TimeSpan.FromTicks(Now);

    /// <summary>In which the simulator's own code runs; it never dies.</summary>
    public SimulatedProcess World { get; }

    public Trace Events => _trace;

    /// <summary>Set to end the run before its time.</summary>
    public bool IsStopped { get; set; }

    /// <summary>Continuations that ran.</summary>
    public long Steps { get; private set; }

    /// <summary>How often the framework took the pool.</summary>
    public long Hops { get; private set; }

    public void Trace(int node, TraceKind kind, int a = 0, int b = 0) => _trace.Add(new(Now, node, kind, a, b));

    /// <summary>Has something done at a time, by the world.</summary>
    public void At(TimeSpan time, Action action) => Schedule(new WorldEvent(World, action), Math.Max(Now, time.Ticks));

    /// <summary>Runs until that time.</summary>
    /// <exception cref="SimulationException">Something left the thread, or threw.</exception>
    public void Run(TimeSpan until)
    {
        Guard();
        var before = SynchronizationContext.Current;
        _gate = PoolGate.TryClose();
        try
        {
            while (true)
            {
                Drain();
                if (IsStopped || _events.Count == 0 || _events.NextDue > until.Ticks)
                {
                    break;
                }

                _stepsAtOnce = Now == _events.NextDue ? _stepsAtOnce : 0;
                Now = _events.NextDue;
                var next = _events.Take();
                if (!next.Process.IsDead)
                {
                    Rest(next.Process);
                    SynchronizationContext.SetSynchronizationContext(next.Process);
                    next.Fire();
                }
            }

            Now = IsStopped ? Now : until.Ticks;
        }
        catch (Exception e) when (e is not SimulationException)
        {
            throw new SimulationException($"At {Elapsed.TotalSeconds:0.000000} s something threw where nobody catches: {e.Message}", e);
        }
        finally
        {
            Hops += _gate?.Passes ?? 0;
            _gate?.Dispose();
            _gate = null;
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    /// <summary>Fails the run where it is called on another thread: there, nothing is the same twice.</summary>
    public void Guard()
    {
        if (Environment.CurrentManagedThreadId != _thread)
        {
            OnEscape();
        }
    }

    public void Dispose() => _trace.Dispose();

    internal void Schedule(SimulationEvent item, long due)
    {
        Guard();
        _events.Add(item, due);
    }

    internal void Cancel(SimulationEvent item)
    {
        Guard();
        if (item.Slot >= 0)
        {
            _events.Remove(item);
        }
    }

    internal void Post(SimulatedProcess process, SendOrPostCallback callback, object? state)
    {
        // From the pool only while the simulation stands still for it.
        if (Environment.CurrentManagedThreadId != _thread && _gate is not { IsPassing: true })
        {
            OnEscape();
            return;
        }

        if (!process.IsDead)
        {
            _ready.Add((process, callback, state));
        }
    }

    private void Drain()
    {
        do
        {
            while (TryTake(out var ready))
            {
                if (!ready.Process.IsDead)
                {
                    Steps++;
                    Rest(ready.Process);
                    SynchronizationContext.SetSynchronizationContext(ready.Process);
                    ready.Callback(ready.State);
                }
            }

            if (_escape is not null)
            {
                throw new SimulationException($"At {Elapsed.TotalSeconds:0.000000} s code of the simulation ran on another thread:\n{_escape}");
            }
        }
        while (_gate?.Pass() is true);
    }

    private bool TryTake(out (SimulatedProcess Process, SendOrPostCallback Callback, object? State) ready)
    {
        ready = default;
        if (_next == _ready.Count)
        {
            _ready.Clear();
            _next = 0;
            return false;
        }

        if (_runOrder == RunOrder.Seeded && _ready.Count - _next > 1)
        {
            var other = _next + _order.Below(_ready.Count - _next);
            (_ready[_next], _ready[other]) = (_ready[other], _ready[_next]);
        }

        ready = _ready[_next];
        _ready[_next++] = default;
        return true;
    }

    private void Rest(SimulatedProcess process)
    {
        if (++_stepsAtOnce > MaxStepsAtOnce)
        {
            throw new SimulationException($"At {Elapsed.TotalSeconds:0.000000} s node {process.Node} does not come to rest:\n{_trace.Story(process.Node)}");
        }
    }

    private void OnEscape() => Interlocked.CompareExchange(ref _escape, Environment.StackTrace, null);

    private sealed class WorldEvent(SimulatedProcess process, Action action) : SimulationEvent
    {
        internal override SimulatedProcess Process => process;

        internal override void Fire() => action();
    }
}
