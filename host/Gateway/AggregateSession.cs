using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>
/// One client of the aggregate, in either era of the protocol. Lists come from the catalog; calls go verbatim to their agent, with only name or URI changed,
/// over legs of this client's own, so that what an agent asks back reaches the right client.
/// </summary>
internal sealed partial class AggregateSession(
    string callerAgent, ClientConnection client, Catalog catalog, LegDialer dialer, LegPool pool, GatewayMetrics metrics, TimeProvider time, ILogger<AggregateSession> logger)
    : ClientRelay(client, metrics, time, logger)
{
    private const int PageSize = 1000;

    // Agents that one client uses; resource URIs may name any, also such as never were.
    private const int MaxLegs = 1024;

    private const string Instructions =
        "Tools, prompts and resources of all agents of this Dawn network. A name is agent__tool; a resource is dawn://node/agent/ and the agent's own URI. " +
        "An error whose data says \"dawn\": \"not-executed\" was surely not executed; \"outcome-unknown\" may have been: nothing repeats it by itself.";

    // How long setLevel waits for the agents in use; who is later gets the level all the same.
    private static readonly TimeSpan FanOutTimeout = TimeSpan.FromSeconds(2);

    private readonly ConcurrentDictionary<AgentAddress, Lazy<SessionLeg>> _legs = new();
    private readonly TimeProvider _time = time;
    private JsonNode? _initialize;
    private JsonNode? _logLevel;
    private int _changed;
    private int _announcing;
    private int _watching;

    public override Task OnNotificationAsync(Leg leg, JsonRpcNotification notification, Exchange? exchange, CancellationToken cancellationToken)
    {
        switch (notification.Method)
        {
            case NotificationMethods.ToolListChangedNotification or NotificationMethods.PromptListChangedNotification or NotificationMethods.ResourceListChangedNotification:
                // The catalog announces it once it knows the new list.
                catalog.Refresh(leg.Agent);
                return Task.CompletedTask;

            case NotificationMethods.SubscriptionsAcknowledgedNotification:
                // The gateway has acknowledged the client's subscription as a whole.
                return Task.CompletedTask;

            case NotificationMethods.ResourceUpdatedNotification when notification.Params.Text("uri") is { } uri:
                notification.Params!["uri"] = ResourceUris.Wrap(leg.Agent, uri);
                break;
        }

        return Client.SendAsync(new JsonRpcNotification { Method = notification.Method, Params = notification.Params }, exchange?.Reply, cancellationToken);
    }

    public override Task<JsonRpcMessageWithId> OnRequestAsync(Leg leg, JsonRpcRequest request, Exchange? exchange, CancellationToken cancellationToken) =>
        _initialize is not null
            ? Client.RequestAsync(request, exchange?.Reply, cancellationToken)
            // MCP 2026-07-28 has no requests from servers: they ask for input in their results.
            : throw new RelayException(RelayException.MethodNotFound, $"{request.Method}: the client takes no requests from servers.");

    protected override async Task<JsonRpcMessageWithId> RespondAsync(JsonRpcRequest request, Exchange exchange, CancellationToken cancellationToken)
    {
        var perRequest = request.IsPerRequest();
        switch (request.Method)
        {
            case RequestMethods.Initialize when !perRequest:
                return Done(Initialize(request.Params));
            case RequestMethods.Ping when !perRequest:
                return Done(new());
            case McpJson.LoggingSetLevel when !perRequest:
                await SetLevelAsync(request.Params, cancellationToken);
                return Done(new());
            case RequestMethods.ServerDiscover when perRequest:
                return Done(Cacheable(new JsonObject
                {
                    ["supportedVersions"] = AgentRelay.SupportedVersions(),
                    ["capabilities"] = Capabilities(),
                    ["instructions"] = Instructions,
                }));
            case RequestMethods.SubscriptionsListen when perRequest:
                return await new Listening(this, catalog, dialer, pool, callerAgent, _time, logger).RunAsync(request, exchange, cancellationToken);
            case RequestMethods.ToolsList:
                return Done(Page(request, perRequest, "tools", (await catalog.GetAsync(cancellationToken)).Tools));
            case RequestMethods.PromptsList:
                return Done(Page(request, perRequest, "prompts", (await catalog.GetAsync(cancellationToken)).Prompts));
            case RequestMethods.ResourcesList:
                return Done(Page(request, perRequest, "resources", (await catalog.GetAsync(cancellationToken)).Resources));
            case RequestMethods.ResourcesTemplatesList:
                return Done(Page(request, perRequest, "resourceTemplates", (await catalog.GetAsync(cancellationToken)).Templates));
        }

        var (agent, parameters) = await TargetAsync(request, perRequest, cancellationToken);
        var answer = await RelayAsync(agent, request.Method, parameters, perRequest, exchange, cancellationToken);
        ResourceUris.WrapResult(agent, request.Method, (answer as JsonRpcResponse)?.Result);
        return answer;
    }

    protected override async Task TakeAsync(JsonRpcNotification notification, CancellationToken cancellationToken)
    {
        if (notification.Method == NotificationMethods.InitializedNotification)
        {
            if (Interlocked.Exchange(ref _watching, 1) == 0)
            {
                catalog.Changed += OnCatalogChanged;
            }

            return;
        }

        // Changed roots, progress of what an agent asked: to whom it may concern, and nobody else has a leg.
        await Task.WhenAll(OpenLegs().Select(leg => leg.NotifyAsync(notification.Method, notification.Params?.DeepClone(), cancellationToken)));
    }

    protected override async ValueTask CloseAsync()
    {
        catalog.Changed -= OnCatalogChanged;
        foreach (var leg in OpenLegs())
        {
            await leg.DisposeAsync();
        }
    }

    private static JsonRpcResponse Done(JsonObject result) => new() { Id = default, Result = result };

    // 2026-07-28 wants these on lists and reads; what changes is announced, but nothing is promised.
    private static JsonObject Cacheable(JsonObject result)
    {
        result["resultType"] = "complete";
        result["ttlMs"] = 0;
        result["cacheScope"] = "private";
        result["_meta"] = new JsonObject { [MetaKeys.ServerInfo] = McpJson.Implementation() };
        return result;
    }

    private static JsonObject Capabilities() => new()
    {
        ["tools"] = new JsonObject { ["listChanged"] = true },
        ["prompts"] = new JsonObject { ["listChanged"] = true },
        ["resources"] = new JsonObject { ["listChanged"] = true, ["subscribe"] = true },
        ["completions"] = new JsonObject(),
        ["logging"] = new JsonObject(),
    };

    private JsonObject Initialize(JsonNode? parameters)
    {
        _initialize = parameters?.DeepClone() ?? LegDialer.OwnInitialize();
        var wanted = parameters.Text("protocolVersion");
        return new()
        {
            ["protocolVersion"] = wanted is not null && McpJson.InitializeVersions.Contains(wanted) ? wanted : McpJson.InitializeVersion,
            ["capabilities"] = Capabilities(),
            ["serverInfo"] = McpJson.Implementation(),
            ["instructions"] = Instructions,
        };
    }

    // Cursors are offsets: a list that changes between two pages may show an item twice or not, and is announced.
    private static JsonObject Page(JsonRpcRequest request, bool perRequest, string property, ImmutableArray<JsonObject> items)
    {
        var from = 0;
        if (request.Params.Text("cursor") is { } cursor && (!int.TryParse(cursor, NumberStyles.None, CultureInfo.InvariantCulture, out from) || from > items.Length))
        {
            throw new RelayException(RelayException.InvalidParams, $"'{cursor}' is no cursor of this list.");
        }

        var page = items.Skip(from).Take(PageSize).Select(item => item.DeepClone()).ToArray();
        var result = new JsonObject { [property] = new JsonArray(page) };
        if (from + page.Length < items.Length)
        {
            result["nextCursor"] = (from + page.Length).ToString(CultureInfo.InvariantCulture);
        }

        return perRequest ? Cacheable(result) : result;
    }

    private async ValueTask<(AgentAddress Agent, JsonObject Parameters)> TargetAsync(JsonRpcRequest request, bool perRequest, CancellationToken cancellationToken)
    {
        var parameters = request.Params as JsonObject;
        switch (request.Method)
        {
            case RequestMethods.ToolsCall:
                return await NamedAsync(catalog.ToolNames, parameters, "tool", cancellationToken);
            case RequestMethods.PromptsGet:
                return await NamedAsync(catalog.PromptNames, parameters, "prompt", cancellationToken);
            case RequestMethods.ResourcesRead:
            case RequestMethods.ResourcesSubscribe or RequestMethods.ResourcesUnsubscribe when !perRequest:
                return Addressed(parameters);
            case RequestMethods.CompletionComplete:
                var reference = parameters?["ref"] as JsonObject;
                var (agent, changed) = reference.Text("type") == "ref/resource" ? Addressed(reference) : await NamedAsync(catalog.PromptNames, reference, "prompt", cancellationToken);
                return (agent, parameters.With("ref", changed));
            default:
                throw new RelayException(RelayException.MethodNotFound, $"Method '{request.Method}' is not available for all agents together; call it at /mcp/{{agent}}.");
        }
    }

    private async ValueTask<(AgentAddress, JsonObject)> NamedAsync(PublicNames names, JsonObject? holder, string what, CancellationToken cancellationToken)
    {
        if (holder.Text("name") is { } name)
        {
            if (names.TryResolve(name, out var agent, out var own))
            {
                return (agent.Value, holder.With("name", own));
            }

            // A client may know the name from an earlier life of this node, whose lists are still on their way.
            await catalog.GetAsync(cancellationToken);
            if (names.TryResolve(name, out agent, out own))
            {
                return (agent.Value, holder.With("name", own));
            }
        }

        throw new RelayException(RelayException.InvalidParams, $"Unknown {what}: '{holder.Text("name")}'.", Outcome.NotExecuted);
    }

    private static (AgentAddress, JsonObject) Addressed(JsonObject? holder) =>
        ResourceUris.TryUnwrap(holder.Text("uri"), out var agent, out var uri) && agent.Agent != AgentId.Node
            ? (agent, holder.With("uri", uri))
            : throw new RelayException(RelayException.InvalidParams, $"Unknown resource: '{holder.Text("uri")}'.", Outcome.NotExecuted);

    private async Task<JsonRpcMessageWithId> RelayAsync(
        AgentAddress agent, string method, JsonObject parameters, bool perRequest, Exchange exchange, CancellationToken cancellationToken)
    {
        if (!perRequest)
        {
            return await (await LegOfAsync(agent, cancellationToken)).CallAsync(method, parameters, exchange, cancellationToken);
        }

        if (await catalog.IsPerRequestAsync(agent, cancellationToken))
        {
            return await pool.CallAsync(new(agent, callerAgent, Initialized: false), this, method, parameters, exchange, cancellationToken);
        }

        // The client speaks 2026-07-28 and the agent doesn't: what the newer revision adds is taken out on the way there and put in on the way back.
        var answer = await pool.CallAsync(new(agent, callerAgent, Initialized: true), this, method, WithoutReserved(parameters), exchange, cancellationToken);
        if (answer is JsonRpcResponse { Result: JsonObject result })
        {
            result.TryAdd("resultType", "complete");
            if (method == RequestMethods.ResourcesRead)
            {
                result.TryAdd("ttlMs", 0);
                result.TryAdd("cacheScope", "private");
            }
        }

        return answer;
    }

    internal static JsonObject WithoutReserved(JsonObject parameters)
    {
        if (parameters["_meta"] is JsonObject meta)
        {
            foreach (var key in meta.Select(pair => pair.Key).Where(key => key.StartsWith(McpJson.ReservedPrefix, StringComparison.Ordinal)).ToArray())
            {
                meta.Remove(key);
            }
        }

        return parameters;
    }

    private async Task<SessionLeg> LegOfAsync(AgentAddress agent, CancellationToken cancellationToken)
    {
        if (_legs.TryGetValue(agent, out var known))
        {
            return known.Value;
        }

        if (_legs.Count >= MaxLegs)
        {
            throw new RelayException(RelayException.Unavailable, $"This session has used {MaxLegs} agents, the most it may; begin another.", Outcome.NotExecuted);
        }

        var added = new Lazy<SessionLeg>(() => new(dialer, agent, callerAgent, this, _initialize ?? LegDialer.OwnInitialize()));
        var leg = _legs.GetOrAdd(agent, added).Value;
        if (_logLevel is { } level && ReferenceEquals(leg, added.Value))
        {
            await SetLevelAsync(leg, level, cancellationToken);
        }

        return leg;
    }

    private IEnumerable<SessionLeg> OpenLegs() => _legs.Values.Select(leg => leg.Value);

    private async Task SetLevelAsync(JsonNode? level, CancellationToken cancellationToken)
    {
        _logLevel = level?.DeepClone();
        var all = Task.WhenAll(OpenLegs().Select(leg => SetLevelAsync(leg, level, cancellationToken)));
        try
        {
            await all.WaitAsync(FanOutTimeout, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // A slow agent gets it when it reads again.
        }
    }

    private static async Task SetLevelAsync(SessionLeg leg, JsonNode? level, CancellationToken cancellationToken)
    {
        try
        {
            await leg.CallAsync(McpJson.LoggingSetLevel, level?.DeepClone(), null, cancellationToken);
        }
        catch (RelayException)
        {
            // The agent is away; the next request will say so to whoever needs it.
        }
    }

    private void OnCatalogChanged(CatalogParts parts)
    {
        Interlocked.Or(ref _changed, (int)parts);
        if (Interlocked.Exchange(ref _announcing, 1) == 0)
        {
            _ = AnnounceAsync();
        }
    }

    private async Task AnnounceAsync()
    {
        await Task.Yield();
        do
        {
            foreach (var method in MethodsOf((CatalogParts)Interlocked.Exchange(ref _changed, 0)))
            {
                try
                {
                    await Client.SendAsync(new JsonRpcNotification { Method = method }, null, CancellationToken.None);
                }
                catch (Exception e)
                {
                    LogAnnouncementLost(e);
                }
            }

            Interlocked.Exchange(ref _announcing, 0);
        }
        while (Volatile.Read(ref _changed) != 0 && Interlocked.Exchange(ref _announcing, 1) == 0);
    }

    internal static IEnumerable<string> MethodsOf(CatalogParts parts)
    {
        if (parts.HasFlag(CatalogParts.Tools))
        {
            yield return NotificationMethods.ToolListChangedNotification;
        }

        if (parts.HasFlag(CatalogParts.Prompts))
        {
            yield return NotificationMethods.PromptListChangedNotification;
        }

        if (parts.HasFlag(CatalogParts.Resources))
        {
            yield return NotificationMethods.ResourceListChangedNotification;
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "A change of the lists could not be announced")]
    private partial void LogAnnouncementLost(Exception exception);
}
