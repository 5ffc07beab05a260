using System.Net;
using System.Net.Sockets;
using System.Text;
using Dawn;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace UnixSockets;

/// <summary>Unix domain sockets: links between nodes on one machine, at <c>unix:///run/dawn/a.sock</c>.</summary>
/// <remarks>Kestrel turns a connected socket into pipes, with back pressure at both ends; what is left is finding, guarding and cleaning up the file.</remarks>
internal sealed class UnixTransport(IOptions<UnixSettings> options, ILogger<UnixTransport> logger) : IPeerTransport, IDisposable
{
    // sun_path with its closing zero: unix(7) has 108 bytes, the BSDs 104.
    private static readonly int MaxPath = (OperatingSystem.IsLinux() || OperatingSystem.IsWindows() ? 108 : 104) - 1;

    private readonly UnixSettings _settings = options.Value;
    private readonly CancellationTokenSource _disposed = new();
    private readonly SocketConnectionContextFactory _connections = new(new SocketConnectionFactoryOptions(), logger);

    public IReadOnlyCollection<string> Schemes { get; } = ["unix"];

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var (uri, path) = PathOf(endpoint);
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        var socket = NewSocket();
        try
        {
            await RemoveStaleAsync(uri, path, cancellationToken);
            socket.Bind(new UnixDomainSocketEndPoint(path));
            if (!OperatingSystem.IsWindows())
            {
                // Before anyone can connect, which needs Listen: this user alone.
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            socket.Listen(_settings.Backlog);
            return new UnixListener(socket, uri, Adopt);
        }
        catch (Exception e) when (e is SocketException or UnauthorizedAccessException)
        {
            socket.Dispose();
            throw e is SocketException { SocketErrorCode: SocketError.AddressAlreadyInUse }
                ? InUse(uri, e)
                : new IOException($"{uri.AbsoluteUri} can't be listened on: {e.Message}. The folder must exist, and this user may write to it.", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var (uri, path) = PathOf(endpoint);
        ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
        return Adopt(await DialAsync(path, cancellationToken), uri);
    }

    /// <summary>Ends every connection: a node that unloads this plugin is not kept waiting by their users.</summary>
    public void Dispose()
    {
        _disposed.Cancel();
        _connections.Dispose();
    }

    private static Socket NewSocket() => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    private static async Task<Socket> DialAsync(string path, CancellationToken cancellationToken)
    {
        var socket = NewSocket();
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private ConnectionContext Adopt(Socket socket, Uri uri)
    {
        var connection = _connections.Create(socket);
        // Who dials has no name of its own: both ends call the connection by the file that it goes through.
        connection.RemoteEndPoint = new UriEndPoint(uri);
        var registration = _disposed.Token.UnsafeRegister(static c => ((ConnectionContext)c!).Abort(), connection);
        connection.ConnectionClosed.UnsafeRegister(static r => ((CancellationTokenRegistration)r!).Unregister(), registration);
        return connection;
    }

    /// <summary>Deletes the socket file of a program that was killed; whatever else lies there is left alone.</summary>
    private static async Task RemoveStaleAsync(Uri uri, string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            return;
        }

        if (!IsSocket(path))
        {
            throw new IOException($"{uri.AbsoluteUri} can't be listened on: a file that is no socket lies there. Choose another path, or delete it.");
        }

        try
        {
            (await DialAsync(path, cancellationToken)).Dispose();
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }

        throw InUse(uri, null);
    }

    // open(2) refuses sockets, with ENXIO, and only them among the files that this user may read.
    private static bool IsSocket(string path)
    {
        try
        {
            File.OpenHandle(path, options: FileOptions.Asynchronous).Dispose();
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private (Uri Uri, string Path) PathOf(EndPoint endpoint)
    {
        if (endpoint is not UriEndPoint { Uri: var uri } || !Schemes.Contains(uri.Scheme) || uri is not { Authority: "", AbsolutePath: ['/', _, ..] })
        {
            throw new NotSupportedException($"{endpoint} is no address of this transport: it takes unix:///folder/name.sock, with three slashes.");
        }

        var path = Uri.UnescapeDataString(uri.AbsolutePath);
        var length = Encoding.UTF8.GetByteCount(path);
        return length <= MaxPath
            ? (uri, path)
            : throw new NotSupportedException($"{uri.AbsoluteUri} is too long: {length} bytes, and the operating system takes {MaxPath}. Choose a shorter folder, such as one in /run or /tmp.");
    }

    private static AddressInUseException InUse(Uri uri, Exception? inner) =>
        new($"{uri.AbsoluteUri} is in use by another program: choose another path, or stop that program.", inner!);
}
