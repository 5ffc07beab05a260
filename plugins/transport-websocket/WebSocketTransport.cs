using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Dawn.Transports.WebSockets;

/// <summary>Bytes in binary WebSocket messages (RFC 6455), whose bounds mean nothing. Addresses have no path: listeners answer at <c>/</c>.</summary>
internal sealed class WebSocketTransport : IPeerTransport, IDisposable
{
    private readonly WebSocketSettings _settings;
    private readonly CertificateFiles _certificates;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _loggers;
    private readonly HttpMessageInvoker _direct;
    private readonly HttpMessageInvoker _proxied;
    private readonly CancellationTokenSource _disposed = new();

    public WebSocketTransport(IOptions<WebSocketSettings> options, CertificateFiles certificates, TimeProvider time, ILoggerFactory loggers)
    {
        (_settings, _certificates, _time, _loggers) = (options.Value, certificates, time, loggers);
        _direct = new(Handler(useProxy: false));
        _proxied = new(Handler(useProxy: true));
    }

    public IReadOnlyCollection<string> Schemes { get; } = ["ws", "wss"];

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var uri = UriOf(endpoint);
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        return await WebSocketListener.StartAsync(uri, _settings, _certificates, _time, _loggers, _disposed.Token, cancellationToken);
    }

    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var uri = UriOf(endpoint);
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        var socket = new ClientWebSocket();
        // Keep-alive is the link's business.
        socket.Options.KeepAliveInterval = Timeout.InfiniteTimeSpan;
        using var timeout = new CancellationTokenSource(_settings.ConnectTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            // Proxies are why wss exists; the plain scheme is for networks that need none.
            await socket.ConnectAsync(new Uri(uri, "/"), uri.Scheme == "wss" && !uri.IsLoopback ? _proxied : _direct, either.Token);
        }
        catch (Exception e)
        {
            socket.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException(
                timeout.IsCancellationRequested
                    ? $"{Text(uri)} did not answer within {_settings.ConnectTimeout.TotalSeconds:0.#} s."
                    : $"{Text(uri)} can't be reached: {e.GetBaseException().Message}",
                e);
        }

        return new WebSocketConnection(socket, _settings.CloseTimeout, _time, _disposed.Token) { RemoteEndPoint = endpoint };
    }

    /// <summary>Ends every listener and connection: whoever unloads this transport is not kept waiting by its users.</summary>
    public void Dispose()
    {
        _disposed.Cancel();
        _direct.Dispose();
        _proxied.Dispose();
    }

    internal static string Text(Uri uri) => uri.GetLeftPart(UriPartial.Authority);

    private SocketsHttpHandler Handler(bool useProxy) => new()
    {
        UseProxy = useProxy,
        UseCookies = false,
        // Whoever is dialled answers itself or not at all.
        AllowAutoRedirect = false,
        ActivityHeadersPropagator = null,
        MaxResponseHeadersLength = 8,
        ConnectTimeout = _settings.ConnectTimeout,
        SslOptions = _certificates.ForDialing(),
    };

    private Uri UriOf(EndPoint endpoint) =>
        endpoint is UriEndPoint { Uri: var uri } && Schemes.Contains(uri.Scheme)
            ? uri
            : throw new NotSupportedException($"{endpoint} is no address of this transport: it takes ws://host:port and wss://host:port.");
}
