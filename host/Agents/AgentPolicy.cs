using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Sessions;

namespace Dawn.Agents;

/// <summary>Who may call: the meaning of <c>Share</c>.</summary>
/// <param name="Members">Every member of the network.</param>
/// <param name="Nodes">These nodes.</param>
/// <param name="Roles">Nodes whose certificate has one of these roles.</param>
internal sealed record Audience(bool Members, ImmutableArray<NodeId> Nodes, ImmutableArray<CertificateRole> Roles)
{
    public static Audience Everyone { get; } = new(true, [], []);

    /// <summary>This node itself: its gateway, its agents and its owner.</summary>
    public static Audience OwnNode { get; } = new(false, [], []);

    /// <summary>Reads <c>members</c>, <c>owner</c>, or a list of NodeIds and roles (<c>member</c>, <c>guest</c>, <c>browser</c>) separated by commas.</summary>
    public static bool TryParse(string text, out Audience audience, out string? error)
    {
        (audience, error) = (OwnNode, null);
        var members = false;
        var nodes = ImmutableArray.CreateBuilder<NodeId>();
        var roles = ImmutableArray.CreateBuilder<CertificateRole>();
        foreach (var part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (part.Equals("members", StringComparison.OrdinalIgnoreCase))
            {
                members = true;
            }
            else if (NodeId.TryParse(part, out var node))
            {
                nodes.Add(node);
            }
            else if (char.IsLetter(part[0]) && Enum.TryParse<CertificateRole>(part, true, out var role) && Enum.IsDefined(role))
            {
                roles.Add(role);
            }
            else if (!part.Equals("owner", StringComparison.OrdinalIgnoreCase))
            {
                error = $"'{part}' is none of members, owner, member, guest, browser, or a NodeId of {NodeId.TextLength} characters";
                return false;
            }
        }

        audience = new(members, nodes.ToImmutable(), roles.ToImmutable());
        return true;
    }

    public bool Includes(Caller caller) =>
        (caller.IsLocal || Members || Nodes.Contains(caller.Node) || Roles.Contains(caller.Role)) && (caller.For is null || Includes(caller.For));
}

/// <summary>Who may call an agent, and some of its tools more narrowly.</summary>
internal sealed record AgentPolicy(Audience Callers, ImmutableDictionary<string, Audience> Tools)
{
    public static AgentPolicy Members { get; } = new(Audience.Everyone, ImmutableDictionary<string, Audience>.Empty);

    public static AgentPolicy OwnNode { get; } = new(Audience.OwnNode, ImmutableDictionary<string, Audience>.Empty);

    public bool Allows(Caller caller) => Callers.Includes(caller);

    public bool AllowsTool(Caller caller, string tool) => !Tools.TryGetValue(tool, out var audience) || audience.Includes(caller);
}
