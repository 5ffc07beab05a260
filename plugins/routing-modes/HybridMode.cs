namespace Dawn.Routing.Modes;

/// <summary>Straight to the target where that is possible; the hub is the relay, and leads to those that reach nobody else.</summary>
/// <remarks>Hubs come before other relays: they were set up to carry what others send.</remarks>
internal sealed class HybridMode : IRoutingMode
{
    public string Name => "hybrid";

    public RoutePlan Plan(NetworkView network, NodeId target)
    {
        var ways = new Ways(network, target);
        return ways.Plan(
            nextHops: [.. ways.Target, .. ways.Hubs, .. ways.CheapestRelays, .. ways.FoundOver],
            dial: [.. ways.Target, .. ways.Hubs, .. ways.Relays]);
    }

    public bool MayLink(NetworkView network, NodeId node) => true;
}
