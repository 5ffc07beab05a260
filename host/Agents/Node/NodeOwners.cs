using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Agents.Node;

/// <summary>Who may use the admin tools of this node: its own CLI, and the owners of the nodes it lists.</summary>
internal sealed class NodeOwners(IReadOnlySet<NodeId> nodes)
{
    private volatile IReadOnlySet<NodeId> _nodes = nodes;

    /// <summary>Nodes whose owners own this one too. What is set counts at once, also for conversations that go on.</summary>
    public IReadOnlySet<NodeId> Nodes
    {
        get => _nodes;
        set => _nodes = value;
    }

    /// <summary>Null for an owner; else why not, and what helps.</summary>
    public string? Refuse(Caller caller)
    {
        // Clear sessions can be altered on the way, whoever is at their other end.
        if (!caller.IsSealed)
        {
            return "Admin tools refuse sessions that are not encrypted; set Dawn:Security:Encryption to Required on both nodes.";
        }

        if (caller.Agent != AgentId.Owner)
        {
            return $"Admin tools are for the node's owner, not for '{caller.Agent}'; use the 'dawn' program, or 'dawn mcp --owner' for an AI client.";
        }

        return caller.IsLocal || Nodes.Contains(caller.Node)
            ? null
            : $"Admin tools are for the node's owner, and node {caller.Node} is not listed as one; add it to Dawn:Security:Owners of this node.";
    }
}
