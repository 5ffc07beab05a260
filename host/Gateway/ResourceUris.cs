using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;

namespace Dawn.Gateway;

/// <summary>
/// Resource URIs in the aggregate: <c>dawn://node/agent/…</c> and the agent's own URI after it, percent-encoded. In a template (RFC 6570) the own URI stays as it is,
/// because clients expand and encode its variables themselves; it can be told apart by its colon, which an encoded URI has not.
/// </summary>
internal static class ResourceUris
{
    private const string Prefix = "dawn://";

    public static string Wrap(AgentAddress agent, string uri) => $"{Prefix}{agent.Node}/{agent.Agent}/{Uri.EscapeDataString(uri)}";

    public static string WrapTemplate(AgentAddress agent, string template) =>
        template.Contains(':') ? $"{Prefix}{agent.Node}/{agent.Agent}/{template}" : Wrap(agent, template);

    public static bool TryUnwrap([NotNullWhen(true)] string? wrapped, out AgentAddress agent, [NotNullWhen(true)] out string? uri)
    {
        (agent, uri) = (default, null);
        if (wrapped is null || !wrapped.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        var parts = wrapped[Prefix.Length..].Split('/', 3);
        if (parts.Length != 3 || !NodeId.TryParse(parts[0], out var node) || !AgentId.IsValid(parts[1]) || parts[2].Length == 0)
        {
            return false;
        }

        agent = new(node, parts[1]);
        uri = parts[2].Contains(':') ? parts[2] : Uri.UnescapeDataString(parts[2]);
        return true;
    }

    /// <summary>Wraps the URIs by which a client could ask for more: of resource links, embedded resources and contents. Changes the result in place.</summary>
    public static void WrapResult(AgentAddress agent, string method, JsonNode? result)
    {
        if (result is not JsonObject o)
        {
            return;
        }

        foreach (var block in Items(o["content"]))
        {
            WrapBlock(agent, block);
        }

        foreach (var message in Items(o["messages"]))
        {
            WrapBlock(agent, message["content"] as JsonObject);
            foreach (var block in Items(message["content"]))
            {
                WrapBlock(agent, block);
            }
        }

        if (method == ModelContextProtocol.Protocol.RequestMethods.ResourcesRead)
        {
            foreach (var content in Items(o["contents"]))
            {
                WrapProperty(agent, content);
            }
        }
    }

    private static void WrapBlock(AgentAddress agent, JsonObject? block)
    {
        switch (block.Text("type"))
        {
            case "resource_link":
                WrapProperty(agent, block!);
                break;
            case "resource" when block!["resource"] is JsonObject resource:
                WrapProperty(agent, resource);
                break;
        }
    }

    private static void WrapProperty(AgentAddress agent, JsonObject holder)
    {
        if (holder.Text("uri") is { } uri)
        {
            holder["uri"] = Wrap(agent, uri);
        }
    }

    private static IEnumerable<JsonObject> Items(JsonNode? node) => (node as JsonArray ?? []).OfType<JsonObject>();
}
