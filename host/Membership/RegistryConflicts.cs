namespace Dawn.Membership;

/// <summary>Whose keys are used twice, with the proofs: one a node, said once, and told to neighbours once. Thread-safe.</summary>
internal sealed partial class RegistryConflicts(NodeId self, TimeProvider time, ILogger logger)
{
    // A network with more of them has another trouble; each may be 64 KiB.
    public const int Max = 100;

    /// <summary>As long as records of its sequence may still be about.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(25);

    private readonly Lock _lock = new();
    private readonly SortedDictionary<NodeId, RegistryConflict> _byNode = [];

    /// <summary>Raised with each that is new; outside the lock.</summary>
    public event Action<RegistryConflict>? Found;

    /// <summary>In the order of nodes.</summary>
    public IReadOnlyList<RegistryConflict> Snapshot
    {
        get
        {
            lock (_lock)
            {
                return [.. _byNode.Values];
            }
        }
    }

    /// <summary>The proof about this very node; null where there is none.</summary>
    public RegistryConflict? Own => Find(self);

    public RegistryConflict? Find(NodeId node)
    {
        lock (_lock)
        {
            return _byNode.GetValueOrDefault(node);
        }
    }

    /// <summary>Keeps a verified proof.</summary>
    /// <returns>False where one of its node is known, or there are too many.</returns>
    public bool Add(RegistryConflict conflict)
    {
        lock (_lock)
        {
            if (conflict.Seen + Lifetime <= time.GetUtcNow() || _byNode.ContainsKey(conflict.Node) || (_byNode.Count >= Max && conflict.Node != self))
            {
                return false;
            }

            _byNode.Add(conflict.Node, conflict);
        }

        if (conflict.Node == self)
        {
            LogOwn(conflict.Counts.Sequence);
        }
        else
        {
            LogConflict(conflict.Node.ToString(), conflict.Counts.Sequence);
        }

        Found?.Invoke(conflict);
        return true;
    }

    public void Sweep()
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            foreach (var node in _byNode.Values.Where(c => c.Seen + Lifetime <= now).Select(c => c.Node).ToList())
            {
                _byNode.Remove(node);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Two machines use the key of node {Node}: it signed two records with sequence {Sequence}. Its owner should stop one of them, and give that one a key of its own: remove identity.key and network.json from its data directory, and join again ('dawn join'). 'dawn registry conflicts' shows the proof")]
    private partial void LogConflict(string node, ulong sequence);

    [LoggerMessage(Level = LogLevel.Error, Message = "Two machines use the key of this very node: it signed two records with sequence {Sequence}. Stop the other one, and give it a key of its own: remove identity.key and network.json from its data directory, and join again ('dawn join'). 'dawn registry conflicts' shows the proof")]
    private partial void LogOwn(ulong sequence);
}
