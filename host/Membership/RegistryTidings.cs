namespace Dawn.Membership;

/// <summary>
/// What a neighbour is told that gets its records from others: that there are newer ones (IHAVE of Plumtree; Leitão, Pereira, Rodrigues, SRDS 2007).
/// Gathered for a while, since news comes in bursts. Thread-safe.
/// </summary>
internal sealed class RegistryTidings(RecordTable table, TimeProvider time, Func<byte[], bool> send)
{
    public static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly HashSet<NodeId> _nodes = [];
    private ITimer? _timer;
    private bool _isArmed;
    private bool _isStopped;

    public void Add(NodeId node)
    {
        lock (_lock)
        {
            if (_isStopped || !_nodes.Add(node) || _isArmed)
            {
                return;
            }

            _isArmed = true;
            _timer ??= time.CreateTimer(_ => Send(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _timer.Change(Gather, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>The other end has the news itself.</summary>
    public void Remove(NodeId node)
    {
        lock (_lock)
        {
            _nodes.Remove(node);
        }
    }

    public void Stop()
    {
        lock (_lock)
        {
            _isStopped = true;
            _timer?.Dispose();
        }
    }

    private void Send()
    {
        NodeId[] nodes;
        lock (_lock)
        {
            nodes = [.. _nodes];
            _nodes.Clear();
            _isArmed = false;
        }

        foreach (var some in nodes.Select(table.Find).OfType<Identity.NodeRecord>().Chunk(RegistryFrame.MaxHaves))
        {
            // Where too much waits already the next summary tells.
            send(RegistryFrame.Have(some.Select(r => (r.Node, r.Sequence))));
        }
    }
}
