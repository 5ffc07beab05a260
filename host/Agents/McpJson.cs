using System.Text.Json.Nodes;
using Dawn.Configuration;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents;

/// <summary>What Dawn reads and writes inside messages that it otherwise passes on as they are.</summary>
internal static class McpJson
{
    /// <summary>The newest revision with the <c>initialize</c> handshake.</summary>
    public const string InitializeVersion = "2025-11-25";

    /// <summary>The revision that carries its metadata in each request.</summary>
    public const string PerRequestVersion = "2026-07-28";


    /// <summary>Deprecated by 2026-07-28, alive in what came before.</summary>
    public const string LoggingSetLevel = "logging/setLevel";

    public const string SessionIdHeader = "Mcp-Session-Id";

    public const string ProtocolVersionHeader = "MCP-Protocol-Version";

    /// <summary>Metadata of MCP itself; 2025-11-25 and older have no such keys and may refuse them.</summary>
    public const string ReservedPrefix = "io.modelcontextprotocol/";

    /// <summary>The revisions that begin with <c>initialize</c>, newest first.</summary>
    public static IReadOnlyList<string> InitializeVersions { get; } = [InitializeVersion, "2025-06-18", "2025-03-26", "2024-11-05"];

    public static JsonNode? Meta(this JsonNode? parameters, string key) => parameters is JsonObject o && o["_meta"] is JsonObject meta ? meta[key] : null;

    /// <summary>True for requests of the per-request era.</summary>
    public static bool IsPerRequest(this JsonRpcRequest request) => request.Params.Meta(MetaKeys.ProtocolVersion) is not null;

    public static string? Text(this JsonNode? node, string property) => node is JsonObject o ? o[property].AsText() : null;

    public static string? AsText(this JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    /// <summary>False for a value that somewhere has a key twice: such objects break whoever looks into them, since System.Text.Json parses them late.</summary>
    public static bool IsSound(JsonNode? node)
    {
        try
        {
            return node switch
            {
                JsonObject o => o.All(property => IsSound(property.Value)),
                JsonArray items => items.All(IsSound),
                _ => true,
            };
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>A copy of an object with one property replaced.</summary>
    public static JsonObject With(this JsonNode? node, string property, JsonNode? value)
    {
        var copy = node?.DeepClone() as JsonObject ?? [];
        copy[property] = value;
        return copy;
    }

    /// <summary>Reads an id where a message carries one among its parameters; null where it is none.</summary>
    public static RequestId? AsRequestId(this JsonNode? node) =>
        node is not JsonValue value ? null :
        value.TryGetValue(out string? text) ? new RequestId(text) :
        value.TryGetValue(out long number) ? new RequestId(number) : null;

    public static JsonNode? ToNode(this RequestId id) => id.Id switch
    {
        string text => JsonValue.Create(text),
        long number => JsonValue.Create(number),
        _ => null,
    };

    public static bool Matches(this JsonNode? node, RequestId id) => node.AsRequestId() is { } own && own.Equals(id);

    /// <summary>Dawn's own name, for initialize and discover.</summary>
    public static JsonObject Implementation() => new() { ["name"] = "dawn", ["title"] = "Dawn", ["version"] = DawnVersion.Text };

    /// <summary>What each request of Dawn's own carries in the per-request era.</summary>
    public static JsonObject PerRequestMeta() => new()
    {
        [MetaKeys.ProtocolVersion] = PerRequestVersion,
        [MetaKeys.ClientInfo] = Implementation(),
        [MetaKeys.ClientCapabilities] = new JsonObject(),
    };
}
