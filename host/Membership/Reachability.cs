using System.Collections.Immutable;
using Dawn.Links;
using Dawn.Routing;

namespace Dawn.Membership;

/// <summary>Over whom this node can be reached, for its record: its hubs, and where nobody can dial it, other neighbours too. Thread-safe.</summary>
internal sealed class Reachability
{
    // Fewer than a record holds: each that comes or goes is news for the whole network.
    private const int Max = 4;

    private readonly LinkTable _links;
    private readonly LinkKeeper _keeper;
    private readonly RecordTable _records;
    private readonly Hubs _hubs;
    private readonly Func<bool> _isDialable;
    private readonly Lock _lock = new();
    private ImmutableArray<NodeId> _relays = [];

    /// <param name="isDialable">True while this node has an address that others may dial.</param>
    public Reachability(LinkTable links, LinkKeeper keeper, RecordTable records, Hubs hubs, IEnvelopePort paths, Func<bool> isDialable)
    {
        (_links, _keeper, _records, _hubs, _isDialable) = (links, keeper, records, hubs, isDialable);
        paths.PathsChanged += _ => Look();
        records.Changed += node =>
        {
            // Whether a neighbour relays at all its record says, which may come after the link.
            if (links.TryGet(node, out ILink? _))
            {
                Look();
            }
        };
    }

    /// <summary>Raised after <see cref="Relays"/> changed.</summary>
    public event Action? Changed;

    public ImmutableArray<NodeId> Relays
    {
        get
        {
            lock (_lock)
            {
                return _relays;
            }
        }
    }

    private void Look()
    {
        var (isDialable, hubs) = (_isDialable(), _hubs.Nodes);
        lock (_lock)
        {
            // Whom anybody can dial, and who has no hubs, needs no look at the neighbours: this comes with each of their records, and each path.
            var relays = isDialable && hubs.IsEmpty ? [] : _links.Snapshot.Select(link => link.Remote)
                .Where(node => _records.Find(node) is { IsRelay: true } && (!isDialable || hubs.Contains(node)))
                // Those that were named before stay, so that a neighbour more changes nothing.
                .OrderByDescending(hubs.Contains).ThenByDescending(_keeper.IsPinned).ThenByDescending(node => _relays.Contains(node)).ThenBy(node => node)
                .Take(Max).Order().ToImmutableArray();
            if (relays.SequenceEqual(_relays))
            {
                return;
            }

            _relays = relays;
        }

        Changed?.Invoke();
    }
}
