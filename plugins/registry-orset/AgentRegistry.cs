using System.Collections.Immutable;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Dawn.Registries.OrSet;

/// <summary>The registry: an observed-remove set whose dots are a node and its record's sequence, kept in a log.</summary>
/// <remarks>
/// A dot may come only from the node that signed the record, and each record ends the one before it; so a merge is <see cref="OrSet{TReplica,TElement}.Replace"/>,
/// and the set's causal context is, for each node, the highest sequence seen, which is what keeps old records from coming back.
/// </remarks>
internal sealed partial class AgentRegistry : IAgentRegistry, IHostedService, IAsyncDisposable
{
    private const int MaxEncoded = 32 * 1024;
    private const int MaxConflicts = 100;

    // No record lives longer than 24 hours; one more for clocks that disagree.
    private static readonly TimeSpan Memory = TimeSpan.FromHours(25);

    // What the host accepts of clocks that disagree; what is further ahead came in while this machine's own was wrong.
    private static readonly TimeSpan MaxAhead = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private readonly OrSet<NodeId, Held> _set = new(Held.Join);
    private readonly RangeTree _tree = new();
    // Of nodes whose records are over: what was the newest, for as long as older ones may come.
    private readonly Dictionary<NodeId, (Digest Hash, DateTimeOffset Until)> _over = [];
    private readonly ChangeGate _gate;
    private readonly IEventLog _log;
    private readonly RegistrySettings _settings;
    private readonly IRecordReader _reader;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private ImmutableArray<RegistryConflict> _conflicts = [];
    private IReadOnlyList<RegistryRecord>? _snapshot;
    private byte[]? _summary;
    private long _bytes;

    public AgentRegistry(IOptions<RegistrySettings> settings, IRecordReader reader, IPluginData data, TimeProvider time, ILogger<AgentRegistry> logger)
        : this(settings.Value, reader, relog => new EventLog(data.Directory, settings.Value, relog, time, logger), time, logger)
    {
    }

    /// <param name="log">Makes the log, of what it calls when lines are lost: see <see cref="EventLog"/>.</param>
    internal AgentRegistry(RegistrySettings settings, IRecordReader reader, Func<Action, IEventLog> log, TimeProvider time, ILogger<AgentRegistry> logger)
    {
        (_settings, _reader, _time, _logger) = (settings, reader, time, logger);
        _gate = new(logger);
        _log = log(Relog);
    }

