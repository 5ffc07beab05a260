using System.Text.Json;

namespace Dawn.Commands;

/// <summary>A tool's result as text: text content alone, and a short line for whatever else there is.</summary>
internal static class ToolContent
{
    public static string Text(JsonElement result)
    {
        var parts = result.TryGetProperty("content", out var content) && content.ValueKind == JsonValueKind.Array ? content.EnumerateArray().Select(Part).ToList() : [];
        return parts.Count == 0 && result.TryGetProperty("structuredContent", out var structured) ? structured.GetRawText() : string.Join('\n', parts);
    }

    private static string Part(JsonElement part) => Member(part, "type") switch
    {
        "text" => Member(part, "text"),
        "resource_link" => $"[resource link {Member(part, "name")} {Member(part, "uri")}]",
        "resource" when part.TryGetProperty("resource", out var resource) => $"[resource {Member(resource, "uri")} {Member(resource, "mimeType")}]",
        var type and ("image" or "audio") => $"[{type} {Member(part, "mimeType")}, {Member(part, "data").Length / 4 * 3:N0} bytes]",
        var type => $"[{type}]",
    };

    private static string Member(JsonElement of, string name) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.String ? member.GetString()! : "";
}
