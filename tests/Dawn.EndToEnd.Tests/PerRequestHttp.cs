using System.Text.Json.Nodes;

namespace Dawn.EndToEnd;

/// <summary>Requests of MCP 2026-07-28 over plain HTTP, for tests that need what no client library does.</summary>
internal static class PerRequestHttp
{
    private const string Version = "2026-07-28";

    public static JsonObject Request(string method, JsonObject? parameters = null)
    {
        parameters ??= [];
        parameters["_meta"] = new JsonObject
        {
            ["io.modelcontextprotocol/protocolVersion"] = Version,
            ["io.modelcontextprotocol/clientInfo"] = new JsonObject { ["name"] = "test", ["version"] = "1" },
            ["io.modelcontextprotocol/clientCapabilities"] = new JsonObject(),
        };
        return new() { ["jsonrpc"] = "2.0", ["id"] = 1, ["method"] = method, ["params"] = parameters };
    }

    public static Task<HttpResponseMessage> SendAsync(HttpClient http, HttpRequestMessage request, string method, string? name, CancellationToken cancellationToken)
    {
        request.Headers.Add("Accept", "application/json, text/event-stream");
        request.Headers.Add("MCP-Protocol-Version", Version);
        request.Headers.Add("Mcp-Method", method);
        if (name is not null)
        {
            request.Headers.Add("Mcp-Name", name);
        }

        return http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }
}
