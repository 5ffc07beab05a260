namespace Dawn.Sessions;

/// <summary>Bytes that may be held for messages which nobody has read yet; a session's budget draws on the process's.</summary>
/// <remarks>The process's is thread-safe; a session's is used under its lock.</remarks>
/// <param name="own">Bytes that are not drawn from the parent, so that whoever has used that up stops long messages and no ordinary calls of others.</param>
internal sealed class MemoryBudget(long limit, MemoryBudget? parent = null, long own = 0)
{
    /// <summary>Of a session's budget, what it has for itself: with as many sessions as may be, 256 MiB.</summary>
    public const long OwnOfSession = 256 * 1024;

    /// <summary>Two of the longest messages.</summary>
    public const long PerSession = 2L * MeshChannel.MaxMessage;

    /// <summary>For all sessions of a process.</summary>
    public const long PerProcess = 4L * MeshChannel.MaxMessage;

    private long _used;

    public long Used => Volatile.Read(ref _used);

    public bool TryTake(long bytes)
    {
        var after = Interlocked.Add(ref _used, bytes);
        if (after <= limit && (parent is null || parent.TryTake(Drawn(after) - Drawn(after - bytes))))
        {
            return true;
        }

        Interlocked.Add(ref _used, -bytes);
        return false;
    }

    public void Give(long bytes)
    {
        var after = Interlocked.Add(ref _used, -bytes);
        parent?.Give(Drawn(after + bytes) - Drawn(after));
    }

    private long Drawn(long used) => Math.Max(0, used - own);
}
