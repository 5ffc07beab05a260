using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>What became of a record that was offered.</summary>
internal enum RecordVerdict
{
    News,
    Known,
    Refused,
}

/// <summary>The newest valid record of every node that this node has heard of. Thread-safe.</summary>
internal sealed class RecordTable(NetworkKeys network, TimeProvider time)
{
    // Ten times the largest network that the design names; each entry is at most 32 KiB, typically under 1 KiB.
    private const int MaxRecords = 10_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<NodeId, NodeRecord> _records = [];

    /// <summary>Raised with the node whose record came, changed or expired; outside the lock.</summary>
    public event Action<NodeId>? Changed;

    public IReadOnlyList<NodeRecord> Snapshot()
    {
        lock (_lock)
        {
            return [.. _records.Values];
        }
    }

    public NodeRecord? Find(NodeId node)
    {
        lock (_lock)
        {
            return _records.GetValueOrDefault(node);
        }
    }

    /// <summary>Takes a record from anywhere.</summary>
    /// <param name="problem">Why it was refused.</param>
    /// <param name="node">Whose it is; meaningless for a refused one.</param>
    public RecordVerdict Offer(ReadOnlySpan<byte> encoded, out NodeId node, out string? problem)
    {
        (node, problem) = (default, null);

        // A repetition is the common case in gossip, and costs no signature check.
        var peek = new WireReader(encoded);
        peek.UInt8();
        node = peek.NodeId();
        var sequence = peek.UInt64();
        if (!peek.Failed && Find(node) is { } known && known.Sequence >= sequence)
        {
            return RecordVerdict.Known;
        }

        problem = NodeRecord.TryRead(encoded, network.Key, time.GetUtcNow(), out var record);
        return problem is null ? Put(record!, out problem) : RecordVerdict.Refused;
    }

    /// <summary>Takes a record that is known to be valid, such as this node's own.</summary>
    public RecordVerdict Put(NodeRecord record, out string? problem)
    {
        problem = null;
        lock (_lock)
        {
            if (_records.TryGetValue(record.Node, out var known) && known.Sequence >= record.Sequence)
            {
                return RecordVerdict.Known;
            }

            if (known is null && _records.Count >= MaxRecords)
            {
                problem = $"a record beyond the limit of {MaxRecords} nodes";
                return RecordVerdict.Refused;
            }

            _records[record.Node] = record;
        }

        Changed?.Invoke(record.Node);
        return RecordVerdict.News;
    }

    /// <summary>Forgets what has expired.</summary>
    public void Sweep()
    {
        List<NodeId> gone;
        lock (_lock)
        {
            var now = time.GetUtcNow();
            gone = [.. _records.Values.Where(r => r.NotAfter <= now || r.Certificate.NotAfter <= now).Select(r => r.Node)];
            foreach (var node in gone)
            {
                _records.Remove(node);
            }
        }

        foreach (var node in gone)
        {
            Changed?.Invoke(node);
        }
    }
}
