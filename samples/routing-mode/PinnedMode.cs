using Dawn;
using Microsoft.Extensions.Options;

namespace Pinned;

/// <summary>Everything goes over one relay, or not at all: for networks where one machine shall see who talks with whom, and when.</summary>
/// <remarks>What it carries stays sealed: a relay, this one too, reads nothing of it.</remarks>
internal sealed class PinnedMode : IRoutingMode
{
    private readonly NodeId _relay;

    public PinnedMode(IOptions<PinnedSettings> settings)
    {
        // Validated before: reading the value throws otherwise.
        NodeId.TryParse(settings.Value.Relay, out _relay);
    }

    public string Name => "pinned";

    // Looks at nothing but the view and its own setting, and remembers nothing: the same view gives the same plan.
    public RoutePlan Plan(NetworkView network, NodeId target)
    {
        // The relay has the same plugin, and hands straight to whom it can.
        var next = network.Self == _relay ? target : _relay;
        // Null for a node of which nothing is known yet: no way, and no error.
        var known = network.Find(next);
        return new RoutePlan(
            NextHops: known is { IsLinked: true } ? [next] : [],
            Dial: known is { IsLinked: false, IsDialable: true } ? [next] : [])
        {
            // Flooding would ask everybody, and find ways around the relay.
            MayFlood = false,
        };
    }

    // Neither are links made that nothing goes over. Those that others dial come in nevertheless, and the plan ignores them.
    public bool MayLink(NetworkView network, NodeId node) => network.Self == _relay || node == _relay;
}
