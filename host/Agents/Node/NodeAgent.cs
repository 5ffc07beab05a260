using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;
using Dawn.Identity;
using Dawn.Sessions;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Node;

/// <summary>The node as an agent: what members may know of it, and what its owner may do to it. There is no other admin interface.</summary>
internal sealed class NodeAgent : IHostedAgent
{
    private readonly NodeTools _tools;
    private readonly NodeResources _resources;
    private readonly INodeView _view;
    private readonly NodeOwners _owners;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _loggers;

    public NodeAgent(INodeView view, INodeControl control, LogRing logs, NodeOwners owners, TimeProvider time, ILoggerFactory loggers)
    {
        (_view, _owners, _time, _loggers) = (view, owners, time, loggers);
        _tools = new(view, control, logs);
        _resources = new(view);

        // Admin tools are nobody's business but the owner's: they are not in the card.
        var names = _tools.Reading.Select(t => t.ProtocolTool).ToList();
        var lists = JsonSerializer.SerializeToUtf8Bytes(names, McpJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IEnumerable<Tool>)))
            .Concat(JsonSerializer.SerializeToUtf8Bytes(NodeResources.List(false).ToList(), McpJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IEnumerable<Resource>))));
        Card = new(AgentId.Node, "The node itself", [.. SHA256.HashData(lists.ToArray())], [.. names.Select(t => t.Name)]);
    }

    public string Id => AgentId.Node;

    public string Origin => "built in";

    public AgentPolicy Policy => AgentPolicy.Members;

    public AgentCard? Card { get; }

    public string? Problem => null;

    // Neither card nor health ever change.
    event Action? IHostedAgent.Changed
    {
        add { }
        remove { }
    }

    public async Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken)
    {
        await using var transport = new ChannelTransport($"{AgentId.Node} for {caller.Agent}", channel, ownsChannel: false, loggers: _loggers);
        var conversation = new NodeConversation(_view, _tools, _resources, () => _owners.Refuse(caller), _time, _loggers.CreateLogger<NodeAgent>());
        await conversation.RunAsync(transport, cancellationToken);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>What <see cref="INodeView.Agents"/> is: all that the directory lists, and the agents of this node that are not running, with their problem.</summary>
    public static IReadOnlyList<AgentInfo> List(NodeId self, IAgentDirectory directory, IAgentHost host)
    {
        var problems = host.Agents.Where(a => a.Problem is not null).ToDictionary(a => a.Id, a => a.Problem, StringComparer.Ordinal);
        var known = directory.Snapshot.Select(e => new AgentInfo(
            e.Address.ToString(), e.Address.Node.ToString(), e.Address.Agent, e.Card.Title, e.Online, e.Card.Tools, e.IsLocal ? problems.GetValueOrDefault(e.Address.Agent) : null)).ToList();
        var listed = directory.Snapshot.Where(e => e.IsLocal).Select(e => e.Address.Agent).ToHashSet(StringComparer.Ordinal);
        var broken = host.Agents.Where(a => a.Card is null && !listed.Contains(a.Id)).Select(a => new AgentInfo(
            new AgentAddress(self, a.Id).ToString(), self.ToString(), a.Id, a.Id, false, ImmutableArray<string>.Empty, a.Problem ?? "It is starting."));
        known.InsertRange(listed.Count, broken);
        return known;
    }

    /// <summary>The hosted agents that are not well, for <see cref="NodeStatus.Problems"/>.</summary>
    public static IEnumerable<NodeProblem> Problems(IAgentHost host) =>
        host.Agents.Where(a => a.Problem is not null).Select(a => new NodeProblem(a.Id, a.Problem!));
}
