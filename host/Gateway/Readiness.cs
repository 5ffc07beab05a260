using System.Collections.Concurrent;

namespace Dawn.Gateway;

/// <summary>What keeps the node from being ready, by part; <c>/readyz</c> shows it. Thread-safe.</summary>
internal sealed class Readiness
{
    private readonly ConcurrentDictionary<string, string> _waiting = new(StringComparer.Ordinal);

    public bool IsReady => _waiting.IsEmpty;

    public IReadOnlyDictionary<string, string> Waiting => new SortedDictionary<string, string>(_waiting, StringComparer.Ordinal);

    /// <summary>Says what a part waits for; null once it is ready.</summary>
    public void Set(string part, string? waitingFor)
    {
        if (waitingFor is null)
        {
            _waiting.TryRemove(part, out _);
        }
        else
        {
            _waiting[part] = waitingFor;
        }
    }
}
