using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

/// <summary>
/// Keeps neighbours' tables alike: each link gets every record once it comes up, and afterwards what is news, from whoever it came.
/// What waits for a link is a set of nodes, so a burst of changes sends each node's newest record only.
/// </summary>
internal sealed partial class RecordExchange(RecordTable table, INodeIdentity self, TimeProvider time, ILogger<RecordExchange> logger)
{
    // Enough for every network that one link can usefully hear of at once; more follow as they change.
    private const int MaxFirstRecords = 1_000;

    // What others cause is logged at most this often.
    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);

    // A link that is closing has room and takes nothing; it ends within two seconds.
    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(10);

    // In the order in which the links came: what is sent first must not differ from run to run.
    private ImmutableArray<Feed> _feeds = [];
    private readonly Lock _logging = new();
    private long? _loggedAt;

    /// <summary>Raised with the sequence of a record of this node that this process never published.</summary>
    public event Action<ulong>? ForeignSelf;

    public void Add(ILink link)
    {
        var feed = new Feed(link, table, time);
        ImmutableInterlocked.Update(ref _feeds, (feeds, one) => feeds.Add(one), feed);
        feed.Enqueue([self.Id, .. table.Snapshot().Select(r => r.Node).Where(n => n != self.Id && n != link.Remote).Take(MaxFirstRecords)]);
    }

    public void Remove(ILink link)
    {
        foreach (var feed in _feeds)
        {
            if (feed.Link == link)
            {
                ImmutableInterlocked.Update(ref _feeds, (feeds, one) => feeds.Remove(one), feed);
                feed.Stop();
            }
        }
    }

    /// <summary>Passes a node's new record on to all neighbours but the one it came from.</summary>
    public void Spread(NodeId node, ILink? from = null)
    {
        foreach (var feed in _feeds)
        {
            if (feed.Link != from && feed.Link.Remote != node)
            {
                feed.Enqueue([node]);
            }
        }
    }

    /// <summary>Takes a record that a neighbour sent.</summary>
    public void OnRecord(ILink from, ReadOnlySpan<byte> encoded)
    {
        switch (table.Offer(encoded, out var record, out var problem))
        {
            case RecordVerdict.News:
                Spread(record!.Node, from);
                break;
            case RecordVerdict.Foreign:
                ForeignSelf?.Invoke(record!.Sequence);
                break;
            case RecordVerdict.Refused when MayLog():
                LogRefused(from.Remote.ToShortString(), problem);
                break;
        }
    }

    private bool MayLog()
    {
        lock (_logging)
        {
            if (_loggedAt is { } at && time.GetElapsedTime(at) < LogEvery)
            {
                return false;
            }

            _loggedAt = time.GetTimestamp();
            return true;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} sent {Problem}; it is not believed")]
    private partial void LogRefused(string peer, string? problem);

    private sealed class Feed(ILink link, RecordTable table, TimeProvider time)
    {
        private readonly Lock _lock = new();
        private readonly HashSet<NodeId> _pending = [];
        private readonly CancellationTokenSource _stop = new();
        private bool _running;

        public ILink Link => link;

        public void Enqueue(IEnumerable<NodeId> nodes)
        {
            lock (_lock)
            {
                _pending.UnionWith(nodes);
                if (_running)
                {
                    return;
                }

                _running = true;
            }

            _ = RunAsync();
        }

        public void Stop() => _stop.Cancel();

        private async Task RunAsync()
        {
            try
            {
                while (TryTake(out var node))
                {
                    while (table.Find(node) is { } record && !link.TrySend(LinkFrame.Record, record.Encoded.Span, []))
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

        private bool TryTake(out NodeId node)
        {
            lock (_lock)
            {
                foreach (var next in _pending)
                {
                    node = next;
                    _pending.Remove(next);
                    return true;
                }

                node = default;
                _running = false;
                return false;
            }
        }
    }
}
