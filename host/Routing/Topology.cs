using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;

namespace Dawn.Routing;

/// <summary>Draws the picture of the network that routing modes look at. Thread-safe.</summary>
internal sealed class Topology
{
    // What waits to be sent counts as this many round trips where a link's queue is full.
    private const int CostOfFullQueue = 8;

    private readonly INodeIdentity _self;
    private readonly LinkTable _links;
    private readonly PeerTable _peers;
    private readonly RecordTable _records;
    private readonly Hubs _hubs;
    private readonly FoundWays _found;
    private volatile NetworkView? _view;

    public Topology(INodeIdentity self, LinkTable links, PeerTable peers, RecordTable records, Hubs hubs, FoundWays found)
    {
        (_self, _links, _peers, _records, _hubs, _found) = (self, links, peers, records, hubs, found);
        peers.Changed += node => Known?.Invoke(node);
        records.Changed += node => Known?.Invoke(node);
        found.Added += node => Known?.Invoke(node);
    }

    /// <summary>Raised with a node of which something else is known now.</summary>
    public event Action<NodeId>? Known;

    /// <summary>The picture of now. Its neighbours are those of the last change; a node that is looked up is described anew.</summary>
    public NetworkView View => _view ??= new(_self.Id, _hubs.Nodes, [.. _links.Snapshot.Select(link => Find(link.Remote)).OfType<NodeView>()], Find);

    /// <summary>Something has changed: the next look draws it anew.</summary>
    public void Invalidate() => _view = null;

    public NodeView? Find(NodeId node)
    {
        _links.TryGet(node, out var link);
        var (peer, record) = (_peers.Find(node), _records.Find(node));
        return link is null && peer is null && record is null ? null : new(node)
        {
            IsLinked = link is not null,
            IsDialable = peer is { Health: not PeerHealth.Dead, Addresses.IsEmpty: false, FailedDials: < PeerTable.OfflineAfter },
            IsRelay = record?.IsRelay ?? false,
            Relays = record?.Relays ?? ImmutableArray<NodeId>.Empty,
            FoundOver = _found.Find(node),
            Cost = link is null ? null : CostOf(link),
        };
    }

    /// <summary>True where the node itself says how to reach it, whether or not that works now: by an address, or over relays.</summary>
    public bool NamesWay(NodeId node) => _peers.Find(node) is { TellsAddresses: true } || _records.Find(node) is { Relays.IsEmpty: false };

    public static TimeSpan? CostOf(ILink link) => link.RoundTrip is { } roundTrip ? roundTrip * (1 + CostOfFullQueue * link.Load) : null;
}
