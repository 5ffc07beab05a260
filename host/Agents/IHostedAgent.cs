using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Agents;

/// <summary>An agent that runs on this node: from a plugin assembly, an external MCP server, or the node itself.</summary>
internal interface IHostedAgent : IAsyncDisposable
{
    string Id { get; }

    /// <summary>Where it comes from, for people: <c>plugins/agents/first</c>, <c>npx -y …</c>, <c>built in</c>.</summary>
    string Origin { get; }

    AgentPolicy Policy { get; }

    /// <summary>Where a person changes who may call, for the text of a refusal: <c>Dawn:McpServers:files:Share</c>.</summary>
    string PolicySetting => $"the policy of {Origin}";

    /// <summary>Null while it is not running.</summary>
    AgentCard? Card { get; }

    /// <summary>Null while it is well; else what is wrong and what helps, in one line.</summary>
    string? Problem { get; }

    /// <summary>Raised after <see cref="Card"/> or <see cref="Problem"/> changed.</summary>
    event Action? Changed;

    /// <summary>Serves one conversation; returns when the caller closes it, the agent ends it, or the token is cancelled.</summary>
    /// <remarks>The channel's owner closes it afterwards. An exception closes it with the exception's message; a <see cref="MeshException"/> with its code.</remarks>
    Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken);
}

/// <summary>The agents that this node hosts, added and removed while it runs. Thread-safe.</summary>
internal interface IAgentHost
{
    IReadOnlyList<IHostedAgent> Agents { get; }

    /// <summary>Adds an agent; false where another has the name already. From then on the host owns it.</summary>
    /// <exception cref="ArgumentException">Its id is no <see cref="Identity.AgentId"/>.</exception>
    bool TryAdd(IHostedAgent agent);

    /// <summary>Takes an agent out: no new conversations, the running ones are cancelled and awaited, then it is disposed.</summary>
    ValueTask RemoveAsync(IHostedAgent agent);

    /// <summary>Raised after agents or their cards changed.</summary>
    event Action? Changed;
}

/// <summary>Opens conversations with agents anywhere in the network.</summary>
internal interface IAgentDialer
{
    /// <summary>Opens a channel. The agent's refusal may come only with the first receive: opening costs no round trip.</summary>
    /// <param name="callerAgent">The agent part of the caller's address; the node part is this node.</param>
    /// <exception cref="MeshException">No way to the node.</exception>
    ValueTask<MeshChannel> DialAsync(AgentAddress target, string callerAgent, CancellationToken cancellationToken);

    /// <summary>Opens a channel for somebody who called the agent: it leads where both may go.</summary>
    /// <param name="behalf">A caller of this node adds nothing; for any other, agents of other nodes are out of reach, since what they allow it only they know.</param>
    /// <exception cref="MeshException">No way to the node, or not for that caller.</exception>
    ValueTask<MeshChannel> DialForAsync(AgentAddress target, string callerAgent, Caller behalf, CancellationToken cancellationToken) =>
        throw new MeshException(MeshError.Refused, "Nobody can be called for others here.");
}

/// <summary>An agent that this node knows of.</summary>
/// <param name="IsLocal">Hosted here.</param>
/// <param name="Online">True where its node can be reached now and the agent runs.</param>
/// <param name="IsShared">False for agents of this node that others may not call; those are in no record.</param>
internal sealed record AgentEntry(AgentAddress Address, AgentCard Card, bool IsLocal, bool Online, bool IsShared);

/// <summary>All agents that this node knows of, its own first, then by address. Thread-safe.</summary>
internal interface IAgentDirectory
{
    ImmutableArray<AgentEntry> Snapshot { get; }

    /// <summary>Raised after <see cref="Snapshot"/> changed; handlers return at once.</summary>
    event Action? Changed;

    /// <summary>
    /// Understands what people write: <c>node_id:agent_id</c>, a unique prefix (6 or more) in place of the NodeId,
    /// a bare agent id (the local one, else the only one).
    /// </summary>
    /// <exception cref="MeshException"><see cref="MeshError.BadAddress"/> or <see cref="MeshError.UnknownAgent"/>, with the candidates.</exception>
    AgentAddress Resolve(string text);
}
