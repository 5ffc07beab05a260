namespace Dawn.Testing.Simulation;

/// <summary>
/// Lets the thread pool work only while the simulation waits for it. Some of the framework's own continuations take the pool
/// (of a <c>Task.WaitAsync</c> on a source that runs its continuations asynchronously, for one) and come back to the process
/// they belong to; with a single worker that stands here in between, they do so in the same order each time.
/// </summary>
/// <remarks>The pool must have one thread: <c>ThreadPoolMaxThreads</c> in the program's project.</remarks>
internal sealed class PoolGate : IThreadPoolWorkItem, IDisposable
{
    private readonly SemaphoreSlim _entered = new(0);
    private readonly SemaphoreSlim _leave = new(0);
    private volatile bool _isPassing;

    private PoolGate()
    {
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        _entered.Wait();
    }

    /// <summary>True while the worker works and the simulation waits.</summary>
    public bool IsPassing => _isPassing;

    /// <summary>How often the pool had work.</summary>
    public long Passes { get; private set; }

    /// <summary>Null where the pool has more threads than one: then nothing may use it at all.</summary>
    public static PoolGate? TryClose()
    {
        ThreadPool.GetMaxThreads(out var workers, out _);
        return workers == 1 && !Thread.CurrentThread.IsThreadPoolThread ? new() : null;
    }

    /// <summary>Lets the pool do what it has to do; false where that is nothing.</summary>
    public bool Pass()
    {
        if (ThreadPool.PendingWorkItemCount == 0)
        {
            return false;
        }

        Passes++;
        _isPassing = true;
        // Behind all that waits: once the worker stands here again, that is done.
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        _leave.Release();
        _entered.Wait();
        _isPassing = false;
        return true;
    }

    public void Dispose() => _leave.Release();

    void IThreadPoolWorkItem.Execute()
    {
        _entered.Release();
        _leave.Wait();
    }
}
