using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Dawn.Transports.Tcp;

/// <summary>Plain TCP, for both ends.</summary>
internal sealed class TcpTransport(IOptions<TcpSettings> options, TimeProvider time, ILogger<TcpTransport> logger) : IPeerTransport, IDisposable
{
    private readonly TcpSettings _settings = options.Value;
    private readonly CancellationTokenSource _disposed = new();
    public IReadOnlyCollection<string> Schemes { get; } = ["tcp"];

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var uri = UriOf(endpoint);
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        var address = new IPEndPoint(await AddressOfAsync(uri, cancellationToken), uri.Port);
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (address.Address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.Bind(address);
            socket.Listen(_settings.Backlog);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw e.SocketErrorCode == SocketError.AddressAlreadyInUse
                ? new AddressInUseException($"{Text(uri)} is in use by another program: choose another port, or stop that program.", e)
                : new IOException($"{Text(uri)} can't be listened on: {e.Message}.", e);
        }

        var bound = new UriEndPoint(new UriBuilder(uri) { Port = ((IPEndPoint)socket.LocalEndPoint!).Port }.Uri);
        return new TcpListener(socket, bound, Adopt, time, logger);
    }

    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var uri = UriOf(endpoint);
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        using var timeout = new CancellationTokenSource(_settings.ConnectTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(uri.DnsSafeHost, uri.Port, either.Token);
            return Adopt(socket);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new IOException($"{Text(uri)} did not answer within {_settings.ConnectTimeout.TotalSeconds:0.#} s.", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Ends every connection: whoever unloads this transport is not kept waiting by its users.</summary>
    public void Dispose() => _disposed.Cancel();

    private TcpConnection Adopt(Socket socket)
    {
        // Frames leave in one write each; waiting for more (RFC 896) would only add 40 ms to small ones.
        socket.NoDelay = true;
        return new(socket, time, _disposed.Token);
    }

    private Uri UriOf(EndPoint endpoint)
    {
        if (endpoint is not UriEndPoint { Uri: var uri } || !Schemes.Contains(uri.Scheme))
        {
            throw new NotSupportedException($"{endpoint} is no address of this transport: it takes tcp://host:port.");
        }

        return uri.Port >= 0 ? uri : throw new NotSupportedException($"{Text(uri)} lacks a port: write {Text(uri)}:7611, or another.");
    }

    private static string Text(Uri uri) => uri.GetLeftPart(UriPartial.Authority);

    private static async ValueTask<IPAddress> AddressOfAsync(Uri uri, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(uri.DnsSafeHost, out var literal))
        {
            return literal;
        }

        if (uri.Host == "localhost")
        {
            return IPAddress.Loopback;
        }

        try
        {
            return (await Dns.GetHostAddressesAsync(uri.DnsSafeHost, cancellationToken))[0];
        }
        catch (SocketException e)
        {
            throw new IOException($"{Text(uri)} can't be listened on: {uri.Host} is unknown here; write an IP address of this machine.", e);
        }
    }
}
