using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

/// <summary>
/// Keeps neighbours' registries alike: what is news goes on at once, along a tree that the neighbours find among themselves, and what somebody lacks
/// nevertheless is found by comparing summaries, when a link comes up and every 10 s.
/// </summary>
internal sealed partial class RecordExchange
{
    // What others cause is logged at most this often.
    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);

    private readonly RecordTable _table;
    private readonly INodeIdentity _self;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Random? _random;
    private readonly RegistryMetrics? _metrics;
    private readonly RegistryMissing _missing;
    private readonly Lock _lock = new();
    // In the order of nodes: what is told to all is told in one order, whatever the hashes.
    private volatile RegistryNeighbour[] _neighbours = [];
    private volatile NodeId[] _favoured = [];
    // Of these, whom news and rumours of others go to; null after a change. The rest, most of them, is not even looked at.
    private volatile RegistryNeighbour[]? _told;
    private long? _loggedAt;

    /// <param name="random">For jitter; without one there is none.</param>
    public RecordExchange(RecordTable table, INodeIdentity self, TimeProvider time, ILogger<RecordExchange> logger, Random? random = null, RegistryMetrics? metrics = null)
    {
        (_table, _self, _time, _logger, _random, _metrics) = (table, self, time, logger, random, metrics);
        _missing = new(table, time);
        table.Conflicts.Found += OnConflictFound;
    }

    /// <summary>Raised with the sequence of a record of this node that this process never published.</summary>
    public event Action<ulong>? ForeignSelf;

    public void Add(ILink link)
    {
        var neighbour = new RegistryNeighbour(link, _table, _self.Id, _time, () => _favoured, OnToldChanged, Jitter, _metrics);
        lock (_lock)
        {
            _neighbours = [.. _neighbours.Append(neighbour).OrderBy(n => n.Link.Remote)];
            _told = null;
        }

        neighbour.Start();
    }

    public void Remove(ILink link)
    {
        RegistryNeighbour? gone;
        lock (_lock)
        {
            gone = Of(link);
            _neighbours = [.. _neighbours.Where(n => n != gone)];
            _told = null;
        }

        gone?.Stop();
    }

    /// <summary>Those of the active view, whom tidings go to.</summary>
    public void Favour(IReadOnlyList<NodeId> nodes)
    {
        if (!nodes.SequenceEqual(_favoured))
        {
            _favoured = [.. nodes];
            OnToldChanged();
            foreach (var neighbour in nodes.Count == 0 ? _neighbours : [])
            {
                neighbour.Unprune();
            }
        }
    }

    /// <summary>True for a neighbour that has nobody else to learn from sooner, as far as is known.</summary>
    public bool IsEager(ILink link) => Of(link)?.IsEager ?? false;

    /// <summary>Passes a rumour of a node on, along the views, which hang together, and the tree of news, which leads to those that are in no view.</summary>
    public void Spread(NodeId about, MembershipMessage rumour, NodeId? except)
    {
        byte[]? encoded = null;
        // A node that nobody has room for in a view tells all its links: they are few.
        foreach (var neighbour in _favoured.Length == 0 ? _neighbours : Told())
        {
            if (neighbour.Link.Remote != except)
            {
                neighbour.Tell(about, encoded ??= rumour.Encode());
            }
        }
    }

    /// <summary>A neighbour passed on a rumour: it need not be told the same.</summary>
    public void OnRumour(ILink from, NodeId about) => Of(from)?.OnRumourThere(about);

    /// <summary>Passes a node's new record on to all neighbours but the one it came from, or tells them of it.</summary>
    public void Spread(NodeId node, ILink? from = null)
    {
        // Its own each is told: no way is shorter.
        foreach (var neighbour in node == _self.Id ? _neighbours : Told())
        {
            if (neighbour.Link != from && neighbour.Link.Remote != node)
            {
                neighbour.Tell(node);
            }
        }
    }

    /// <summary>Takes a record that a neighbour sent.</summary>
    /// <param name="from">Null where no link brought it.</param>
    public void OnRecord(ILink? from, ReadOnlySpan<byte> encoded)
    {
        var neighbour = Of(from);
        neighbour?.Heard();
        switch (_table.Offer(encoded, out var record, out var problem))
        {
            case RecordVerdict.News:
                neighbour?.OnRecordThere(record!.Node);
                Spread(record!.Node, from);
                break;
            case RecordVerdict.Known when NodeRecord.TryPeek(encoded, out var node, out _):
                if (_table.Find(node) is { } known && encoded.SequenceEqual(known.Encoded.Span))
                {
                    neighbour?.OnRecordThere(node);
                }

                neighbour?.OnRepeated(node);
                break;
            case RecordVerdict.Foreign:
                ForeignSelf?.Invoke(record!.Sequence);
                break;
            case RecordVerdict.Refused when MayLog():
                LogRefused(from?.Remote.ToShortString() ?? "Somebody", problem);
                break;
        }
    }

    /// <summary>Takes a registry frame that a neighbour sent.</summary>
    public void OnRegistry(ILink from, ReadOnlySpan<byte> body)
    {
        if (Of(from) is { } neighbour && Handle(neighbour, body) is { } violation)
        {
            _ = from.CloseAsync(LinkEnd.Protocol, violation);
            if (MayLog())
            {
                LogViolation(from.Remote.ToShortString(), violation);
            }
        }
    }

    /// <returns>Null, or how the neighbour breaks the protocol.</returns>
    private string? Handle(RegistryNeighbour neighbour, ReadOnlySpan<byte> body)
    {
        if (body.Length < 2 || body[0] != RegistryFrame.Version)
        {
            return "a registry frame of an unknown version";
        }

        var rest = body[2..];
        switch ((RegistryFrameKind)body[1])
        {
            case RegistryFrameKind.Summary when rest.Length == 1 + RegistryFrame.SummarySize && rest[0] <= (byte)RegistryForm.Plugin:
                return neighbour.OnSummary((RegistryForm)rest[0], rest[1..]);
            case RegistryFrameKind.Message when rest.Length is >= 2 and <= 2 + RegistryFrame.MaxMessage && rest[1] is >= 1 and <= RegistryFrame.MaxSteps:
                return neighbour.OnMessage(rest[0], rest[1], rest[2..].ToArray());
            case RegistryFrameKind.Conflict when RegistryFrame.TryReadConflict(rest, out var first, out var second):
                return OnProof(neighbour, first, second);
            case RegistryFrameKind.Prune when rest.IsEmpty:
            case RegistryFrameKind.Have when IsList(rest, RegistryFrame.HaveSize):
            case RegistryFrameKind.Want when rest.IsEmpty || IsList(rest, NodeId.Size):
                return OnSpreading(neighbour, (RegistryFrameKind)body[1], rest);
            default:
                return "a malformed registry frame";
        }
    }

    private static bool IsList(ReadOnlySpan<byte> rest, int size) => rest.Length % size == 0 && rest.Length / size is >= 1 and <= RegistryFrame.MaxHaves;

    private string? OnSpreading(RegistryNeighbour neighbour, RegistryFrameKind kind, ReadOnlySpan<byte> rest)
    {
        if (!neighbour.MaySpread())
        {
            return "more tidings of records than the limit";
        }

        var reader = new WireReader(rest);
        switch (kind)
        {
            case RegistryFrameKind.Prune:
                neighbour.OnPrune();
                break;
            case RegistryFrameKind.Have:
                while (reader.Remaining > 0)
                {
                    var (node, sequence) = (reader.NodeId(), reader.UInt64());
                    if (node != _self.Id)
                    {
                        _missing.Add(node, sequence, neighbour);
                    }
                }

                break;
            default:
                var wanted = new List<NodeId>();
                while (reader.Remaining > 0)
                {
                    wanted.Add(reader.NodeId());
                }

                neighbour.OnWant(wanted);
                break;
        }

        return null;
    }

    private string? OnProof(RegistryNeighbour neighbour, byte[] first, byte[] second)
    {
        if (!neighbour.MayProve())
        {
            return "more proofs of conflicts than the limit";
        }

        _table.OfferProof(first, second, out var news, out var problem);
        foreach (var record in news)
        {
            Spread(record.Node, neighbour.Link);
        }

        if (problem is not null && MayLog())
        {
            LogRefused(neighbour.Link.Remote.ToShortString(), problem);
        }

        return null;
    }

    // To all, the node itself and who brought it too: its owner is to hear of it in each process that uses the key.
    private void OnConflictFound(RegistryConflict conflict)
    {
        foreach (var neighbour in _neighbours)
        {
            neighbour.Prove(conflict);
        }
    }

    private RegistryNeighbour[] Told()
    {
        if (_told is { } told)
        {
            return told;
        }

        lock (_lock)
        {
            return _told = [.. _neighbours.Where(n => n.IsEager || _favoured.Contains(n.Link.Remote))];
        }
    }

    private void OnToldChanged()
    {
        lock (_lock)
        {
            _told = null;
        }
    }

    private RegistryNeighbour? Of(ILink? link)
    {
        foreach (var neighbour in _neighbours)
        {
            if (neighbour.Link == link)
            {
                return neighbour;
            }
        }

        return null;
    }

    private double Jitter()
    {
        lock (_lock)
        {
            return _random?.NextDouble() ?? 0.5;
        }
    }

    private bool MayLog()
    {
        lock (_lock)
        {
            if (_loggedAt is { } at && _time.GetElapsedTime(at) < LogEvery)
            {
                return false;
            }

            _loggedAt = _time.GetTimestamp();
            return true;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} sent {Problem}; it is not believed")]
    private partial void LogRefused(string peer, string? problem);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} breaks the protocol of registries: {Violation}. The link is closed")]
    private partial void LogViolation(string peer, string violation);
}
