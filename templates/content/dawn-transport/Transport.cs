using System.Net;
using System.Net.Sockets;
using Dawn;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace MyTransport;

/// <summary>Carries bytes under the scheme myscheme. As it stands it is TCP between the ports of one machine: put your own medium in its place.</summary>
internal sealed class Transport(IOptions<Settings> options, ILogger<Transport> logger) : IPeerTransport, IDisposable
{
    private readonly CancellationTokenSource _disposed = new();
    // Turns a connected socket into pipes, with back pressure both ways. Over another medium derive your own ConnectionContext.
    private readonly SocketConnectionContextFactory _connections = new(new SocketConnectionFactoryOptions(), logger);

    public IReadOnlyCollection<string> Schemes { get; } = ["myscheme"];

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var uri = UriOf(endpoint);
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, uri.Port));
            socket.Listen(options.Value.Backlog);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw e.SocketErrorCode == SocketError.AddressAlreadyInUse
                ? new AddressInUseException($"{uri.Authority} is in use by another program: choose another port, or stop that program.", e)
                : new IOException($"{uri.Authority} can't be listened on: {e.Message}.", e);
        }

        // Port 0 lets the system choose: the listener says which it was.
        var bound = new UriBuilder(uri) { Port = ((IPEndPoint)socket.LocalEndPoint!).Port }.Uri;
        return new(new Listener(socket, bound, Adopt));
    }

    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var uri = UriOf(endpoint);
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, uri.Port), cancellationToken);
            return Adopt(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Ends every connection: a node that unloads this plugin is not kept waiting by their users.</summary>
    public void Dispose()
    {
        _disposed.Cancel();
        _connections.Dispose();
    }

    private ConnectionContext Adopt(Socket socket)
    {
        // Frames leave in one write each; waiting for more would only add 40 ms to small ones.
        socket.NoDelay = true;
        var connection = _connections.Create(socket);
        var registration = _disposed.Token.UnsafeRegister(static c => ((ConnectionContext)c!).Abort(), connection);
        connection.ConnectionClosed.UnsafeRegister(static r => ((CancellationTokenRegistration)r!).Unregister(), registration);
        return connection;
    }

    private Uri UriOf(EndPoint endpoint) =>
        endpoint is UriEndPoint { Uri: var uri } && Schemes.Contains(uri.Scheme) && uri is { IsLoopback: true, Port: >= 0 }
            ? uri
            : throw new NotSupportedException($"{endpoint} is no address of this transport: it takes myscheme://127.0.0.1:port.");
}
