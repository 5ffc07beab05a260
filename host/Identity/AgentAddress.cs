using System.Diagnostics.CodeAnalysis;

namespace Dawn.Identity;

/// <summary>The rules of agent names: <c>[a-z0-9][a-z0-9-]{0,62}</c>.</summary>
internal static class AgentId
{
    /// <summary>The agent that every node has: the node itself.</summary>
    public const string Node = "node";

    /// <summary>Who calls when the node's owner does: the CLI over the control socket, the gateway with the owner's token.</summary>
    public const string Owner = "owner";

    /// <summary>Who calls when an ordinary client of the gateway does.</summary>
    public const string Gateway = "gateway";

    /// <summary>No agent's: <c>/mcp/ws</c> is where the gateway takes WebSocket clients.</summary>
    public const string WebSocket = "ws";

    public const int MaxLength = 63;

    public static bool IsValid([NotNullWhen(true)] string? id) =>
        id is { Length: >= 1 and <= MaxLength } && id[0] != '-' && !id.AsSpan().ContainsAnyExcept("abcdefghijklmnopqrstuvwxyz0123456789-");

    /// <summary>True for names that no hosted agent may take.</summary>
    public static bool IsReserved(string id) => WhyReserved(id) is not null;

    /// <summary>What a reserved name stands for, to go on after "'x' is reserved: "; null for all others.</summary>
    public static string? WhyReserved(string id) => id switch
    {
        Node => "it is the agent that every node has",
        Owner => "it is who calls when the node's owner does",
        Gateway => "it is who calls when a client of the gateway does",
        WebSocket => "/mcp/ws is the gateway's address for WebSocket clients",
        _ => null,
    };
}

/// <summary>Where an agent is: <c>node_id:agent_id</c>.</summary>
internal readonly record struct AgentAddress(NodeId Node, string Agent)
{
    public override string ToString() => $"{Node}:{Agent}";
}
