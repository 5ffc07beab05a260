using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dawn.Agents;
using Dawn.Identity;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>
/// One <c>subscriptions/listen</c> of a client of the aggregate (MCP 2026-07-28): acknowledges what it grants, announces changes of the lists,
/// and subscribes to resources at their agents, until the client ends it.
/// </summary>
internal sealed partial class Listening(
    AggregateSession session, Catalog catalog, LegDialer dialer, LegPool pool, string callerAgent, TimeProvider time, ILogger logger)
{
    private const int MaxResources = 1024;
    private const int MaxAgents = 64;

    // How long to wait before an agent that went away is asked again.
    private static readonly TimeSpan RetryPeriod = TimeSpan.FromSeconds(5);

    public async Task<JsonRpcMessageWithId> RunAsync(JsonRpcRequest request, Exchange exchange, CancellationToken cancellationToken)
    {
        var wanted = (request.Params as JsonObject)?["notifications"] as JsonObject ?? [];
        var resources = new Dictionary<AgentAddress, List<string>>();
        var granted = Grant(wanted, resources, out var parts);

        var changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        var changed = 0;
        void OnChanged(CatalogParts what)
        {
            Interlocked.Or(ref changed, (int)(what & parts));
            changes.Writer.TryWrite(true);
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<Task> subscriptions = [];
        catalog.Changed += OnChanged;
        try
        {
            await SendAsync(NotificationMethods.SubscriptionsAcknowledgedNotification, new JsonObject { ["notifications"] = granted }, exchange, cancellationToken);
            subscriptions.AddRange(resources.Select(agent => SubscribeAsync(agent.Key, agent.Value, request, exchange, ending.Token)));
            while (await changes.Reader.WaitToReadAsync(cancellationToken))
            {
                changes.Reader.TryRead(out _);
                foreach (var method in AggregateSession.MethodsOf((CatalogParts)Interlocked.Exchange(ref changed, 0)))
                {
                    await SendAsync(method, [], exchange, cancellationToken);
                }
            }

            throw new InvalidOperationException("Only the client ends a subscription.");
        }
        finally
        {
            catalog.Changed -= OnChanged;
            await ending.CancelAsync();
            await Task.WhenAll(subscriptions);
        }
    }

    private static JsonObject Grant(JsonObject wanted, Dictionary<AgentAddress, List<string>> resources, out CatalogParts parts)
    {
        var granted = new JsonObject();
        parts = CatalogParts.None;
        foreach (var (key, part) in new[] { ("toolsListChanged", CatalogParts.Tools), ("promptsListChanged", CatalogParts.Prompts), ("resourcesListChanged", CatalogParts.Resources) })
        {
            if (wanted[key] is JsonValue value && value.TryGetValue(out bool on) && on)
            {
                parts |= part;
                granted[key] = true;
            }
        }

        var uris = new JsonArray();
        foreach (var wrapped in (wanted["resourceSubscriptions"] as JsonArray ?? []).Select(node => node.AsText()).Take(MaxResources))
        {
            if (ResourceUris.TryUnwrap(wrapped, out var agent, out var uri) && agent.Agent != AgentId.Node && (resources.ContainsKey(agent) || resources.Count < MaxAgents))
            {
                if (!resources.TryGetValue(agent, out var own))
                {
                    own = resources[agent] = [];
                }

                own.Add(uri);
                uris.Add(wrapped);
            }
        }

        if (uris.Count > 0)
        {
            granted["resourceSubscriptions"] = uris;
        }

        return granted;
    }

    private async Task SendAsync(string method, JsonObject parameters, Exchange exchange, CancellationToken cancellationToken)
    {
        parameters["_meta"] = new JsonObject { [MetaKeys.SubscriptionId] = exchange.Id.ToNode() };
        await session.Client.SendAsync(new JsonRpcNotification { Method = method, Params = parameters }, exchange.Reply, cancellationToken);
    }

    private async Task SubscribeAsync(AgentAddress agent, List<string> uris, JsonRpcRequest request, Exchange exchange, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                try
                {
                    await (await catalog.IsPerRequestAsync(agent, cancellationToken)
                        ? ListenAsync(agent, uris, request, exchange, cancellationToken)
                        : SubscribeOlderAsync(agent, uris, exchange, cancellationToken));
                }
                catch (RelayException e)
                {
                    LogLost(agent, e.Message);
                }

                await Task.Delay(RetryPeriod, time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The client ended it.
        }
    }

    private async Task ListenAsync(AgentAddress agent, List<string> uris, JsonRpcRequest request, Exchange exchange, CancellationToken cancellationToken)
    {
        var parameters = request.Params.With("notifications", new JsonObject { ["resourceSubscriptions"] = new JsonArray([.. uris.Select(uri => JsonValue.Create(uri))]) });
        var answer = await pool.CallAsync(new(agent, callerAgent, Initialized: false), session, request.Method, parameters, exchange, cancellationToken);
        LogLost(agent, (answer as JsonRpcError)?.Error.Message ?? "the agent ended it");
        // It may have been replaced by one that is greeted differently.
        catalog.Refresh(agent);
    }

    private async Task SubscribeOlderAsync(AgentAddress agent, List<string> uris, Exchange exchange, CancellationToken cancellationToken)
    {
        await using var leg = await dialer.OpenAsync(agent, callerAgent, new OlderPeer(session, exchange), cancellationToken);
        await dialer.InitializeAsync(leg, LegDialer.OwnInitialize(), cancellationToken);
        foreach (var uri in uris)
        {
            await dialer.HandshakeAsync(leg, RequestMethods.ResourcesSubscribe, new JsonObject { ["uri"] = uri }, cancellationToken);
        }

        while (leg.IsAlive)
        {
            await Task.Delay(RetryPeriod, time, cancellationToken);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "A subscription at {Agent} ended: {Cause}")]
    private partial void LogLost(AgentAddress agent, string cause);

    /// <summary>Marks updates of an older agent with the subscription they belong to.</summary>
    private sealed class OlderPeer(AggregateSession session, Exchange subscription) : ILegPeer
    {
        public Task OnNotificationAsync(Leg leg, JsonRpcNotification notification, Exchange? exchange, CancellationToken cancellationToken)
        {
            if (notification.Method != NotificationMethods.ResourceUpdatedNotification)
            {
                return Task.CompletedTask;
            }

            var parameters = notification.Params.With("_meta", new JsonObject { [MetaKeys.SubscriptionId] = subscription.Id.ToNode() });
            return session.OnNotificationAsync(leg, new JsonRpcNotification { Method = notification.Method, Params = parameters }, subscription, cancellationToken);
        }

        public Task<JsonRpcMessageWithId> OnRequestAsync(Leg leg, JsonRpcRequest request, Exchange? exchange, CancellationToken cancellationToken) =>
            throw new RelayException(RelayException.MethodNotFound, "Nobody can be asked on a subscription.");
    }
}
