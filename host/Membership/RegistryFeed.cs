using Dawn.Links;

namespace Dawn.Membership;

/// <summary>
/// What waits to be sent on a link, in order: nodes, of which the newest record goes when its turn comes, so that a burst of changes sends each once; rumours; and frames.
/// </summary>
/// <remarks>
/// The first record of another or rumour after a quiet time goes at once. What comes soon after it is gathered: news comes in bursts, as when thousands meet again after a
/// partition, and what leaves together is sealed, sent and taken once. What was asked for, frames and this node's own record wait for nobody, and take along what does.
/// </remarks>
internal sealed class RegistryFeed(ILink link, NodeId self, RecordTable table, TimeProvider time, RegistryMetrics? metrics)
{
    /// <summary>At least so long after news the next goes.</summary>
    public static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(50);

    /// <summary>Rumours that wait at once: fewer than the other end takes at once.</summary>
    public const int MaxRumours = 64;

    // A link that is closing has room and takes nothing; it ends within two seconds.
    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(10);

    // A reconciliation's message, a summary, and a proof for each conflict there may be.
    private const int MaxFrames = RegistryConflicts.Max + 8;

    private readonly Lock _lock = new();
    private readonly Queue<Item> _queue = [];
    // Of what is in the queue: false, and null, for what was taken back and need not be sent when its turn comes.
    private readonly Dictionary<NodeId, bool> _nodes = [];
    private readonly Dictionary<NodeId, byte[]?> _rumours = [];
    private readonly CancellationTokenSource _stop = new();
    private ITimer? _timer;
    private long? _newsAt;
    private int _frames;
    private bool _running;
    private bool _isGathering;

    /// <summary>Takes news.</summary>
    public void Enqueue(NodeId node)
    {
        lock (_lock)
        {
            Add(node);
        }

        Run(mayWait: node != self);
    }

    /// <summary>Takes what the other end asked for.</summary>
    public void Enqueue(IEnumerable<NodeId> nodes)
    {
        lock (_lock)
        {
            foreach (var node in nodes)
            {
                Add(node);
            }
        }

        Run(mayWait: false);
    }

    /// <summary>Takes what is said of a node; where too much waits already it is lost, as rumours may be.</summary>
    public void Enqueue(NodeId about, byte[] rumour)
    {
        lock (_lock)
        {
            if (_rumours.TryGetValue(about, out var other))
            {
                _rumours[about] = other ?? rumour;
                return;
            }

            if (_rumours.Count >= MaxRumours)
            {
                return;
            }

            _rumours.Add(about, rumour);
            _queue.Enqueue(new(LinkFrame.Membership, about, null));
        }

        Run(mayWait: true);
    }

    /// <summary>False where too many wait already.</summary>
    public bool TryEnqueue(byte[] frame)
    {
        lock (_lock)
        {
            if (_frames >= MaxFrames)
            {
                return false;
            }

            _frames++;
            _queue.Enqueue(new(LinkFrame.Registry, default, frame));
        }

        Run(mayWait: false);
        return true;
    }

    /// <summary>The other end has the newest record of this node: it need not be sent.</summary>
    public void OnRecordThere(NodeId node)
    {
        lock (_lock)
        {
            if (_nodes.ContainsKey(node))
            {
                _nodes[node] = false;
            }
        }
    }

    /// <summary>The other end says what it would be told of this node.</summary>
    public void OnRumourThere(NodeId about)
    {
        lock (_lock)
        {
            if (_rumours.ContainsKey(about))
            {
                _rumours[about] = null;
            }
        }
    }

    public void Stop()
    {
        _stop.Cancel();
        lock (_lock)
        {
            _timer?.Dispose();
        }
    }

    private void Add(NodeId node)
    {
        if (!_nodes.ContainsKey(node))
        {
            _queue.Enqueue(new(LinkFrame.Record, node, null));
        }

        _nodes[node] = true;
    }

    private void Run(bool mayWait)
    {
        lock (_lock)
        {
            if (_running || _queue.Count == 0 || (mayWait && (_isGathering || TryGather())))
            {
                return;
            }

            _running = true;
        }

        _ = RunAsync();
    }

    private bool TryGather()
    {
        if (_newsAt is not { } at || Gather - time.GetElapsedTime(at) is not { Ticks: > 0 } left || _stop.IsCancellationRequested)
        {
            return false;
        }

        _isGathering = true;
        _timer ??= time.CreateTimer(_ => OnGathered(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(left, Timeout.InfiniteTimeSpan);
        return true;
    }

    private void OnGathered()
    {
        lock (_lock)
        {
            _isGathering = false;
        }

        Run(mayWait: false);
    }

    private async Task RunAsync()
    {
        try
        {
            while (TryTake(out var item))
            {
                while (!TrySend(item))
                {
                    if (link.Ended.IsCompleted)
                    {
                        return;
                    }

                    var room = link.WaitForRoomAsync(_stop.Token);
                    if (room.IsCompletedSuccessfully)
                    {
                        // Without a pause this would turn on the spot until the link has ended, on the very thread, perhaps, that would end it.
                        await Task.Delay(RoomPause, time, _stop.Token);
                    }

                    await room;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The link is down; its successor begins anew.
        }
    }

    private bool TrySend(Item item)
    {
        var body = item.Type == LinkFrame.Record ? table.Find(item.Node)?.Encoded ?? default : item.Frame;
        if (body.IsEmpty)
        {
            return true;
        }

        var isSent = link.TrySend(item.Type, body.Span, []);
        if (isSent && item.Type != LinkFrame.Membership)
        {
            metrics?.Sent(body.Length);
        }

        return isSent;
    }

    private bool TryTake(out Item item)
    {
        lock (_lock)
        {
            while (_queue.TryDequeue(out item))
            {
                if (item.Type == LinkFrame.Registry)
                {
                    _frames--;
                    return true;
                }

                if (item.Type == LinkFrame.Record)
                {
                    _nodes.Remove(item.Node, out var isWanted);
                    if (!isWanted)
                    {
                        continue;
                    }
                }
                else if (_rumours.Remove(item.Node, out var rumour) && rumour is not null)
                {
                    item = item with { Frame = rumour };
                }
                else
                {
                    continue;
                }

                _newsAt = item.Node == self ? _newsAt : time.GetTimestamp();
                return true;
            }

            _running = false;
            return false;
        }
    }

    private readonly record struct Item(LinkFrame Type, NodeId Node, byte[]? Frame);
}
