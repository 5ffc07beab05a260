namespace Dawn.Links;

/// <summary>When what is queued is sent: at once by whoever queued it, or behind what waits to run and may queue more, so that it leaves together.</summary>
internal abstract class SendScheduler
{
    /// <summary>Always at once: the same each time.</summary>
    public static SendScheduler Inline { get; } = new AtOnce();

    /// <summary>
    /// At once while the thread pool has nothing else to do, for then waiting would gain nothing but a hop to another thread; else at the end of its line.
    /// A lone call is as fast as it can be, and of many at once dozens share one record and one write.
    /// </summary>
    public static SendScheduler Pool { get; } = new Line();

    /// <summary>True where the work was put in line; false where the caller is to do it now.</summary>
    public abstract bool TryDefer(IThreadPoolWorkItem work);

    private sealed class AtOnce : SendScheduler
    {
        public override bool TryDefer(IThreadPoolWorkItem work) => false;
    }

    private sealed class Line : SendScheduler
    {
        // Not this thread's own line, of which the newest entry runs next.
        public override bool TryDefer(IThreadPoolWorkItem work) => ThreadPool.PendingWorkItemCount > 0 && ThreadPool.UnsafeQueueUserWorkItem(work, preferLocal: false);
    }
}
