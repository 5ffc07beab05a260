using System.Security.Cryptography;
using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>The host's own registry, for a node without a plugin that offers one: in memory alone, and reconciled by listing everything.</summary>
internal sealed class RegistryInMemory(NodeId self, TimeProvider time) : IAgentRegistry
{
    // Ten times the largest network that the design names; each entry is at most 32 KiB, typically under 1 KiB.
    public const int MaxRecords = 10_000;

    // What a member may fill who certifies nodes without end, each with the longest record.
    private const long MaxBytes = 64 * 1024 * 1024;

    // Sequences of nodes whose records have expired are kept beside those of the living.
    private const int MaxRemembered = 2 * MaxRecords;
    private const int MaxConflicts = 100;

    // Beyond twice what is held the log keeps what led to the present state alone.
    private const int SpareEvents = 2_000;
    private const long SpareEventBytes = 8 * 1024 * 1024;

    private static readonly TimeSpan RememberFor = TimeSpan.FromHours(25);

    private readonly Lock _lock = new();
    private readonly SortedDictionary<NodeId, Entry> _entries = [];
    private readonly List<RegistryConflict> _conflicts = [];
    private readonly Queue<RegistryChange> _changes = [];
    private List<RegistryEvent> _log = [];
    private RegistryRecord[]? _snapshot;
    private byte[]? _summary;
    private int _count;
    private long _bytes;
    private long _logBytes;
    private long _number;
    private bool _isRaising;

