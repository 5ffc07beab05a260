using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Membership;
using Dawn.Routing;
using Dawn.Sessions;

namespace Dawn.Agents;

/// <summary>Joins what runs here with what other nodes' records say.</summary>
internal sealed class AgentDirectory : IAgentDirectory
{
    private readonly INodeIdentity _self;
    private readonly IAgentHost _host;
    private readonly RecordTable _records;
    private readonly IEnvelopePort _paths;
    private readonly PeerTable? _peers;
    private readonly Lock _refreshing = new();
    private readonly Lock _lock = new();
    // By node, so that a change of one costs what that one has: a registry that is opened tells of thousands, one by one.
    private readonly SortedDictionary<NodeId, ImmutableArray<AgentEntry>> _remote = [];
    private ImmutableArray<AgentEntry> _local = [];
    private ImmutableArray<AgentEntry>? _snapshot;

    public AgentDirectory(INodeIdentity self, IAgentHost host, RecordTable records, IEnvelopePort paths, PeerTable? peers = null)
    {
        (_self, _host, _records, _paths, _peers) = (self, host, records, paths, peers);
        host.Changed += RefreshLocal;
        records.Changed += RefreshRemote;
        // A link may lead to others than the node at its end.
        paths.PathsChanged += _ => RefreshAll();
        if (peers is not null)
        {
            peers.Changed += RefreshRemote;
        }

        RefreshLocal();
        RefreshAll();
    }

    public event Action? Changed;

    public ImmutableArray<AgentEntry> Snapshot
    {
        get
        {
            lock (_lock)
            {
                return _snapshot ??= [.. _local, .. _remote.Values.SelectMany(entries => entries)];
            }
        }
    }

    public AgentAddress Resolve(string text)
    {
        var colon = text.IndexOf(':');
        var agent = colon < 0 ? text : text[(colon + 1)..];
        if (!AgentId.IsValid(agent))
        {
            throw new MeshException(MeshError.BadAddress, $"'{text}' is no address. Write agent_id, or node_id:agent_id with at least {NodeId.MinPrefixLength} characters of the NodeId.");
        }

        return colon < 0 ? ResolveAgent(agent) : new(ResolveNode(text[..colon]), agent);
    }

    /// <summary>Understands a NodeId or a unique prefix of one that this node knows.</summary>
    /// <exception cref="MeshException"><see cref="MeshError.BadAddress"/>, with the candidates.</exception>
    public NodeId ResolveNode(string text)
    {
        if (NodeId.TryParse(text, out var exact))
        {
            return exact;
        }

        if (text.Length is < NodeId.MinPrefixLength or > NodeId.TextLength)
        {
            throw new MeshException(MeshError.BadAddress, $"'{text}' is no NodeId: it takes the {NodeId.TextLength} characters, or at least the first {NodeId.MinPrefixLength}.");
        }

        List<NodeId> found = [.. _records.Snapshot().Select(r => r.Node).Append(_self.Id).Distinct().Where(n => n.ToString().StartsWith(text, StringComparison.OrdinalIgnoreCase))];
        return found switch
        {
            [var only] => only,
            [] => throw new MeshException(MeshError.BadAddress, $"No known node's id begins with '{text}'. 'dawn peers' lists them."),
            _ => throw new MeshException(MeshError.BadAddress, $"'{text}' fits {found.Count} nodes: {string.Join(", ", found.Take(5).Select(n => n.ToString()[..(text.Length + 6)]))}. Write more of the NodeId."),
        };
    }

