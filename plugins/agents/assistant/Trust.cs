using System.Collections.Frozen;
using System.Security.Claims;

namespace Dawn.Agents.Assistant;

/// <summary>For whom the assistant calls whatever its own node may call; for all others it calls what they may call themselves.</summary>
/// <param name="Everybody">Every node of the network.</param>
/// <param name="Who">Roles and NodeIds.</param>
internal sealed record Trust(bool Everybody, FrozenSet<string> Who)
{
    private const int NodeIdLength = 52;

    private static readonly FrozenSet<string> Roles = ["member", "guest", "browser"];

    public static Trust OwnNode { get; } = new(false, []);

    /// <summary>Reads <c>owner</c>, <c>members</c>, or roles and NodeIds separated by commas, as <c>Share</c> has them; null where a part is none of these.</summary>
    public static Trust? TryRead(string text)
    {
        var parts = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(part => part.ToLowerInvariant()).ToHashSet();
        return parts.All(part => part is "owner" or "members" || Roles.Contains(part) || IsNodeId(part))
            ? new(parts.Contains("members"), parts.Where(part => part is not ("owner" or "members")).ToFrozenSet())
            : null;
    }

    /// <param name="own">The NodeId of this node.</param>
    public bool Includes(ClaimsPrincipal caller, string own) =>
        Everybody || (caller.FindFirst("node")?.Value is { } node && (node == own || Who.Contains(node))) || (caller.FindFirst("role")?.Value is { } role && Roles.Contains(role) && Who.Contains(role));

    private static bool IsNodeId(string text) => text.Length == NodeIdLength && text.All(c => c is (>= 'a' and <= 'z') or (>= '2' and <= '7'));
}
