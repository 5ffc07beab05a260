namespace Dawn.Routing.Modes;

/// <summary>Everything goes over the hubs: only they are dialled, and what else is linked is the last resort.</summary>
/// <remarks>A node that names no hub but itself, or itself among others, is a hub: it hands straight to whom it can, and to the other hubs what it can't.</remarks>
internal sealed class CentralizedMode : IRoutingMode
{
    public string Name => "centralized";

    public RoutePlan Plan(NetworkView network, NodeId target)
    {
        var ways = new Ways(network, target);
        NodeId[] hubs = [.. ways.Hubs];
        NodeId[] others = [.. ways.Target, .. ways.CheapestRelays, .. ways.FoundOver];
        return ways.Plan(nextHops: IsHub(network) ? [.. others, .. hubs] : [.. hubs, .. others], dial: hubs);
    }

    public bool MayLink(NetworkView network, NodeId node) => node != network.Self && network.Hubs.Contains(node);

    // All nodes may have the same list, and be copies of each other but for their keys.
    private static bool IsHub(NetworkView network) => network.Hubs.IsEmpty || network.Hubs.Contains(network.Self);
}