    public event Action<RegistryChange>? Changed
    {
        add => _gate.Changed += value;
        remove => _gate.Changed -= value;
    }

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _set.Count;
            }
        }
    }

    public IReadOnlyList<RegistryRecord> Snapshot
    {
        get
        {
            lock (_lock)
            {
                return _snapshot ??= [.. _tree.In(Prefix.All).Select(held => held.Record)];
            }
        }
    }

    public IReadOnlyList<RegistryConflict> Conflicts
    {
        get
        {
            lock (_lock)
            {
                return _conflicts;
            }
        }
    }

    public ReadOnlyMemory<byte> Summary
    {
        get
        {
            lock (_lock)
            {
                if (_summary is null)
                {
                    _summary = new byte[Digest.Size];
                    _tree.Fingerprint(Prefix.All).CopyTo(_summary);
                }

                return _summary;
            }
        }
    }

    internal EventLog Log => (EventLog)_log;

    public RegistryRecord? Find(NodeId node)
    {
        lock (_lock)
        {
            return _set.TryGet(node, out var held) ? held.Record : null;
        }
    }

    public RegistryMerge Merge(RegistryRecord record)
    {
        RegistryMerge merge;
        RegistryChange change;
        long number;
        lock (_lock)
        {
            merge = Merge(record, _time.GetUtcNow(), out change);
            if (merge.Verdict != RegistryVerdict.News)
            {
                return merge;
            }

            number = _gate.Number();
        }

        _gate.Raise(number, change);
        return merge;
    }

    public void Sweep()
    {
        var changes = new List<(long Number, RegistryChange Change)>();
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            foreach (var held in _tree.In(Prefix.All).Where(held => held.Record.Issued > now + MaxAhead).ToList())
            {
                // With its sequence, which would shut out what its node says now; the line's says so to the next run.
                Take(held);
                _set.Forget(held.Node);
                _log.Append(now, RegistryEventKind.Expired, held.Node, 0, default);
                changes.Add((_gate.Number(), new(held.Node, held.Record, null)));
            }

            foreach (var held in _tree.In(Prefix.All).Where(held => held.Record.NotAfter <= now).ToList())
            {
                Take(held);
                _set.End(new(held.Node, held.Sequence));
                _over[held.Node] = (held.Hash, Later(held.Record.Issued + Memory, held.Record.NotAfter));
                _log.Append(now, RegistryEventKind.Expired, held.Node, held.Sequence, default);
                changes.Add((_gate.Number(), new(held.Node, held.Record, null)));
            }

            foreach (var (node, _) in _over.Where(over => over.Value.Until <= now || over.Value.Until > now + MaxAhead + Memory).ToList())
            {
                _over.Remove(node);
                _set.Forget(node);
            }
        }

        foreach (var (number, change) in changes)
        {
            _gate.Raise(number, change);
        }
    }

    public RegistryReply Reconcile(ReadOnlyMemory<byte> message)
    {
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            return new Reconciler(_tree, OtherOf, held => held.Record.NotAfter > now, IsWanted).Answer(message.Span);
        }
    }

    public Task CommitAsync(CancellationToken cancellationToken) => _log.CommitAsync(cancellationToken);

    public IAsyncEnumerable<RegistryEvent> ReadLogAsync(DateTimeOffset? since, CancellationToken cancellationToken) => _log.ReadAsync(since, cancellationToken);

    /// <summary>Each node's newest line as it was at a time, expired ones not among them.</summary>
    internal async Task<IReadOnlyList<RegistryEvent>> StateAtAsync(DateTimeOffset time, CancellationToken cancellationToken)
    {
        var newest = new SortedDictionary<NodeId, RegistryEvent>();
        await foreach (var line in _log.ReadAsync(null, cancellationToken))
        {
            if (line.At <= time && line.Kind != RegistryEventKind.Conflicting)
            {
                newest[line.Node] = line;
            }
        }

        return [.. newest.Values.Where(line => line.Kind != RegistryEventKind.Expired)];
    }

    private RegistryMerge Merge(RegistryRecord record, DateTimeOffset now, out RegistryChange change)
    {
        change = default;
        var (node, sequence) = (record.Node, record.Sequence);
        if (record.NotAfter <= now || record.Encoded.Length > MaxEncoded)
        {
            return new(RegistryVerdict.Refused, record.NotAfter <= now
                ? $"The record of {node.ToShortString()} is over since {record.NotAfter:u}."
                : $"The record of {node.ToShortString()} has {record.Encoded.Length} bytes, more than {MaxEncoded}.");
        }

        RegistryConflict? conflict = null;
        Held candidate;
        if (_set.TryGet(node, out var held))
        {
            // Repetition is the common case in gossip, and costs no hash.
            if (sequence < held.Sequence || (sequence == held.Sequence && record.Encoded.Span.SequenceEqual(held.Record.Encoded.Span)))
            {
                return new(RegistryVerdict.Known);
            }

            candidate = new(record);
            if (sequence == held.Sequence)
            {
                var counts = Held.Join(held, candidate);
                var other = ReferenceEquals(counts, held) ? candidate : held;
                conflict = new(counts.Record, other.Record, now);
                if (ReferenceEquals(counts, held))
                {
                    KeepProof(conflict, candidate, now);
                    return new(RegistryVerdict.Conflict, null, conflict);
                }
            }
        }
        else
        {
            candidate = new(record);
            if (!IsNewerThanOver(node, sequence, candidate.Hash))
            {
                return new(RegistryVerdict.Known);
            }
        }

        if (ProblemWith(candidate, held) is { } problem)
        {
            return new(RegistryVerdict.Refused, problem);
        }

        Put(candidate, held);
        _log.Append(now, held is null ? RegistryEventKind.Added : RegistryEventKind.Changed, node, sequence, record.Encoded);
        if (conflict is not null)
        {
            KeepProof(conflict, held!, now);
        }

        change = new(node, held?.Record, record);
        return new(RegistryVerdict.News, null, conflict);
    }

    private bool IsNewerThanOver(NodeId node, ulong sequence, Digest hash) =>
        !_over.TryGetValue(node, out var over) || _set.Context.Compact[node] is var seen
            && (sequence > seen || (sequence == seen && hash.CompareTo(over.Hash) > 0));

    private bool IsWanted(ListEntry entry) =>
        _set.Count < _settings.MaxRecords && IsNewerThanOver(entry.Node, entry.Sequence, entry.Hash);

    private string? ProblemWith(Held candidate, Held? held) =>
        held is null && _set.Count >= _settings.MaxRecords
            ? $"This node holds {_set.Count} records, its limit: raise MaxRecords in the settings of the registry."
        // Those that are over are remembered for a day: whoever certifies nodes without end must not fill the memory with them.
        : held is null && _over.Count >= 2 * _settings.MaxRecords && !_over.ContainsKey(candidate.Node)
            ? $"This node remembers {_over.Count} nodes whose records are over, its limit: wait a day, or raise MaxRecords in the settings of the registry."
        : _bytes + candidate.Record.Encoded.Length - (held?.Record.Encoded.Length ?? 0) > _settings.MaxBytes
            ? $"This node holds records of {_bytes} bytes, and one more would be beyond its limit: raise MaxBytes in the settings of the registry."
        : null;

    private void Put(Held candidate, Held? held)
    {
        if (_over.Remove(candidate.Node) && _set.Context.Compact[candidate.Node] == candidate.Sequence)
        {
            // Of two records with one sequence the lesser was here, and is over: a dot that was removed is alive again, which no honest replica brings about.
            _set.Forget(candidate.Node);
        }

        _set.Replace(new(candidate.Node, candidate.Sequence), candidate);
        _tree.Put(candidate);
        _bytes += candidate.Record.Encoded.Length - (held?.Record.Encoded.Length ?? 0);
        (_snapshot, _summary) = (null, null);
    }

    private void Take(Held held)
    {
        _tree.Remove(held);
        _bytes -= held.Record.Encoded.Length;
        (_snapshot, _summary) = (null, null);
    }

    private Held? OtherOf(NodeId node) => _conflicts.FirstOrDefault(conflict => conflict.Node == node) is { } conflict ? new(conflict.Other) : null;

    private void KeepProof(RegistryConflict conflict, Held other, DateTimeOffset now)
    {
        var known = _conflicts.FirstOrDefault(c => c.Node == conflict.Node);
        if (known?.Counts.Sequence == conflict.Counts.Sequence)
        {
            // Two are enough for a proof; a third would only let a liar fill the log.
            return;
        }

        var kept = known is null ? _conflicts : _conflicts.Remove(known);
        _conflicts = (kept.Length < MaxConflicts ? kept : kept.RemoveAt(0)).Add(conflict);
        _log.Append(now, RegistryEventKind.Conflicting, other.Node, other.Sequence, other.Record.Encoded);
        Conflicting(other.Node.ToString(), other.Sequence);
    }

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    [LoggerMessage(LogLevel.Error, "Node {Node} has signed two records with sequence {Sequence}: its key is in two places. Its owner must stop one of them, or take a new key")]
    private partial void Conflicting(string node, ulong sequence);
}
