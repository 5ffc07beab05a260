using System.Collections.Immutable;
using Dawn.Links;
using Dawn.Routing;

namespace Dawn.Membership;

/// <summary>Over whom this node can be reached, for its record: configured neighbours, since these links are kept, and where nobody can dial this node, others too. Thread-safe.</summary>
internal sealed class Reachability
{
    // Fewer than a record holds: each that comes or goes is news for the whole network.
    private const int Max = 4;

    private readonly LinkTable _links;
    private readonly LinkKeeper _keeper;
    private readonly RecordTable _records;
    private readonly Listeners _listeners;
    private readonly Lock _lock = new();
    private ImmutableArray<NodeId> _relays = [];

    public Reachability(LinkTable links, LinkKeeper keeper, RecordTable records, Listeners listeners, IEnvelopePort paths)
    {
        (_links, _keeper, _records, _listeners) = (links, keeper, records, listeners);
        paths.PathChanged += _ => Look();
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
        var isDialable = !_listeners.Addresses.IsEmpty;
        lock (_lock)
        {
            var relays = _links.Snapshot.Select(link => link.Remote)
                .Where(node => _records.Find(node) is { IsRelay: true } && (!isDialable || _keeper.IsPinned(node)))
                // Those that were named before stay, so that a neighbour more changes nothing.
                .OrderByDescending(_keeper.IsPinned).ThenByDescending(node => _relays.Contains(node)).ThenBy(node => node)
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
