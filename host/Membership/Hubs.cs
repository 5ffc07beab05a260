using System.Collections.Immutable;
using Dawn.Configuration;

namespace Dawn.Membership;

/// <summary>Who the configured hubs are: some addresses say it, of others it is known once they have answered. Thread-safe.</summary>
internal sealed class Hubs(ImmutableArray<PeerAddress> configured)
{
    private readonly Lock _lock = new();
    private readonly NodeId?[] _nodes = [.. configured.Select(hub => hub.Node)];

    /// <summary>Those that are known, in the order of the settings.</summary>
    public ImmutableArray<NodeId> Nodes
    {
        get
        {
            lock (_lock)
            {
                return [.. _nodes.OfType<NodeId>().Distinct()];
            }
        }
    }

    /// <summary>All, as the settings name them, with the node where it is known.</summary>
    public ImmutableArray<PeerAddress> Named
    {
        get
        {
            lock (_lock)
            {
                return [.. configured.Zip(_nodes, (hub, node) => hub with { Node = node })];
            }
        }
    }

    /// <summary>A configured peer has answered.</summary>
    public void OnAnswered(PeerAddress peer, NodeId node)
    {
        lock (_lock)
        {
            for (var i = 0; i < _nodes.Length; i++)
            {
                if (configured[i] == peer)
                {
                    _nodes[i] = node;
                }
            }
        }
    }
}
