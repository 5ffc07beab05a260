using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

/// <summary>What became of a record that was offered.</summary>
internal enum RecordVerdict
{
    News,
    Known,
    Refused,
    /// <summary>This node's own, and not what it has published last, or newer: another process has its key, or this one is an older copy of itself.</summary>
    Foreign,
    /// <summary>Another of its node has the same sequence, and counts for more.</summary>
    Conflict,
}

/// <summary>The host's use of the registry: what comes from others is verified and limited before it is merged. Thread-safe.</summary>
internal sealed partial class RecordTable
{
    // How often a node's record may change, by GCRA. Nodes gather changes for 50 ms, so none that keeps to the protocol comes near;
    // one that doesn't would have every node of the network check and pass on whatever it signs.
    private const int Burst = 100;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly INodeIdentity _self;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly RegistryMetrics? _metrics;
    private readonly Lock _lock = new();
    private readonly Dictionary<NodeId, TimeSpan> _limits = [];
    private readonly long _created;
    private readonly ReadRecord _read;
    private volatile IAgentRegistry _registry;

    /// <inheritdoc cref="NodeRecord.TryRead"/>
    public delegate string? ReadRecord(ReadOnlySpan<byte> encoded, NodeId network, DateTimeOffset now, out NodeRecord? record);

    /// <param name="read">For a process with many nodes, which need not read each record for each of them.</param>
    public RecordTable(INodeIdentity self, TimeProvider time, ILogger<RecordTable> logger, RegistryMetrics? metrics = null, ReadRecord? read = null)
    {
        _read = read ?? NodeRecord.TryRead;
        (_self, _time, _logger, _metrics) = (self, time, logger, metrics);
        _created = time.GetTimestamp();
        _registry = new RegistryInMemory(self.Id, time);
        _registry.Changed += OnChanged;
        Conflicts = new(self.Id, time, logger);
        metrics?.Observe(this);
    }

    /// <summary>Raised with the node whose record came, changed or expired; outside the lock.</summary>
    public event Action<NodeId>? Changed;

    public RegistryConflicts Conflicts { get; }

    public RegistryForm Form => _registry is RegistryInMemory ? RegistryForm.Listing : RegistryForm.Plugin;

    /// <summary>From now on this registry's, with all that it brings. Called before anything was merged.</summary>
    public void Use(IAgentRegistry registry)
    {
        _registry.Changed -= OnChanged;
        registry.Changed += OnChanged;
        _registry = registry;
        foreach (var conflict in registry.Conflicts)
        {
            Conflicts.Add(conflict);
        }

        foreach (var record in registry.Snapshot)
        {
            Raise(record.Node);
        }
    }

    /// <summary>Lets go of a registry that is about to end; what it held stays to be read.</summary>
    public void Release()
    {
        var last = new RegistryInMemory(_self.Id, _time);
        _registry.Changed -= OnChanged;
        foreach (var record in _registry.Snapshot)
        {
            last.Merge(record);
        }

        last.Changed += OnChanged;
        _registry = last;
    }

    /// <summary>In the order of nodes.</summary>
    public IReadOnlyList<NodeRecord> Snapshot() => [.. _registry.Snapshot.OfType<NodeRecord>()];

    public NodeRecord? Find(NodeId node) => _registry.Find(node) as NodeRecord;

    /// <summary>Takes a record from anywhere.</summary>
    /// <param name="problem">Why it was refused.</param>
    /// <param name="record">The record, but where it is <see cref="RecordVerdict.Known"/> or <see cref="RecordVerdict.Refused"/>.</param>
    public RecordVerdict Offer(ReadOnlySpan<byte> encoded, out NodeRecord? record, out string? problem)
    {
        (record, problem) = (null, null);

        // A repetition is the common case in gossip, and costs no signature check. Another record with the known one's sequence does: it may prove something.
        if (NodeRecord.TryPeek(encoded, out var node, out var sequence) && Find(node) is { } known
            && (known.Sequence > sequence || (known.Sequence == sequence && (encoded.SequenceEqual(known.Encoded.Span) || IsProven(node, encoded)))))
        {
            return Count(RecordVerdict.Known);
        }

        problem = _read(encoded, _self.Network.Key, _time.GetUtcNow(), out record);
        return problem is not null ? Count(RecordVerdict.Refused)
            : record!.Node == _self.Id ? Count(Contradict(record))
            : Put(record, out problem);
    }

    /// <summary>Takes a record that is known to be valid, such as this node's own.</summary>
    public RecordVerdict Put(NodeRecord record, out string? problem)
    {
        problem = null;
        if (Find(record.Node) is { } known && known.Sequence > record.Sequence)
        {
            return Count(RecordVerdict.Known);
        }

        if (record.Node != _self.Id && !IsWithinLimit(record.Node))
        {
            problem = $"records of {record.Node.ToShortString()} faster than the limit of {1 / Interval.TotalSeconds:0} a second";
            return Count(RecordVerdict.Refused);
        }

        RegistryMerge merge;
        try
        {
            merge = _registry.Merge(record);
        }
        catch (Exception e)
        {
            // A plugin's fault must not cost the neighbour its link.
            LogRegistryFailed(e, "take a record");
            problem = $"a record of {record.Node.ToShortString()} that the registry failed to take";
            return Count(RecordVerdict.Refused);
        }

        problem = merge.Problem;
        if (merge.Conflict is { } conflict)
        {
            Conflicts.Add(conflict);
        }

        return Count(merge.Verdict switch
        {
            RegistryVerdict.News => RecordVerdict.News,
            RegistryVerdict.Conflict => RecordVerdict.Conflict,
            RegistryVerdict.Refused => RecordVerdict.Refused,
            _ => RecordVerdict.Known,
        });
    }

