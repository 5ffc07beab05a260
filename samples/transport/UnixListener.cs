using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace UnixSockets;

/// <summary>A listening socket. Unbinding or disposing it deletes the file and leaves accepted connections alone.</summary>
internal sealed class UnixListener(Socket socket, Uri uri, Func<Socket, Uri, ConnectionContext> adopt) : IConnectionListener
{
    private volatile bool _unbound;

    public EndPoint EndPoint { get; } = new UriEndPoint(uri);

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (!_unbound)
        {
            try
            {
                return adopt(await socket.AcceptAsync(cancellationToken), uri);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException && _unbound)
            {
                // That is how a waiting accept learns of the end.
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
            {
                // The peer was gone before it was accepted: the next one.
            }
        }

        return null;
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        _unbound = true;
        // .NET deletes the file of a socket that it has bound.
        socket.Dispose();
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => UnbindAsync();
}
