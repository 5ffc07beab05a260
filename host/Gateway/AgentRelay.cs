using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>One client's conversation with one agent, passed on verbatim in both directions and in either era of the protocol.</summary>
internal sealed class AgentRelay(
    AgentAddress agent, string callerAgent, ClientConnection client, LegDialer dialer, LegPool pool, GatewayMetrics metrics, TimeProvider time, ILogger<AgentRelay> logger)
    : ClientRelay(client, metrics, time, logger)
{
    private readonly LegKey _key = new(agent, callerAgent, Initialized: false);
    private readonly Lock _lock = new();
    private SessionLeg? _session;

    public override Task OnNotificationAsync(Leg leg, JsonRpcNotification notification, Exchange? exchange, CancellationToken cancellationToken) =>
        Client.SendAsync(new JsonRpcNotification { Method = notification.Method, Params = notification.Params }, exchange?.Reply, cancellationToken);

    public override Task<JsonRpcMessageWithId> OnRequestAsync(Leg leg, JsonRpcRequest request, Exchange? exchange, CancellationToken cancellationToken) =>
        _session is not null
            ? Client.RequestAsync(request, exchange?.Reply, cancellationToken)
            // MCP 2026-07-28 has no requests from servers: they ask for input in their results.
            : throw new RelayException(RelayException.MethodNotFound, $"{request.Method}: in revision {McpJson.PerRequestVersion} servers make no requests.");

    protected override async Task<JsonRpcMessageWithId> RespondAsync(JsonRpcRequest request, Exchange exchange, CancellationToken cancellationToken)
    {
        if (!request.IsPerRequest())
        {
            return await Session().CallAsync(request.Method, request.Params, exchange, cancellationToken);
        }

        var answer = await pool.CallAsync(_key, this, request.Method, request.Params, exchange, cancellationToken);
        if (request.Method == RequestMethods.ServerDiscover && answer is JsonRpcResponse { Result: JsonObject result })
        {
            // Between client and agent the gateway speaks too, so its revisions are those that can be chosen.
            result["supportedVersions"] = SupportedVersions();
        }

        return answer;
    }

    protected override Task TakeAsync(JsonRpcNotification notification, CancellationToken cancellationToken) => _session is { } session
        ? session.NotifyAsync(notification.Method, notification.Params, cancellationToken)
        : pool.NotifyAsync(_key, this, notification.Method, notification.Params, cancellationToken);

    protected override ValueTask CloseAsync() => _session?.DisposeAsync() ?? ValueTask.CompletedTask;

    internal static JsonArray SupportedVersions() => new([McpJson.PerRequestVersion, .. McpJson.InitializeVersions]);

    private SessionLeg Session()
    {
        lock (_lock)
        {
            return _session ??= new(dialer, agent, callerAgent, this, initialize: null);
        }
    }
}
