namespace Dawn.Membership;

/// <summary>
/// Records that neighbours have and that did not come: asked for (GRAFT of Plumtree) unless they come by themselves, as they do where the neighbour that
/// sends all its news is merely later than the one that tells of them. Thread-safe.
/// </summary>
internal sealed class RegistryMissing(RecordTable table, TimeProvider time)
{
    public static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    private const int Max = RegistryInMemory.MaxRecords;

    private readonly Lock _lock = new();
    private readonly Queue<(NodeId Node, ulong Sequence, RegistryNeighbour From, long Since)> _waiting = [];
    private readonly Dictionary<NodeId, ulong> _newest = [];
    private ITimer? _timer;

    public void Add(NodeId node, ulong sequence, RegistryNeighbour from)
    {
        if (HasCome(node, sequence))
        {
            return;
        }

        lock (_lock)
        {
            if (_waiting.Count >= Max || _newest.GetValueOrDefault(node) >= sequence)
            {
                return;
            }

            _newest[node] = sequence;
            _waiting.Enqueue((node, sequence, from, time.GetTimestamp()));
            if (_waiting.Count == 1)
            {
                _timer ??= time.CreateTimer(_ => Ask(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
                _timer.Change(Patience, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private void Ask()
    {
        var due = new List<(NodeId Node, ulong Sequence, RegistryNeighbour From)>();
        lock (_lock)
        {
            while (_waiting.TryPeek(out var next))
            {
                var left = Patience - time.GetElapsedTime(next.Since);
                if (left > TimeSpan.Zero)
                {
                    _timer!.Change(left, Timeout.InfiniteTimeSpan);
                    break;
                }

                _waiting.Dequeue();
                if (_newest.GetValueOrDefault(next.Node) == next.Sequence)
                {
                    // From here on somebody else may offer it again, should this one fail.
                    _newest.Remove(next.Node);
                    due.Add((next.Node, next.Sequence, next.From));
                }
            }
        }

        foreach (var one in due.Where(d => !HasCome(d.Node, d.Sequence)).GroupBy(d => d.From))
        {
            one.Key.Want(one.Select(d => d.Node));
        }
    }

    private bool HasCome(NodeId node, ulong sequence) => table.Find(node) is { } record && record.Sequence >= sequence;
}