    /// <summary>Understands the address of an agent, for the node it is on, and what <see cref="ResolveNode"/> does. What may be both is an agent's.</summary>
    /// <exception cref="MeshException"><see cref="MeshError.BadAddress"/>, with the candidates.</exception>
    public NodeId ResolveTarget(string text)
    {
        if (NodeId.TryParse(text, out var exact))
        {
            return exact;
        }

        try
        {
            return Resolve(text).Node;
        }
        catch (MeshException unknown) when (unknown.Error == MeshError.UnknownAgent && text.Length >= NodeId.MinPrefixLength)
        {
            try
            {
                return ResolveNode(text);
            }
            catch (MeshException noNode)
            {
                throw new MeshException(MeshError.BadAddress, $"{noNode.Message} Nor is there an agent of that name; 'dawn agents' lists those.", noNode);
            }
        }
    }

    private AgentAddress ResolveAgent(string agent)
    {
        var here = new AgentAddress(_self.Id, agent);
        if (agent == AgentId.Node || _host.Agents.Any(a => a.Id == agent))
        {
            return here;
        }

        List<AgentEntry> all = [.. Snapshot.Where(e => e.Address.Agent == agent)];
        List<AgentEntry> found = [.. all.Where(e => e.Online)];
        if (found.Count == 0)
        {
            found = all;
        }

        return found switch
        {
            [var only] => only.Address,
            [] => throw new MeshException(MeshError.UnknownAgent, $"No agent '{agent}' is known. Known: {Known()}. 'dawn agents' shows them."),
            _ => throw new MeshException(MeshError.BadAddress, $"{found.Count} nodes have an agent '{agent}': {string.Join(", ", found.Take(5).Select(e => e.Address.ToString()))}. Write which."),
        };
    }

    private string Known()
    {
        List<string> names = [.. Snapshot.Where(e => e.Address.Agent != AgentId.Node).Select(e => e.Address.Agent).Distinct().Order(StringComparer.Ordinal)];
        return names.Count == 0 ? "none" : string.Join(", ", names.Take(10)) + (names.Count > 10 ? $" and {names.Count - 10} more" : "");
    }

    private void RefreshLocal() => Refresh(() =>
    {
        ImmutableArray<AgentEntry> now = [.. from agent in _host.Agents.OrderBy(a => a.Id, StringComparer.Ordinal)
                                             let card = agent.Card ?? new AgentCard(agent.Id, agent.Id, [], [])
                                             select new AgentEntry(new(_self.Id, agent.Id), card, IsLocal: true, Online: agent.Card is not null, SelfRecord.IsShared(agent))];
        return TryReplace(_local, now, () => _local = now);
    });

    private void RefreshRemote(NodeId node) => Refresh(() => TryLook(node));

    private void RefreshAll() => Refresh(() =>
    {
        var isChanged = false;
        foreach (var node in _records.Snapshot().Select(r => r.Node).Union(_remote.Keys).ToList())
        {
            isChanged |= TryLook(node);
        }

        return isChanged;
    });

    // One at a time: else of two the one that looked earlier could come later, and the older picture would stay.
    private void Refresh(Func<bool> tryLook)
    {
        lock (_refreshing)
        {
            if (!tryLook())
            {
                return;
            }
        }

        Changed?.Invoke();
    }

    private bool TryLook(NodeId node)
    {
        if (node == _self.Id)
        {
            return false;
        }

        var record = _records.Find(node);
        var online = record is not null && (_paths.CanReach(node) || _peers?.Find(node) is { IsOnline: true });
        ImmutableArray<AgentEntry> now = [.. (record?.Agents ?? []).Select(card => new AgentEntry(new(node, card.Id), card, IsLocal: false, online, IsShared: true))];
        return TryReplace(_remote.GetValueOrDefault(node, []), now, () =>
        {
            if (now.IsEmpty)
            {
                _remote.Remove(node);
            }
            else
            {
                _remote[node] = now;
            }
        });
    }

    private bool TryReplace(ImmutableArray<AgentEntry> before, ImmutableArray<AgentEntry> now, Action replace)
    {
        if (before.SequenceEqual(now))
        {
            return false;
        }

        lock (_lock)
        {
            replace();
            _snapshot = null;
        }

        return true;
    }
}
