using System.Text.Json.Nodes;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>How a server presented itself: by the answer to <c>initialize</c>, or by that to <c>server/discover</c> where it knows only the newer era.</summary>
/// <param name="Result">The answer as it came.</param>
/// <param name="IsPerRequest">True for the era of 2026-07-28, where each request carries version and capabilities.</param>
internal sealed record ServerHello(JsonNode Result, bool IsPerRequest)
{
    public bool Offers(string capability) => (Result["capabilities"] as JsonObject)?.ContainsKey(capability) == true;

    /// <summary>What every request of Dawn's own carries in the newer era; null in the older.</summary>
    public JsonObject? Parameters(string? cursor = null)
    {
        var parameters = IsPerRequest ? new JsonObject { ["_meta"] = McpJson.PerRequestMeta() } : null;
        if (cursor is not null)
        {
            (parameters ??= [])["cursor"] = cursor;
        }

        return parameters;
    }

    /// <summary>Greets a server. It is told that sampling, elicitation and roots can be asked for, since callers may offer them.</summary>
    public static async Task<ServerHello> GreetAsync(IJsonRpcPeer server, bool relaysRequests, CancellationToken cancellationToken)
    {
        try
        {
            var capabilities = relaysRequests
                ? new JsonObject { ["sampling"] = new JsonObject(), ["elicitation"] = new JsonObject { ["form"] = new JsonObject(), ["url"] = new JsonObject() }, ["roots"] = new JsonObject { ["listChanged"] = true } }
                : [];
            var result = await server.RequestAsync(
                RequestMethods.Initialize, new JsonObject { ["protocolVersion"] = McpJson.InitializeVersion, ["capabilities"] = capabilities, ["clientInfo"] = McpJson.Implementation() }, cancellationToken);
            await server.NotifyAsync(NotificationMethods.InitializedNotification, cancellationToken);
            return new(result as JsonObject ?? throw new ServerFailure("its answer to initialize is no object"), false);
        }
        catch (McpProtocolException refusal)
        {
            // Whatever the error: servers differ in what they say of a method they don't know.
            try
            {
                var result = await server.RequestAsync(RequestMethods.ServerDiscover, new JsonObject { ["_meta"] = McpJson.PerRequestMeta() }, cancellationToken);
                return new(result as JsonObject ?? throw new ServerFailure("its answer to server/discover is no object"), true);
            }
            catch (McpProtocolException)
            {
                throw new ServerFailure($"it refused initialize: {refusal.Message}", inner: refusal);
            }
        }
    }
}
