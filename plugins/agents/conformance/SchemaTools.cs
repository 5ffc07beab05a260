using System.ComponentModel;
using System.Text.Json;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

/// <summary>Tools whose input schema holds what many programs drop on the way.</summary>
[McpServerToolType]
public static class SchemaTools
{
    public const string JsonSchema202012 = "json_schema_2020_12_tool";

    /// <summary>Goes out in place of the schema made from the method, which has no such keywords (SEP-1613, SEP-2106).</summary>
    internal static JsonElement Schema202012 { get; } = JsonElement.Parse("""
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "type": "object",
          "$defs": {
            "address": { "$anchor": "addressDef", "type": "object", "properties": { "street": { "type": "string" }, "city": { "type": "string" } } }
          },
          "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" }
          },
          "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
          "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
          "then": { "required": ["phone"] },
          "else": { "required": ["email"] },
          "additionalProperties": false
        }
        """);

    [McpServerTool(Name = JsonSchema202012, ReadOnly = true)]
    [Description("Tool with JSON Schema 2020-12 features")]
    public static string Contact(RequestContext<CallToolRequestParams> request)
    {
        var arguments = request.Params.Arguments;
        var needed = TextOf("contactMethod") == "phone" ? "phone" : "email";
        return $"{TextOf("name") ?? "Somebody"} by {needed}: {TextOf(needed) ?? throw new McpException($"'{needed}' is missing.")}";

        string? TextOf(string name) => arguments is not null && arguments.TryGetValue(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    [McpServerTool(Name = "test_header_tool", ReadOnly = true)]
    [Description("Has an argument that HTTP clients repeat in a header (SEP-2243).")]
    public static string Header([McpHeader("Region"), Description("Repeated as Mcp-Param-Region.")] string region, [Description("Stays in the body.")] string? query = null) =>
        $"region={region}, query={query}";
}
