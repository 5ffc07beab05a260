using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>Runs asynchronous code on the calling thread to its end, in virtual time: what waits for ever is a finding.</summary>
internal sealed class Pump(FakeTimeProvider time) : SynchronizationContext
{
    // Longer than any of the time-outs that a peer can be left waiting by.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(1);

    private readonly Queue<(SendOrPostCallback, object?)> _ready = [];

    public override void Post(SendOrPostCallback d, object? state)
    {
        lock (_ready)
        {
            _ready.Enqueue((d, state));
        }
    }

    public override SynchronizationContext CreateCopy() => this;

    public void Run(Func<Task> start)
    {
        var before = Current;
        SetSynchronizationContext(this);
        try
        {
            var task = start();
            for (var waited = TimeSpan.Zero; !task.IsCompleted;)
            {
                if (TryTake(out var ready))
                {
                    ready.Item1(ready.Item2);
                }
                else if (ThreadPool.PendingWorkItemCount > 0 && Thread.Yield())
                {
                    // Some of the framework's own continuations take the pool.
                }
                else
                {
                    Property.Holds(waited < Limit, $"it did not end within {Limit.TotalSeconds:0} virtual seconds");
                    waited += Step;
                    time.Advance(Step);
                }
            }

            task.GetAwaiter().GetResult();
        }
        finally
        {
            SetSynchronizationContext(before);
        }
    }

    private bool TryTake(out (SendOrPostCallback, object?) ready)
    {
        lock (_ready)
        {
            return _ready.TryDequeue(out ready);
        }
    }
}
