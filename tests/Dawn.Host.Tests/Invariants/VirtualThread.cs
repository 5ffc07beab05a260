using System.Collections.Concurrent;
using Xunit;

namespace Dawn.Tests.Invariants;

/// <summary>These tests watch the thread pool to know when nothing is left to do, so nothing else may use it meanwhile.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class OneAtATime
{
    public const string Name = "invariants, one at a time";
}

/// <summary>Time that passes only when told to, and knows what is due next: waiting for minutes costs nothing. Thread-safe.</summary>
internal sealed class VirtualClock : TimeProvider
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock _lock = new();
    private readonly SortedSet<VirtualTimer> _due = new(Comparer<VirtualTimer>.Create((a, b) => (a.Due, a.Order).CompareTo((b.Due, b.Order))));
    private long _now;
    private long _order;

    public TimeSpan Elapsed => TimeSpan.FromTicks(Volatile.Read(ref _now));

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => Volatile.Read(ref _now);

    public override DateTimeOffset GetUtcNow() => Start + Elapsed;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new VirtualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves to the next timer and fires it; false where none is set.</summary>
    public bool Step()
    {
        VirtualTimer? next;
        lock (_lock)
        {
            next = _due.Min;
            if (next is null)
            {
                return false;
            }

            _due.Remove(next);
            _now = Math.Max(_now, next.Due);
            next.IsSet = false;
            if (next.Period > 0)
            {
                Set(next, next.Period);
            }
        }

        next.Fire();
        return true;
    }

    // Under the lock.
    private void Set(VirtualTimer timer, long after)
    {
        (timer.Due, timer.Order, timer.IsSet) = (_now + after, _order++, true);
        _due.Add(timer);
    }

    private sealed class VirtualTimer(VirtualClock clock, TimerCallback callback, object? state) : ITimer
    {
        public long Due { get; set; }

        public long Order { get; set; }

        public long Period { get; private set; }

        public bool IsSet { get; set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._lock)
            {
                if (IsSet)
                {
                    clock._due.Remove(this);
                    IsSet = false;
                }

                Period = period == Timeout.InfiniteTimeSpan ? 0 : period.Ticks;
                if (dueTime != Timeout.InfiniteTimeSpan)
                {
                    clock.Set(this, dueTime.Ticks);
                }

                return true;
            }
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}

/// <summary>One thread on which everything of a run happens; virtual time moves only when nothing is left to do at the present moment.</summary>
internal sealed class VirtualThread : SynchronizationContext
{
    // Real time, for work that some other thread does for us: that of the pool is a hop of microseconds.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(200);

    private readonly ConcurrentQueue<(SendOrPostCallback, object?)> _ready = new();

    private VirtualThread()
    {
    }

    public VirtualClock Clock { get; } = new();

    /// <summary>Runs to the end, on a thread of its own.</summary>
    /// <param name="limit">Of virtual time: what isn't done by then hangs.</param>
    public static Task RunAsync(Func<VirtualThread, Task> body, TimeSpan limit)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                new VirtualThread().Run(body, limit);
                done.SetResult();
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        });
        thread.Start();
        return done.Task;
    }

    public Task Delay(int milliseconds) => Task.Delay(TimeSpan.FromMilliseconds(milliseconds), Clock);

    public override void Post(SendOrPostCallback d, object? state) => _ready.Enqueue((d, state));

    public override SynchronizationContext CreateCopy() => this;

    private void Run(Func<VirtualThread, Task> body, TimeSpan limit)
    {
        SetSynchronizationContext(this);
        var work = body(this);
        while (!work.IsCompleted)
        {
            if (_ready.TryDequeue(out var ready))
            {
                ready.Item1(ready.Item2);
            }
            else if (!IsPoolBusy() && _ready.IsEmpty && !work.IsCompleted)
            {
                Assert.True(Clock.Elapsed < limit, $"Not done after {limit.TotalSeconds:0} virtual seconds.");
                Assert.True(Clock.Step(), "It waits for what nothing will bring about.");
            }
        }

        work.GetAwaiter().GetResult();
    }

    // Some continuations of the framework take the pool: they must have come back before time moves.
    private bool IsPoolBusy()
    {
        var started = TimeProvider.System.GetTimestamp();
        while (ThreadPool.PendingWorkItemCount > 0 || Working() > 0)
        {
            if (!_ready.IsEmpty || TimeProvider.System.GetElapsedTime(started) > Patience)
            {
                return !_ready.IsEmpty;
            }

            Thread.Yield();
        }

        return false;
    }

    private static int Working()
    {
        ThreadPool.GetMaxThreads(out var most, out _);
        ThreadPool.GetAvailableThreads(out var free, out _);
        return most - free;
    }
}
