namespace Dawn.Simulator;

/// <summary>How long a node that crashed is still counted on by others: looked at each second.</summary>
internal sealed class Departures(World world)
{
    private readonly SortedDictionary<int, TimeSpan> _since = [];

    /// <summary>Crashes that everybody noticed before the node came back.</summary>
    public int Noticed { get; private set; }

    /// <summary>Until nobody had the node in a view or took it for alive; the longest of all.</summary>
    public TimeSpan Longest { get; private set; }

    public void OnCrash(SimulatedNode node) => _since[node.Number] = world.Simulation.Elapsed;

    public void OnStart(SimulatedNode node) => _since.Remove(node.Number);

    public void Look()
    {
        foreach (var (number, since) in _since.ToList())
        {
            var id = world.Nodes[number].Id;
            if (world.Honest.All(node => node.Parts is not { } parts || IsGone(parts, id)))
            {
                _since.Remove(number);
                Noticed++;
                Longest = world.Simulation.Elapsed - since is var took && took > Longest ? took : Longest;
            }
        }
    }

    private static bool IsGone(NodeParts parts, NodeId node) =>
        parts.Peers.Find(node) is not { Health: not Membership.PeerHealth.Dead } && !parts.Mesh.Active.Contains(node) && !parts.Mesh.Passive.Contains(node);
}