    public event Action<RegistryChange>? Changed;

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _count;
            }
        }
    }

    public IReadOnlyList<RegistryRecord> Snapshot
    {
        get
        {
            lock (_lock)
            {
                return _snapshot ??= [.. _entries.Values.Select(e => e.Record).OfType<RegistryRecord>()];
            }
        }
    }

    public IReadOnlyList<RegistryConflict> Conflicts
    {
        get
        {
            lock (_lock)
            {
                return [.. _conflicts];
            }
        }
    }

    public ReadOnlyMemory<byte> Summary
    {
        get
        {
            lock (_lock)
            {
                return _summary ??= RegistryListing.Summary(Held());
            }
        }
    }

    public RegistryRecord? Find(NodeId node)
    {
        lock (_lock)
        {
            return _entries.GetValueOrDefault(node)?.Record;
        }
    }

    public RegistryMerge Merge(RegistryRecord record)
    {
        var hash = SHA256.HashData(record.Encoded.Span);
        RegistryMerge merge;
        lock (_lock)
        {
            merge = Take(record, hash);
        }

        Raise();
        return merge;
    }

    public void Sweep()
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            foreach (var (node, entry) in _entries.ToList())
            {
                // What comes from the future came in while a clock was wrong; it would shut out what its node says now.
                var isFuture = entry.Issued > now + NodeRecord.MaxAhead;
                if (entry.Record is { } record && (isFuture || record.NotAfter <= now))
                {
                    entry.Record = null;
                    (_count, _bytes) = (_count - 1, _bytes - record.Encoded.Length);
                    Note(RegistryEventKind.Expired, record, new(node, record, null), isFuture ? 0 : record.Sequence);
                }

                if (entry.Record is null && (isFuture || entry.Issued + RememberFor <= now))
                {
                    _entries.Remove(node);
                }
            }
        }

        Raise();
    }

    public RegistryReply Reconcile(ReadOnlyMemory<byte> message)
    {
        lock (_lock)
        {
            return RegistryListing.Reconcile(Held(), message.Span);
        }
    }

    public Task CommitAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public IAsyncEnumerable<RegistryEvent> ReadLogAsync(DateTimeOffset? since, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return _log.Where(e => since is null || e.At >= since).ToList().ToAsyncEnumerable();
        }
    }

    private RegistryMerge Take(RegistryRecord record, byte[] hash)
    {
        var known = _entries.GetValueOrDefault(record.Node);
        if (known is not null && (known.Sequence > record.Sequence || (known.Sequence == record.Sequence && (known.Record is null || hash.AsSpan().SequenceEqual(known.Hash)))))
        {
            return new(RegistryVerdict.Known);
        }

        if (record.NotAfter <= time.GetUtcNow())
        {
            return new(RegistryVerdict.Refused, $"a record of {record.Node.ToShortString()} that has expired");
        }

        RegistryConflict? conflict = null;
        if (known?.Record is { } other && known.Sequence == record.Sequence)
        {
            if (_conflicts.Find(c => c.Node == record.Node && c.Counts.Sequence == record.Sequence) is { } seen && seen.Other.Encoded.Span.SequenceEqual(record.Encoded.Span))
            {
                return new(RegistryVerdict.Known);
            }

            var isHigher = hash.AsSpan().SequenceCompareTo(known.Hash) > 0;
            conflict = isHigher ? new(record, other, time.GetUtcNow()) : new(other, record, time.GetUtcNow());
            Keep(conflict);
            if (!isHigher)
            {
                return new(RegistryVerdict.Conflict, null, conflict);
            }
        }

        var bytes = _bytes + record.Encoded.Length - (known?.Record?.Encoded.Length ?? 0);
        var problem = record.Node == self ? null
            : known?.Record is null && _count >= MaxRecords ? $"a record beyond the limit of {MaxRecords} nodes"
            : known is null && _entries.Count >= MaxRemembered ? $"a record beyond the limit of {MaxRemembered} nodes within {RememberFor.TotalHours:0} hours"
            : bytes > MaxBytes ? $"a record beyond the limit of {MaxBytes >> 20} MiB for all"
            : null;
        if (problem is not null)
        {
            return new(RegistryVerdict.Refused, problem, conflict);
        }

        var before = known?.Record;
        (_count, _bytes) = (before is null ? _count + 1 : _count, bytes);
        _entries[record.Node] = new() { Sequence = record.Sequence, Hash = hash, Issued = record.Issued, Record = record };
        Note(before is null ? RegistryEventKind.Added : RegistryEventKind.Changed, record, new(record.Node, before, record), record.Sequence);
        return new(RegistryVerdict.News, null, conflict);
    }

    private void Keep(RegistryConflict conflict)
    {
        _conflicts.RemoveAll(c => c.Node == conflict.Node);
        if (_conflicts.Count >= MaxConflicts)
        {
            _conflicts.RemoveAt(0);
        }

        _conflicts.Add(conflict);
        Log(RegistryEventKind.Conflicting, conflict.Other, conflict.Other.Sequence);
    }

    private void Note(RegistryEventKind kind, RegistryRecord record, RegistryChange change, ulong sequence)
    {
        (_snapshot, _summary) = (null, null);
        _changes.Enqueue(change);
        Log(kind, record, sequence);
    }

    private void Log(RegistryEventKind kind, RegistryRecord record, ulong sequence)
    {
        var encoded = kind == RegistryEventKind.Expired ? default : record.Encoded;
        _log.Add(new(++_number, time.GetUtcNow(), kind, record.Node, sequence, encoded));
        _logBytes += encoded.Length;
        if (_log.Count <= 2 * _count + SpareEvents && _logBytes <= 2 * _bytes + SpareEventBytes)
        {
            return;
        }

        // The event that brought each record that is held.
        _log = [.. _log.Where(e => e.Kind is RegistryEventKind.Added or RegistryEventKind.Changed && _entries.GetValueOrDefault(e.Node)?.Record is { } held && held.Sequence == e.Sequence && held.Encoded.Equals(e.Encoded))];
        _logBytes = _log.Sum(e => (long)e.Encoded.Length);
    }

    private IEnumerable<RegistryListing.Line> Held() => _entries.Values.Where(e => e.Record is not null).Select(e => new RegistryListing.Line(e.Record!, e.Hash));

    // By one thread at a time, in order; what a handler or another thread changes meanwhile is told by that one too.
    private void Raise()
    {
        while (true)
        {
            RegistryChange change;
            lock (_lock)
            {
                if (_isRaising || !_changes.TryDequeue(out change))
                {
                    return;
                }

                _isRaising = true;
            }

            try
            {
                Changed?.Invoke(change);
            }
            finally
            {
                lock (_lock)
                {
                    _isRaising = false;
                }
            }
        }
    }

    private sealed class Entry
    {
        public required ulong Sequence { get; init; }

        public required byte[] Hash { get; init; }

        public required DateTimeOffset Issued { get; init; }

        /// <summary>Null once it has expired.</summary>
        public RegistryRecord? Record { get; set; }
    }
}
