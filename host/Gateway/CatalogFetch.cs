using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>What an agent offers, as it said it.</summary>
/// <param name="PerRequest">The agent knows revision 2026-07-28; else it must be greeted by <c>initialize</c>.</param>
internal sealed record AgentOffer(bool PerRequest, IReadOnlyList<JsonObject> Tools, IReadOnlyList<JsonObject> Prompts, IReadOnlyList<JsonObject> Resources, IReadOnlyList<JsonObject> Templates)
{
    public static AgentOffer Nothing { get; } = new(true, [], [], [], []);
}

/// <summary>Asks an agent for its lists, over a leg of the gateway's own, in whichever era the agent knows.</summary>
internal sealed class CatalogFetch(LegDialer dialer)
{
    // What the aggregate takes from one agent; the rest is there at the agent's own address.
    private const int MaxPages = 64;
    private const int MaxItems = 4096;

    /// <exception cref="RelayException">The agent can't be asked.</exception>
    public async Task<AgentOffer> FetchAsync(AgentAddress agent, CancellationToken cancellationToken)
    {
        await using (var modern = await OpenAsync(agent, cancellationToken))
        {
            if (await DiscoverAsync(modern, cancellationToken) is { } discovered)
            {
                return await ListAsync(modern, true, discovered["capabilities"], cancellationToken);
            }
        }

        await using var leg = await OpenAsync(agent, cancellationToken);
        var initialized = await dialer.InitializeAsync(leg, LegDialer.OwnInitialize(), cancellationToken);
        return await ListAsync(leg, false, initialized?["capabilities"], cancellationToken);
    }

    private Task<Leg> OpenAsync(AgentAddress agent, CancellationToken cancellationToken) => dialer.OpenAsync(agent, AgentId.Gateway, null, cancellationToken);

    private async Task<JsonObject?> DiscoverAsync(Leg leg, CancellationToken cancellationToken)
    {
        try
        {
            var result = await dialer.HandshakeAsync(leg, RequestMethods.ServerDiscover, Parameters(true, null), cancellationToken) as JsonObject;
            return result?["supportedVersions"] is JsonArray versions && versions.Any(version => version.AsText() == McpJson.PerRequestVersion) ? result : null;
        }
        catch (RelayException)
        {
            // Whatever an older agent makes of it (an error, silence, the end), it is asked the older way next.
            return null;
        }
    }

    private async Task<AgentOffer> ListAsync(Leg leg, bool perRequest, JsonNode? capabilities, CancellationToken cancellationToken)
    {
        var offers = capabilities as JsonObject ?? [];
        return new(
            perRequest,
            offers.ContainsKey("tools") ? await AllAsync(RequestMethods.ToolsList, "tools") : [],
            offers.ContainsKey("prompts") ? await AllAsync(RequestMethods.PromptsList, "prompts") : [],
            offers.ContainsKey("resources") ? await AllAsync(RequestMethods.ResourcesList, "resources") : [],
            offers.ContainsKey("resources") ? await AllAsync(RequestMethods.ResourcesTemplatesList, "resourceTemplates") : []);

        async Task<IReadOnlyList<JsonObject>> AllAsync(string method, string property)
        {
            List<JsonObject> all = [];
            string? cursor = null;
            for (var page = 0; page < MaxPages && all.Count < MaxItems; page++)
            {
                JsonNode? result;
                try
                {
                    result = await dialer.HandshakeAsync(leg, method, Parameters(perRequest, cursor), cancellationToken);
                }
                catch (RelayException e) when (leg.IsAlive && e.InnerException is null)
                {
                    // An agent that answers one list with an error still has the others.
                    break;
                }

                all.AddRange(((result as JsonObject)?[property] as JsonArray ?? []).OfType<JsonObject>().Where(McpJson.IsSound).Take(MaxItems - all.Count));
                cursor = result.Text("nextCursor");
                if (cursor is null)
                {
                    break;
                }
            }

            return all;
        }
    }

    private static JsonObject Parameters(bool perRequest, string? cursor)
    {
        var parameters = new JsonObject();
        if (perRequest)
        {
            parameters["_meta"] = McpJson.PerRequestMeta();
        }

        if (cursor is not null)
        {
            parameters["cursor"] = cursor;
        }

        return parameters;
    }
}
