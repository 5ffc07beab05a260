using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dawn.Identity;
using ModelContextProtocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents;

/// <summary>The card of an agent whose lists are in collections.</summary>
internal static class AssemblyCard
{
    // Bounds of a node record: docs/protocol.md, "Node record".
    private const int MaxTextBytes = 128;

    public static AgentCard Of(string id, string? title, McpServerOptions options)
    {
        var tools = (options.ToolCollection?.ToArray() ?? []).Select(t => t.ProtocolTool).OrderBy(t => t.Name, StringComparer.Ordinal).ToList();
        var prompts = (options.PromptCollection?.ToArray() ?? []).Select(p => p.ProtocolPrompt).OrderBy(p => p.Name, StringComparer.Ordinal);
        var resources = (options.ResourceCollection?.ToArray() ?? []).Select(r => r.ProtocolResourceTemplate).OrderBy(r => r.UriTemplate, StringComparer.Ordinal);

        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(digest, "tools", tools);
        Append(digest, "prompts", prompts);
        Append(digest, "resources", resources);
        var names = tools.Select(t => t.Name).Where(n => Encoding.UTF8.GetByteCount(n) <= MaxTextBytes).Take(AgentCard.MaxTools);
        return new(id, BoundedText.Cut(title ?? options.ServerInfo?.Title ?? id, MaxTextBytes), [.. digest.GetHashAndReset()], [.. names]);
    }

    private static void Append<T>(IncrementalHash digest, string list, IEnumerable<T> items)
    {
        digest.AppendData(Encoding.UTF8.GetBytes(list + "\n"));
        foreach (var item in items)
        {
            digest.AppendData(CanonicalJson.Bytes(JsonSerializer.SerializeToNode(item, McpJsonUtilities.DefaultOptions)));
            digest.AppendData("\n"u8);
        }
    }
}
