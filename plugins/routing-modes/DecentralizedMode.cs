namespace Dawn.Routing.Modes;

/// <summary>Nobody in the middle who need not be: straight to the target, else over a node that it names, else where a flood found it.</summary>
internal sealed class DecentralizedMode : IRoutingMode
{
    public string Name => "decentralized";

    public RoutePlan Plan(NetworkView network, NodeId target)
    {
        var ways = new Ways(network, target);
        return ways.Plan(
            nextHops: [.. ways.Target, .. ways.CheapestRelays, .. ways.FoundOver],
            dial: [.. ways.Target, .. ways.Relays]);
    }

    public bool MayLink(NetworkView network, NodeId node) => true;
}
