using System.Net.WebSockets;

namespace Dawn.Gateway;

/// <summary>
/// MCP over WebSocket at <c>/mcp/ws</c>, for clients that know nothing newer: the aggregate, one connection for a client's whole life.
/// MCP specifies no such transport; the subprotocol <c>mcp</c> with one JSON-RPC message in each text message is what its clients agree on.
/// </summary>
internal sealed partial class WebSocketRelays(AggregateRelay aggregate, TimeProvider time, ILogger<WebSocketRelays> logger, WebSocketLimits? limits = null) : IAsyncDisposable
{
    /// <summary>Where an agent <c>ws</c> would be, hence none may be called so.</summary>
    public const string Path = "/mcp/" + Identity.AgentId.WebSocket;

    public const string Subprotocol = "mcp";

    private readonly WebSocketLimits _limits = limits ?? new();
    private readonly CancellationTokenSource _stopping = new();
    private int _clients;

    /// <summary>Clients served now.</summary>
    public int Clients => Volatile.Read(ref _clients);

    /// <summary>Answers a handshake and serves the client to its end. Who may come at all was checked before.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            // RFC 9110, 15.5.22, and RFC 6455, 4.2.2, say what to ask for.
            var headers = context.Response.Headers;
            headers.SecWebSocketVersion = "13";
            if (HttpProtocol.IsHttp11(context.Request.Protocol))
            {
                (headers.Upgrade, headers.Connection) = ("websocket", "Upgrade");
            }

            await GatewayAccess.RefuseAsync(context, StatusCodes.Status426UpgradeRequired, $"{Path} is for WebSocket clients (RFC 6455, version 13, subprotocol '{Subprotocol}'); MCP over HTTP is at /mcp.");
            return;
        }

        if (!context.WebSockets.WebSocketRequestedProtocols.Contains(Subprotocol))
        {
            await GatewayAccess.RefuseAsync(
                context, StatusCodes.Status400BadRequest, $"The WebSocket handshake asks for no subprotocol that is spoken here; send 'Sec-WebSocket-Protocol: {Subprotocol}'.", default, RelayException.InvalidRequest);
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _clients) > _limits.Clients)
            {
                await GatewayAccess.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, $"The gateway serves {_limits.Clients} WebSocket clients already; try again later.");
                return;
            }

            using var socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext
            {
                SubProtocol = Subprotocol,
                KeepAliveInterval = _limits.Ping,
                KeepAliveTimeout = _limits.Pong,
            });
            await ServeAsync(socket, GatewayAccess.CallerOf(context));
        }
        finally
        {
            Interlocked.Decrement(ref _clients);
        }
    }

    /// <summary>Tells all clients that the node stops; the server that runs them waits for their end.</summary>
    public async ValueTask DisposeAsync() => await _stopping.CancelAsync();

    private async Task ServeAsync(WebSocket socket, string caller)
    {
        await using var transport = new WebSocketTransport(socket, _limits, time);
        await aggregate.ServeAsync(transport, caller, _stopping.Token);
        var (status, reason) = _stopping.IsCancellationRequested
            ? transport.EndWith(WebSocketCloseStatus.EndpointUnavailable, "The node stops.")
            : transport.EndWith(WebSocketCloseStatus.NormalClosure, "");
        LogEnded((int)status, reason);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "A WebSocket client ends with {Status}: {Reason}")]
    private partial void LogEnded(int status, string reason);
}
