using System.Collections.Concurrent;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Gateway;

/// <summary>
/// Joins the SDK's Streamable HTTP, which knows sessions, streams and headers, to the relays, which see every message before the SDK would interpret it:
/// its typed objects lose what they don't know.
/// </summary>
internal sealed class HttpRelays(
    IAgentDirectory directory, AggregateRelay aggregate, LegDialer dialer, LegPool pool, GatewayMetrics metrics, TimeProvider time, ILoggerFactory loggers)
    : IAsyncDisposable
{
    /// <summary>Clients at once, sessions and lone requests alike: each may hold a leg and messages of its own.</summary>
    public const int MaxClients = 4096;

    private static readonly object RelayKey = new();
    private static readonly object TargetKey = new();

    private readonly ConcurrentDictionary<ClientRelay, bool> _clients = new();

    /// <summary>Clients served now.</summary>
    public int Clients => _clients.Count;

    /// <summary>Finds the agent that the path names, before the SDK opens a session for it.</summary>
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        // Requests of the per-request era belong to no session, whatever their headers say.
        var headers = context.Request.Headers;
        var isNew = !headers.ContainsKey(McpJson.SessionIdHeader) || headers[McpJson.ProtocolVersionHeader] == McpJson.PerRequestVersion;
        if (!context.Request.Path.StartsWithSegments("/mcp") || !isNew || !HttpMethods.IsPost(context.Request.Method))
        {
            await next(context);
            return;
        }

        if (_clients.Count >= MaxClients)
        {
            await GatewayAccess.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, $"The gateway serves {MaxClients} clients already; try again later.");
            return;
        }

        if (context.GetRouteValue("address") is string address)
        {
            try
            {
                context.Items[TargetKey] = directory.Resolve(address);
            }
            catch (MeshException e)
            {
                await GatewayAccess.RefuseAsync(context, StatusCodes.Status404NotFound, e.Message, await RequestIdAsync(context), RelayException.InvalidParams);
                return;
            }
        }

        await next(context);
    }

    /// <summary>Called by the SDK for each new session, and for each request of the per-request era.</summary>
    public Task ConfigureAsync(HttpContext context, McpServerOptions options, CancellationToken cancellationToken)
    {
        var accessor = context.RequestServices.GetRequiredService<IHttpContextAccessor>();
        var caller = GatewayAccess.CallerOf(context);
        var client = new ClientConnection { Unsolicited = (_, _) => throw new InvalidOperationException("The session has not begun.") };
        var relay = context.GetRouteValue("address") is string address
            ? new AgentRelay(context.Items[TargetKey] as AgentAddress? ?? directory.Resolve(address), caller, client, dialer, pool, metrics, time, loggers.CreateLogger<AgentRelay>())
            : aggregate.Open(caller, client);
        context.Items[RelayKey] = relay;
        options.Filters.Message.IncomingFilters.Add(next => async (message, ct) =>
        {
            // A client that leaves a request has cancelled it: without a store of events nobody could fetch the answer later.
            var aborted = message.JsonRpcMessage is JsonRpcRequest ? accessor.HttpContext?.RequestAborted ?? default : default;
            using var either = CancellationTokenSource.CreateLinkedTokenSource(aborted, ct);
            await relay.HandleAsync(message.JsonRpcMessage, message.JsonRpcMessage.Context?.RelatedTransport, either.Token);
            if (message.JsonRpcMessage is JsonRpcResponse or JsonRpcError)
            {
                // Where the SDK sent the request (outside any call), it waits for the answer too.
                await next(message, ct);
            }
        });
        return Task.CompletedTask;
    }

    /// <summary>Runs a session from its first message to its end.</summary>
    public async Task RunAsync(HttpContext context, McpServer server, CancellationToken cancellationToken)
    {
        var relay = (ClientRelay)context.Items[RelayKey]!;
        relay.Client.Unsolicited = (message, ct) => message is JsonRpcRequest request ? server.SendRequestAsync(request, ct) : server.SendMessageAsync(message, ct);
        _clients[relay] = true;
        metrics.ClientCame();
        try
        {
            await server.RunAsync(cancellationToken);
        }
        finally
        {
            _clients.TryRemove(relay, out _);
            metrics.ClientWent();
            await relay.DisposeAsync();
        }
    }

    /// <summary>Ends all clients: what is unanswered gets an error.</summary>
    public async ValueTask DisposeAsync() => await Task.WhenAll(_clients.Keys.Select(client => client.DisposeAsync().AsTask()));

    private static async Task<RequestId> RequestIdAsync(HttpContext context)
    {
        try
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            return JsonRpc.Deserialize(body.ToArray()) is JsonRpcRequest request ? request.Id : default;
        }
        catch (System.Text.Json.JsonException)
        {
            // An error without an id is all that such a body can get.
            return default;
        }
    }
}
