using System.Collections.Immutable;

namespace Dawn.Routing.Modes;

/// <summary>Who may lead to a node, each group in its order; a mode is an order of these groups.</summary>
/// <remarks>The groups leave out nobody: <see cref="Plan"/> drops who is not linked, or need not or cannot be dialled, and who was named before.</remarks>
internal readonly struct Ways(NetworkView network, NodeId target)
{
    private readonly NodeView? _target = network.Find(target);

    /// <summary>The node itself.</summary>
    public ImmutableArray<NodeId> Target => [target];

    /// <summary>The nodes over which it says that it can be reached, in its order.</summary>
    public ImmutableArray<NodeId> Relays => _target?.Relays ?? [];

    /// <summary>The same, the cheapest first. One that says that it forwards nothing comes last: what the target says of it may be older.</summary>
    public ImmutableArray<NodeId> CheapestRelays
    {
        get
        {
            var find = network.Find;
            return Relays.Length < 2 ? Relays :
            [
                .. Relays.Select(relay => (Node: relay, View: find(relay)))
                    .OrderBy(relay => relay.View is not { IsRelay: true })
                    .ThenBy(relay => relay.View?.Cost ?? TimeSpan.MaxValue)
                    .ThenBy(relay => relay.Node)
                    .Select(relay => relay.Node),
            ];
        }
    }

    /// <summary>The neighbour over which a flood found it.</summary>
    public ImmutableArray<NodeId> FoundOver => _target?.FoundOver is { } neighbour ? [neighbour] : [];

    /// <summary>The hubs: the target first if it is one; then those that it names, which lead there in one hop; then the others.</summary>
    public ImmutableArray<NodeId> Hubs
    {
        get
        {
            var (hub, relays) = (target, Relays);
            return network.Hubs.Length < 2 ? network.Hubs : [.. network.Hubs.OrderBy(node => node == hub ? 0 : relays.Contains(node) ? 1 : 2)];
        }
    }

    /// <summary>The plan of a mode: whom to hand to and whom to dial, as far as they are linked or can be dialled.</summary>
    /// <param name="nextHops">In the order of the mode; repetitions don't matter.</param>
    /// <param name="dial">Likewise.</param>
    public RoutePlan Plan(ReadOnlySpan<NodeId> nextHops, ReadOnlySpan<NodeId> dial)
    {
        // Modes are asked about others alone; a way to oneself would be a circle.
        if (target == network.Self)
        {
            return RoutePlan.None;
        }

        var hops = Those(nextHops, static view => view.IsLinked);
        return new(hops, Those(dial, static view => view is { IsDialable: true, IsLinked: false })) { Alike = Alike(hops) };
    }

    // Of several hubs, or of several relays, one is as good as another.
    private int Alike(ImmutableArray<NodeId> hops)
    {
        if (hops.IsEmpty || hops[0] == target)
        {
            return 1;
        }

        var group = network.Hubs.Contains(hops[0]) ? network.Hubs : Relays;
        var to = target;
        return Math.Max(1, hops.TakeWhile(hop => hop != to && group.Contains(hop)).Count());
    }

    private ImmutableArray<NodeId> Those(ReadOnlySpan<NodeId> nodes, Func<NodeView, bool> fit)
    {
        var those = ImmutableArray.CreateBuilder<NodeId>(nodes.Length);
        foreach (var node in nodes)
        {
            // A scan: there are as many as a target's relays and the configured hubs.
            if (node != network.Self && !those.Contains(node) && network.Find(node) is { } view && fit(view))
            {
                those.Add(node);
            }
        }

        return those.DrainToImmutable();
    }
}