    /// <summary>Takes a proof that a node's key is used twice.</summary>
    /// <param name="news">Those of its records that are news.</param>
    /// <param name="problem">Null where it holds, or is known.</param>
    public void OfferProof(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, out IReadOnlyList<NodeRecord> news, out string? problem)
    {
        (news, problem) = ([], null);
        if (!NodeRecord.TryPeek(first, out var node, out _) || first.SequenceEqual(second))
        {
            problem = "a proof that proves nothing";
            return;
        }

        if (Conflicts.Find(node) is not null)
        {
            return;
        }

        var now = _time.GetUtcNow();
        NodeRecord? one = null, other = null;
        problem = NodeRecord.TryRead(first, _self.Network.Key, now, out one) ?? NodeRecord.TryRead(second, _self.Network.Key, now, out other);
        if (problem is not null)
        {
            return;
        }

        if (node != _self.Id)
        {
            news = [.. new[] { one!, other! }.Where(r => Put(r, out _) == RecordVerdict.News)];
        }

        Conflicts.Add(Proof(one!, other!));
    }

    /// <summary>Forgets what has expired, and what comes from the future since a wrong clock was set right.</summary>
    public void Sweep()
    {
        _registry.Sweep();
        Conflicts.Sweep();
        lock (_lock)
        {
            var now = _time.GetElapsedTime(_created);
            foreach (var node in _limits.Where(l => l.Value <= now).Select(l => l.Key).ToList())
            {
                _limits.Remove(node);
            }
        }
    }

    /// <summary>The registry's fingerprint; null where it failed.</summary>
    public ReadOnlyMemory<byte>? Summary()
    {
        try
        {
            var summary = _registry.Summary;
            return summary.Length == RegistryFrame.SummarySize ? summary : throw new InvalidOperationException($"a summary of {summary.Length} bytes instead of {RegistryFrame.SummarySize}");
        }
        catch (Exception e)
        {
            LogRegistryFailed(e, "say what it holds");
            return null;
        }
    }

    /// <summary>The registry's next step of a reconciliation; null where it failed.</summary>
    /// <exception cref="FormatException">The message is malformed.</exception>
    public RegistryReply? Reconcile(ReadOnlyMemory<byte> message)
    {
        try
        {
            var reply = _registry.Reconcile(message);
            return reply.Message.Length <= RegistryFrame.MaxMessage ? reply : throw new InvalidOperationException($"a message of {reply.Message.Length} bytes");
        }
        catch (Exception e) when (e is not FormatException)
        {
            LogRegistryFailed(e, "reconcile");
            return null;
        }
    }

    /// <inheritdoc cref="IAgentRegistry.CommitAsync"/>
    public Task CommitAsync(CancellationToken cancellationToken) => _registry.CommitAsync(cancellationToken);

    /// <inheritdoc cref="IAgentRegistry.ReadLogAsync"/>
    public IAsyncEnumerable<RegistryEvent> ReadLogAsync(DateTimeOffset? since, CancellationToken cancellationToken) => _registry.ReadLogAsync(since, cancellationToken);

    // A record of this node that this process did not publish is nobody's news; it shows what it shows, and is outbid.
    private RecordVerdict Contradict(NodeRecord record)
    {
        if (Find(_self.Id) is { } own && own.Sequence == record.Sequence)
        {
            Conflicts.Add(Proof(own, record));
        }

        return RecordVerdict.Foreign;
    }

    private bool IsProven(NodeId node, ReadOnlySpan<byte> encoded) =>
        Conflicts.Find(node) is { } conflict && (encoded.SequenceEqual(conflict.Other.Encoded.Span) || encoded.SequenceEqual(conflict.Counts.Encoded.Span));

    private RegistryConflict Proof(NodeRecord one, NodeRecord other)
    {
        var isFirst = SHA256.HashData(one.Encoded.Span).AsSpan().SequenceCompareTo(SHA256.HashData(other.Encoded.Span)) > 0;
        return isFirst ? new(one, other, _time.GetUtcNow()) : new(other, one, _time.GetUtcNow());
    }

    private bool IsWithinLimit(NodeId node)
    {
        lock (_lock)
        {
            ref var idleAt = ref CollectionsMarshal.GetValueRefOrAddDefault(_limits, node, out _);
            return Gcra.TryTake(ref idleAt, _time.GetElapsedTime(_created), Interval, Burst);
        }
    }

    private RecordVerdict Count(RecordVerdict verdict)
    {
        _metrics?.Merged(verdict);
        return verdict;
    }

    private void OnChanged(RegistryChange change) => Raise(change.Node);

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

    [LoggerMessage(Level = LogLevel.Error, Message = "Telling that the record of {Node} changed failed")]
    private partial void LogHandlerFailed(Exception exception, string node);

    [LoggerMessage(Level = LogLevel.Error, Message = "The registry failed to {What}")]
    private partial void LogRegistryFailed(Exception exception, string what);
}
