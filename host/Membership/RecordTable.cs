using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>What became of a record that was offered.</summary>
internal enum RecordVerdict
{
    News,
    Known,
    Refused,
    /// <summary>This node's own, and newer than what it has published: another process has its key, or this one is an older copy of itself.</summary>
    Foreign,
}

/// <summary>The newest valid record of every node that this node has heard of. Thread-safe.</summary>
internal sealed partial class RecordTable(INodeIdentity self, TimeProvider time, ILogger<RecordTable> logger)
{
    // Ten times the largest network that the design names; each entry is at most 32 KiB, typically under 1 KiB.
    private const int MaxRecords = 10_000;

    // What a member may fill who certifies nodes without end, each with the longest record.
    private const long MaxBytes = 64 * 1024 * 1024;

    // How often a node's record may change, by GCRA. Nodes gather changes for 50 ms, so none that keeps to the protocol comes near;
    // one that doesn't would have every node of the network check and pass on whatever it signs.
    private const int Burst = 100;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly Lock _lock = new();
    private readonly Dictionary<NodeId, Entry> _records = [];
    private readonly long _interval = (long)(Interval.TotalSeconds * time.TimestampFrequency);
    private long _bytes;

    /// <summary>Raised with the node whose record came, changed or expired; outside the lock.</summary>
    public event Action<NodeId>? Changed;

    public IReadOnlyList<NodeRecord> Snapshot()
    {
        lock (_lock)
        {
            return [.. _records.Values.Select(entry => entry.Record)];
        }
    }

    public NodeRecord? Find(NodeId node)
    {
        lock (_lock)
        {
            return _records.GetValueOrDefault(node).Record;
        }
    }

    /// <summary>Takes a record from anywhere.</summary>
    /// <param name="problem">Why it was refused.</param>
    /// <param name="record">The record where it is <see cref="RecordVerdict.News"/> or <see cref="RecordVerdict.Foreign"/>.</param>
    public RecordVerdict Offer(ReadOnlySpan<byte> encoded, out NodeRecord? record, out string? problem)
    {
        (record, problem) = (null, null);

        // A repetition is the common case in gossip, and costs no signature check.
        var peek = new WireReader(encoded);
        peek.UInt8();
        var node = peek.NodeId();
        var sequence = peek.UInt64();
        if (!peek.Failed && Find(node) is { } known && known.Sequence >= sequence)
        {
            return RecordVerdict.Known;
        }

        problem = NodeRecord.TryRead(encoded, self.Network.Key, time.GetUtcNow(), out record);
        return problem is not null ? RecordVerdict.Refused
            : record!.Node == self.Id ? RecordVerdict.Foreign
            : Put(record, out problem);
    }

    /// <summary>Takes a record that is known to be valid, such as this node's own.</summary>
    public RecordVerdict Put(NodeRecord record, out string? problem)
    {
        problem = null;
        lock (_lock)
        {
            var isKnown = _records.TryGetValue(record.Node, out var known);
            if (isKnown && known.Record.Sequence >= record.Sequence)
            {
                return RecordVerdict.Known;
            }

            var now = time.GetTimestamp();
            var due = Math.Max(now, known.Due);
            var bytes = _bytes + record.Encoded.Length - (known.Record?.Encoded.Length ?? 0);
            problem = record.Node == self.Id ? null
                : !isKnown && _records.Count >= MaxRecords ? $"a record beyond the limit of {MaxRecords} nodes"
                : bytes > MaxBytes ? $"a record beyond the limit of {MaxBytes >> 20} MiB for all"
                : due - now > (Burst - 1) * _interval ? $"records of {record.Node.ToShortString()} faster than the limit of {1 / Interval.TotalSeconds:0} a second"
                : null;
            if (problem is not null)
            {
                return RecordVerdict.Refused;
            }

            (_records[record.Node], _bytes) = (new(record, due + _interval), bytes);
        }

        Raise(record.Node);
        return RecordVerdict.News;
    }

    /// <summary>Forgets what has expired, and what comes from the future since a wrong clock was set right.</summary>
    public void Sweep()
    {
        List<NodeId> gone;
        lock (_lock)
        {
            var now = time.GetUtcNow();
            gone = [.. _records.Values.Select(e => e.Record).Where(r => r.NotAfter <= now || r.Certificate.NotAfter <= now || r.Issued > now + NodeRecord.MaxAhead).Select(r => r.Node)];
            foreach (var node in gone)
            {
                _records.Remove(node, out var entry);
                _bytes -= entry.Record.Encoded.Length;
            }
        }

        gone.ForEach(Raise);
    }

    private void Raise(NodeId node)
    {
        foreach (var handler in Delegate.EnumerateInvocationList(Changed))
        {
            try
            {
                handler(node);
            }
            catch (Exception e)
            {
                // Who fails to listen costs neither the others their news nor the neighbour its link.
                LogHandlerFailed(e, node.ToShortString());
            }
        }
    }

    private readonly record struct Entry(NodeRecord Record, long Due);

    [LoggerMessage(Level = LogLevel.Error, Message = "Telling that the record of {Node} changed failed")]
    private partial void LogHandlerFailed(Exception exception, string node);
}
