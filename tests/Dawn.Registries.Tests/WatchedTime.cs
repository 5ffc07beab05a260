using Microsoft.Extensions.Time.Testing;

namespace Dawn.Registries.Tests;

/// <summary>A clock that stands still until it is advanced, and that tells when somebody waits by it: who advances earlier advances in vain.</summary>
internal sealed class WatchedTime(DateTimeOffset start) : FakeTimeProvider(start)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _waiting = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _timers;

    /// <summary>Completed while there is a timer.</summary>
    public Task Waiting
    {
        get
        {
            lock (_lock)
            {
                return _waiting.Task;
            }
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        lock (_lock)
        {
            _timers++;
            _waiting.TrySetResult();
        }

        return new WatchedTimer(this, timer);
    }

    private void Gone()
    {
        lock (_lock)
        {
            if (--_timers == 0)
            {
                _waiting = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    private sealed class WatchedTimer(WatchedTime time, ITimer inner) : ITimer
    {
        private int _isGone;

        public bool Change(TimeSpan dueTime, TimeSpan period) => inner.Change(dueTime, period);

        public void Dispose()
        {
            inner.Dispose();
            if (Interlocked.Exchange(ref _isGone, 1) == 0)
            {
                time.Gone();
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
