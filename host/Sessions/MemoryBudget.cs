namespace Dawn.Sessions;

/// <summary>Bytes that may be held for messages which nobody has read yet; a session's budget draws on the process's. Thread-safe.</summary>
internal sealed class MemoryBudget(long limit, MemoryBudget? parent = null)
{
    /// <summary>Two of the longest messages.</summary>
    public const long PerSession = 2L * MeshChannel.MaxMessage;

    /// <summary>For all sessions of a process.</summary>
    public const long PerProcess = 4L * MeshChannel.MaxMessage;

    private long _used;

    public long Used => Volatile.Read(ref _used);

    public bool TryTake(long bytes)
    {
        if (Interlocked.Add(ref _used, bytes) <= limit && (parent is null || parent.TryTake(bytes)))
        {
            return true;
        }

        Interlocked.Add(ref _used, -bytes);
        return false;
    }

    public void Give(long bytes)
    {
        Interlocked.Add(ref _used, -bytes);
        parent?.Give(bytes);
    }
}
