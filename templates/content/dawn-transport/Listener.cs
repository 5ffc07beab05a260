using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace MyTransport;

/// <summary>Accepts until it is unbound. Unbinding or disposing it leaves accepted connections alone.</summary>
internal sealed class Listener(Socket socket, Uri uri, Func<Socket, ConnectionContext> adopt) : IConnectionListener
{
    private volatile bool _unbound;

    public EndPoint EndPoint { get; } = new UriEndPoint(uri);

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (!_unbound)
        {
            try
            {
                return adopt(await socket.AcceptAsync(cancellationToken));
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
        socket.Dispose();
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => UnbindAsync();
}
