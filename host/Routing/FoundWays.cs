using Dawn.Links;

namespace Dawn.Routing;

/// <summary>The neighbours over which floods have found nodes. Thread-safe.</summary>
/// <remarks>Each entry points along the tree of one flood, which has no circles; it goes when its link does, when somebody on the way says that it leads nowhere, and when nothing has used it for a while.</remarks>
internal sealed class FoundWays(TimeProvider time)
{
    /// <summary>Ways at once.</summary>
    public const int Max = 4_096;

    /// <summary>How long an unused way is remembered.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(2);

    private readonly Lock _lock = new();
    private readonly Dictionary<NodeId, (NodeId Over, long Since)> _ways = [];

    /// <summary>Raised with a node that is found over another neighbour than before; outside the lock.</summary>
    public event Action<NodeId>? Added;

    public NodeId? Find(NodeId node)
    {
        lock (_lock)
        {
            return _ways.TryGetValue(node, out var way) && time.GetElapsedTime(way.Since) < Lifetime ? way.Over : null;
        }
    }

    public void Add(NodeId node, NodeId over)
    {
        bool isNew;
        lock (_lock)
        {
            isNew = !_ways.TryGetValue(node, out var known) || known.Over != over || time.GetElapsedTime(known.Since) >= Lifetime;
            if (_ways.Count >= Max && !_ways.ContainsKey(node))
            {
                Sweep();
                if (_ways.Count >= Max)
                {
                    // One way more or less: whoever needs the one that goes seeks it again.
                    _ways.Remove(_ways.MinBy(way => way.Value.Since).Key);
                }
            }

            _ways[node] = (over, time.GetTimestamp());
        }

        if (isNew)
        {
            Added?.Invoke(node);
        }
    }

    /// <summary>The way was used.</summary>
    public void Keep(NodeId node)
    {
        lock (_lock)
        {
            if (_ways.TryGetValue(node, out var way))
            {
                _ways[node] = (way.Over, time.GetTimestamp());
            }
        }
    }

    /// <summary>The way leads nowhere.</summary>
    public void Remove(NodeId node, NodeId over)
    {
        lock (_lock)
        {
            if (_ways.TryGetValue(node, out var way) && way.Over == over)
            {
                _ways.Remove(node);
            }
        }
    }

    public void OnLinkDown(ILink link)
    {
        lock (_lock)
        {
            foreach (var node in _ways.Where(way => way.Value.Over == link.Remote).Select(way => way.Key).ToList())
            {
                _ways.Remove(node);
            }
        }
    }

    private void Sweep()
    {
        foreach (var node in _ways.Where(way => time.GetElapsedTime(way.Value.Since) >= Lifetime).Select(way => way.Key).ToList())
        {
            _ways.Remove(node);
        }
    }
}
