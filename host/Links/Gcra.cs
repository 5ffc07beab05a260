namespace Dawn.Links;

/// <summary>A limit on a rate: the generic cell rate algorithm (ITU-T I.371, virtual scheduling). Guarded by whoever holds it.</summary>
internal sealed class Gcra(TimeSpan interval, int burst)
{
    private TimeSpan _due;

    /// <summary>False where this one is too many.</summary>
    public bool TryTake(TimeSpan now)
    {
        var due = now > _due ? now : _due;
        if (due - now > (burst - 1) * interval)
        {
            return false;
        }

        _due = due + interval;
        return true;
    }

    /// <summary>True where nothing of what was taken is remembered any more.</summary>
    public bool IsIdle(TimeSpan now) => _due <= now;
}
