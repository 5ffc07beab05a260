using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Conformance;

/// <summary>Something that clients may watch has changed.</summary>
/// <param name="Method">The notification that says so.</param>
/// <param name="Uri">Of the resource, where it is one.</param>
internal sealed record Change(string Method, string? Uri = null)
{
    public static Change Tools { get; } = new(NotificationMethods.ToolListChangedNotification);

    public static Change Prompts { get; } = new(NotificationMethods.PromptListChangedNotification);

    public static Change WatchedResource { get; } = new(NotificationMethods.ResourceUpdatedNotification, ConformanceResources.Watched);
}

/// <summary>Tells the conversations what a call in one of them has changed.</summary>
internal sealed class Changes
{
    // A node has a handful of links and each a few conversations; whoever wants more is no test.
    private const int MaxWatchers = 256;

    private readonly Lock _lock = new();
    private readonly List<Watcher> _watchers = [];

    /// <summary>Calls back at each change, until disposed. The callback returns at once.</summary>
    /// <returns>Null where too many watch already.</returns>
    public IDisposable? Watch(Action<Change> changed)
    {
        lock (_lock)
        {
            if (_watchers.Count == MaxWatchers)
            {
                return null;
            }

            var watcher = new Watcher(this, changed);
            _watchers.Add(watcher);
            return watcher;
        }
    }

    public void Raise(Change change)
    {
        Watcher[] watchers;
        lock (_lock)
        {
            watchers = [.. _watchers];
        }

        foreach (var watcher in watchers)
        {
            watcher.Changed(change);
        }
    }

    private void Remove(Watcher watcher)
    {
        lock (_lock)
        {
            _watchers.Remove(watcher);
        }
    }

    private sealed record Watcher(Changes Owner, Action<Change> Changed) : IDisposable
    {
        public void Dispose() => Owner.Remove(this);
    }
}
