using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Dawn.Transports.Tcp;

/// <summary>A listening socket. Unbinding or disposing it leaves accepted connections alone.</summary>
internal sealed partial class TcpListener(Socket socket, EndPoint endpoint, Func<Socket, ConnectionContext> adopt, TimeProvider time, ILogger logger) : IConnectionListener
{
    private static readonly TimeSpan PauseAtLimit = TimeSpan.FromMilliseconds(100);

    private volatile bool _unbound;

    public EndPoint EndPoint => endpoint;

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (!_unbound)
        {
            Socket? accepted = null;
            try
            {
                accepted = await socket.AcceptAsync(cancellationToken);
                return adopt(accepted);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException && _unbound)
            {
                accepted?.Dispose();
            }
            catch (SocketException e) when (accepted is not null || e.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
            {
                // The peer was gone before it was accepted: the next one.
                accepted?.Dispose();
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
            {
                AtLimit(endpoint, e.Message);
                await Task.Delay(PauseAtLimit, time, cancellationToken);
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

    [LoggerMessage(LogLevel.Warning, "{EndPoint} can't accept more connections now: {Cause}. Raise the limit of open files")]
    private partial void AtLimit(EndPoint endPoint, string cause);
}
