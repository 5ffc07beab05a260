using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Dawn.Gateway;

/// <summary>
/// The wire protocol for pages, at <c>/link</c>: what connects here is a neighbour like any other, once it has proven membership or holds a ticket.
/// Hosts and origins were checked before, so that of all pages only this gateway's own get here; the link's handshake decides the rest.
/// </summary>
/// <remarks>Open as long as the node's listeners are: what a neighbour may ask for is there before, and gone after.</remarks>
/// <param name="serve">Carries an accepted connection, with the scheme it came by, to the end of its link: <see cref="Links.LinkListener.ServeAsync"/>.</param>
internal sealed class LinkEndpoint(Func<ConnectionContext, string, CancellationToken, Task> serve, TimeProvider time) : IHostedService
{
    public const string Path = "/link";

    /// <summary>Connections at once, whether or not they have become links: of these there are at most 512.</summary>
    public const int MaxConnections = 768;

    private readonly CancellationTokenSource _stopping = new();
    private bool _isOpen;
    private int _connections;
    private long _count;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        Volatile.Write(ref _isOpen, true);
        return Task.CompletedTask;
    }

    /// <summary>Lets nobody in any more. Links that are up live on until the node closes them.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        Volatile.Write(ref _isOpen, false);
        await _stopping.CancelAsync();
    }

    /// <summary>Answers a handshake, and serves the connection to the end of its link.</summary>
    public async Task InvokeAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            // RFC 9110, 15.5.22, and RFC 6455, 4.2.2, say what to ask for.
            context.Response.Headers.SecWebSocketVersion = "13";
            if (HttpProtocol.IsHttp11(context.Request.Protocol))
            {
                (context.Response.Headers.Upgrade, context.Response.Headers.Connection) = ("websocket", "Upgrade");
            }

            await GatewayAccess.RefuseAsync(context, StatusCodes.Status426UpgradeRequired, $"{Path} is for this gateway's pages, which speak Dawn's wire protocol over WebSocket (RFC 6455, version 13).");
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _connections) > MaxConnections || !Volatile.Read(ref _isOpen))
            {
                await GatewayAccess.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, "The node takes no more pages now; try again later.");
                return;
            }

            using var request = new Cut(context);
            // Links have a keep-alive of their own.
            var socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext { KeepAliveInterval = Timeout.InfiniteTimeSpan });
            var connection = new PageConnection(socket, $"page-{Interlocked.Increment(ref _count)}", EndPointOf(context.Connection), request.Now, time);
            await serve(connection, context.Request.IsHttps ? "wss" : "ws", _stopping.Token);
            // The socket lives as long as this request.
            await connection.DisposeAsync();
        }
        finally
        {
            Interlocked.Decrement(ref _connections);
        }
    }

    /// <summary>Ends what carries a socket: under HTTP/2 its stream alone, since the connection is that of all the browser's pages here.</summary>
    private sealed class Cut(HttpContext context) : IDisposable
    {
        private readonly Lock _lock = new();
        private bool _isOver;

        public void Now()
        {
            lock (_lock)
            {
                if (_isOver)
                {
                    return;
                }

                if (HttpProtocol.IsHttp2(context.Request.Protocol))
                {
                    context.Abort();
                }
                else
                {
                    context.Features.GetRequiredFeature<IConnectionLifetimeFeature>().Abort();
                }
            }
        }

        /// <summary>The request is over, and its context may be another's.</summary>
        public void Dispose()
        {
            lock (_lock)
            {
                _isOver = true;
            }
        }
    }

    private static IPEndPoint? EndPointOf(ConnectionInfo connection) =>
        connection.RemoteIpAddress is not { } address ? null : new(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, connection.RemotePort);
}
