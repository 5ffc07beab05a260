using System.Collections.Immutable;

namespace Dawn;

/// <summary>Decides over whom a node reaches others, and whom it links with: who is in the middle.</summary>
/// <remarks>
/// <para>Pure: the same view gives the same answer, whenever and on whatever machine. No time, no randomness, nothing remembered. The host does the rest: it dials, it
/// notices that a way no longer works and takes the next one, it keeps to a way that is as good as the others, it finds ways that no view shows by flooding.</para>
/// <para>Thread-safe, and done within microseconds: it is asked for each node after each change of the network. What throws counts as no way, and is logged.</para>
/// <para>The routing test kit checks these promises.</para>
/// </remarks>
public interface IRoutingMode
{
    /// <summary>The value of <c>Dawn:Mode</c> that chooses it: 1 to 32 of <c>a-z</c>, <c>0-9</c> and <c>-</c>. It never changes; one that another plugin has already marks this plugin as failed.</summary>
    string Name { get; }

    /// <summary>The ways to a node.</summary>
    /// <param name="network">What this node knows now.</param>
    /// <param name="target">Any other node, also one that the view does not know.</param>
    RoutePlan Plan(NetworkView network, NodeId target);

    /// <summary>True where this node may dial another to have it as a neighbour, called or not. Configured peers and hubs are dialled in any case; nobody is kept from dialling this node.</summary>
    /// <param name="network">What this node knows now.</param>
    /// <param name="node">Any other node.</param>
    bool MayLink(NetworkView network, NodeId node);
}

/// <summary>The ways to a node.</summary>
/// <param name="NextHops">Neighbours to hand an envelope to, the best first: the target itself, or who is nearer to it. Those without a link are passed over.</param>
/// <param name="Dial">Nodes worth dialling, the best first: while no next hop works; the target itself also to leave a longer way, where much goes over it.</param>
public sealed record RoutePlan(ImmutableArray<NodeId> NextHops, ImmutableArray<NodeId> Dial)
{
    /// <summary>No way.</summary>
    public static RoutePlan None { get; } = new([], []);

    /// <summary>So many of the first next hops are about as good as each other: among them the host keeps to the one in use, unless another costs much less. 1, where the order is strict, unless the mode says otherwise.</summary>
    public int Alike { get; init; } = 1;

    /// <summary>Where nothing else leads there, ask all neighbours, and through them everybody. True unless the mode says otherwise.</summary>
    public bool MayFlood { get; init; } = true;
}

/// <summary>What a node knows of the network. Hubs and neighbours are those of one moment; a node that is looked up is described as it is then.</summary>
/// <param name="Self">The node that asks.</param>
/// <param name="Hubs">The configured hubs (<c>Dawn:Hubs</c>) as far as it is known who they are, in their order.</param>
/// <param name="Neighbours">Nodes with a link, in the order of their NodeIds.</param>
/// <param name="Find">What is known of a node; null for nothing.</param>
public sealed record NetworkView(NodeId Self, ImmutableArray<NodeId> Hubs, ImmutableArray<NodeView> Neighbours, Func<NodeId, NodeView?> Find);

/// <summary>What a node knows of another.</summary>
/// <param name="Node">Which.</param>
public sealed record NodeView(NodeId Node)
{
    /// <summary>There is a link to it.</summary>
    public bool IsLinked { get; init; }

    /// <summary>An address of it is known, it counts as alive, and the last dials did not all fail.</summary>
    public bool IsDialable { get; init; }

    /// <summary>It forwards what others send each other, by its own word.</summary>
    public bool IsRelay { get; init; }

    /// <summary>Where it says that it can be reached: nodes that it is linked to, at most 8.</summary>
    public ImmutableArray<NodeId> Relays { get; init; } = [];

    /// <summary>The neighbour over which a flood found it; null where none did lately.</summary>
    public NodeId? FoundOver { get; init; }

    /// <summary>What sending to a neighbour costs now: the measured round trip, more where much waits to be sent. Null without a link or before the first measurement.</summary>
    public TimeSpan? Cost { get; init; }
}
