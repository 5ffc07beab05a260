namespace Dawn.Links;

/// <summary>A limit on a rate: the generic cell rate algorithm (ITU-T I.371, virtual scheduling). Guarded by whoever holds it.</summary>
internal sealed class Gcra(TimeSpan interval, int burst)
{
    private TimeSpan _due;

    /// <summary>False where this one is too many.</summary>
    public bool TryTake(TimeSpan now) => TryTake(ref _due, now, interval, burst);

    /// <summary>For whoever holds so many that each is a number: when nothing of what was taken is remembered any more.</summary>
    public static bool TryTake(ref TimeSpan idleAt, TimeSpan now, TimeSpan interval, int burst)
    {
        var due = now > idleAt ? now : idleAt;
        if (due - now > (burst - 1) * interval)
        {
            return false;
        }

        idleAt = due + interval;
        return true;
    }

    /// <summary>True where nothing of what was taken is remembered any more.</summary>
    public bool IsIdle(TimeSpan now) => _due <= now;
}
