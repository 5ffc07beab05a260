using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Dawn.Transports.WebSockets;

/// <summary>Hands out the WebSockets that a Kestrel of its own accepts. Unbinding leaves them alone; disposing ends them.</summary>
internal sealed class WebSocketListener : IConnectionListener
{
    // Connections that have not become WebSockets yet: strangers, so few and not for long.
    private const int MaxStrangers = 256;
    private static readonly TimeSpan StrangersTime = TimeSpan.FromSeconds(5);

    private readonly WebApplication _app;
    private readonly IConnectionListener _sockets;
    private readonly Channel<WebSocketConnection> _accepted;
    private readonly WebSocketSettings _settings;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _disposed;
    private int _isDisposed;

    private WebSocketListener(WebApplication app, IConnectionListener sockets, Uri address, WebSocketSettings settings, TimeProvider time, CancellationToken transportDisposed)
    {
        (_app, _sockets, _settings, _time) = (app, sockets, settings, time);
        _accepted = Channel.CreateBounded<WebSocketConnection>(settings.Backlog);
        _disposed = CancellationTokenSource.CreateLinkedTokenSource(transportDisposed);
        EndPoint = new UriEndPoint(new UriBuilder(address) { Port = ((IPEndPoint)sockets.EndPoint).Port, Path = "/" }.Uri);
    }

    public EndPoint EndPoint { get; }

    public static async Task<WebSocketListener> StartAsync(
        Uri uri, WebSocketSettings settings, CertificateFiles certificates, TimeProvider time, ILoggerFactory loggers, CancellationToken transportDisposed, CancellationToken cancellationToken)
    {
        var tls = uri.Scheme == "wss" ? certificates.Load(uri) : null;
        // Bound here and not by Kestrel: its address is known, its failures are plain, and it can be unbound while connections live.
        var sockets = await BindAsync(uri, loggers, cancellationToken);
        var builder = WebApplication.CreateEmptyBuilder(new() { ContentRootPath = AppContext.BaseDirectory });
        builder.Services.AddSingleton(loggers);
        builder.Services.AddSingleton<IHostLifetime, OwnerDecides>();
        builder.Services.AddSingleton<IConnectionListenerFactory>(new Bound(sockets));
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = MaxStrangers;
            kestrel.Limits.MaxRequestHeadersTotalSize = 8 * 1024;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.RequestHeadersTimeout = StrangersTime;
            kestrel.Limits.KeepAliveTimeout = StrangersTime;
            kestrel.Listen((IPEndPoint)sockets.EndPoint, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                if (tls is not null)
                {
                    listen.UseHttps(https =>
                    {
                        (https.ServerCertificate, https.ServerCertificateChain) = (tls.Certificate, tls.Chain);
                        https.HandshakeTimeout = StrangersTime;
                    });
                }
            });
        });

        var app = builder.Build();
        var listener = new WebSocketListener(app, sockets, uri, settings, time, transportDisposed);
        app.UseWebSockets(new() { KeepAliveInterval = Timeout.InfiniteTimeSpan });
        app.Run(listener.ServeAsync);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch
        {
            await listener.DisposeAsync();
            throw;
        }

        return listener;
    }

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await _accepted.Reader.WaitToReadAsync(cancellationToken))
        {
            if (_accepted.Reader.TryRead(out var connection))
            {
                return connection;
            }
        }

        return null;
    }

    public async ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        _accepted.Writer.TryComplete();
        await _sockets.UnbindAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        await UnbindAsync();
        await _disposed.CancelAsync();
        while (_accepted.Reader.TryRead(out var nobodys))
        {
            await nobodys.DisposeAsync();
        }

        using var timeout = new CancellationTokenSource(_settings.CloseTimeout, _time);
        await _app.StopAsync(timeout.Token);
        await _app.DisposeAsync();
        _disposed.Dispose();
    }

    private async Task ServeAsync(HttpContext context)
    {
        if (context.Request.Path != "/")
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
        }
        else if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            context.Response.Headers.Upgrade = "websocket";
        }
        else if (_accepted.Reader.Count >= _settings.Backlog)
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        }
        else
        {
            // The connection's own feature: unlike the request it may be touched when the request is over.
            var carrier = context.Features.GetRequiredFeature<IConnectionLifetimeFeature>();
            var socket = await context.WebSockets.AcceptWebSocketAsync();
            var connection = new WebSocketConnection(socket, _settings.CloseTimeout, _time, _disposed.Token, carrier.Abort)
            {
                RemoteEndPoint = EndPointOf(context.Connection.RemoteIpAddress, context.Connection.RemotePort),
                LocalEndPoint = EndPointOf(context.Connection.LocalIpAddress, context.Connection.LocalPort),
            };
            if (!_accepted.Writer.TryWrite(connection))
            {
                // Others took the last places meanwhile, or the listener was unbound.
                connection.Abort();
                await connection.DisposeAsync();
            }

            // The socket lives as long as this request.
            await connection.Completed;
        }
    }

    private static IPEndPoint? EndPointOf(IPAddress? address, int port) =>
        address is null ? null : new(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, port);

    private static async Task<IConnectionListener> BindAsync(Uri uri, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var text = WebSocketTransport.Text(uri);
        try
        {
            var address = IPAddress.TryParse(uri.DnsSafeHost, out var literal) ? literal
                : uri.Host == "localhost" ? IPAddress.Loopback
                : (await Dns.GetHostAddressesAsync(uri.DnsSafeHost, cancellationToken))[0];
            // As for any other transport, see MaxReadBuffer and MaxWriteBuffer of the connection; NoDelay is Kestrel's default.
            var options = new SocketTransportOptions { MaxReadBufferSize = 128 * 1024, MaxWriteBufferSize = 64 * 1024, UnsafePreferInlineScheduling = true };
            return await new SocketTransportFactory(Options.Create(options), loggers).BindAsync(new IPEndPoint(address, uri.Port), cancellationToken);
        }
        catch (AddressInUseException e)
        {
            throw new AddressInUseException($"{text} is in use by another program: choose another port, or stop that program.", e);
        }
        catch (SocketException e)
        {
            throw new IOException($"{text} can't be listened on: {e.Message}.", e);
        }
    }

    /// <summary>Gives Kestrel the sockets that are bound already.</summary>
    private sealed class Bound(IConnectionListener sockets) : IConnectionListenerFactory
    {
        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => new(sockets);
    }

    /// <summary>No signal handlers here: the listener's owner says when it ends.</summary>
    private sealed class OwnerDecides : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
