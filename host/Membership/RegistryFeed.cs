using Dawn.Links;

namespace Dawn.Membership;

/// <summary>What waits to be sent on a link, in order: nodes, of which the newest record goes when its turn comes, so that a burst of changes sends each once; and frames.</summary>
internal sealed class RegistryFeed(ILink link, RecordTable table, TimeProvider time, RegistryMetrics? metrics)
{
    // A link that is closing has room and takes nothing; it ends within two seconds.
    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(10);

    // A reconciliation's message, a summary, and a proof for each conflict there may be.
    private const int MaxFrames = RegistryConflicts.Max + 8;

    private readonly Lock _lock = new();
    private readonly Queue<Item> _queue = [];
    private readonly HashSet<NodeId> _nodes = [];
    private readonly CancellationTokenSource _stop = new();
    private int _frames;
    private bool _running;

    public void Enqueue(IEnumerable<NodeId> nodes)
    {
        lock (_lock)
        {
            foreach (var node in nodes)
            {
                if (_nodes.Add(node))
                {
                    _queue.Enqueue(new(node, null));
                }
            }
        }

        Run();
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
            _queue.Enqueue(new(default, frame));
        }

        Run();
        return true;
    }

    public void Stop() => _stop.Cancel();

    private void Run()
    {
        lock (_lock)
        {
            if (_running || _queue.Count == 0)
            {
                return;
            }

            _running = true;
        }

        _ = RunAsync();
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
        var (type, body) = item.Frame is { } frame ? (LinkFrame.Registry, frame) : (LinkFrame.Record, table.Find(item.Node)?.Encoded ?? default);
        if (body.IsEmpty)
        {
            return true;
        }

        var isSent = link.TrySend(type, body.Span, []);
        if (isSent)
        {
            metrics?.Sent(body.Length);
        }

        return isSent;
    }

    private bool TryTake(out Item item)
    {
        lock (_lock)
        {
            if (!_queue.TryDequeue(out item))
            {
                _running = false;
                return false;
            }

            if (item.Frame is null)
            {
                _nodes.Remove(item.Node);
            }
            else
            {
                _frames--;
            }

            return true;
        }
    }

    private readonly record struct Item(NodeId Node, byte[]? Frame);
}
