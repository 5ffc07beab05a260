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

    public const int MaxLength = 63;

    private static readonly string[] Reserved = [Node, Owner, Gateway, "ws"];

    public static bool IsValid([NotNullWhen(true)] string? id) =>
        id is { Length: >= 1 and <= MaxLength } && id[0] != '-' && !id.AsSpan().ContainsAnyExcept("abcdefghijklmnopqrstuvwxyz0123456789-");

    /// <summary>True for names that no hosted agent may take.</summary>
    public static bool IsReserved(string id) => Reserved.Contains(id, StringComparer.Ordinal);
}

/// <summary>Where an agent is: <c>node_id:agent_id</c>.</summary>
internal readonly record struct AgentAddress(NodeId Node, string Agent)
{
    public override string ToString() => $"{Node}:{Agent}";
}
