using System.Net;
using System.Net.Sockets;
using Dawn.Noise;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Links;

/// <summary>Accepts connections and makes links of those that can prove membership; the others are ended without a word. Thread-safe; one for all listeners.</summary>
internal sealed partial class LinkListener(LinkHandshake handshake, LinkTable table, LinkOptions options, TimeProvider time, ILogger<LinkListener> logger)
{
    // What strangers cause is logged at most this often.
    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(10);

    // After a failed accept, such as for want of file handles.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly HandshakeLimits _limits = new(options, time);
    private readonly AcceptPace _pace = new(options, time);
    private readonly Lock _lock = new();
    private long _loggedAt;
    private int _unlogged = -1;

    /// <summary>Accepts until the token or the listener ends. Links that are up live on; handshakes end with the token.</summary>
    public async Task RunAsync(IConnectionListener listener, CancellationToken cancellationToken)
    {
        var scheme = (listener.EndPoint as UriEndPoint)?.Uri.Scheme ?? "unknown";
        var failing = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var connection = await listener.AcceptAsync(cancellationToken);
                if (connection is null)
                {
                    return;
                }

                failing = false;
                _ = ServeAsync(connection, scheme, cancellationToken);
                if (_pace.Count() is { Ticks: > 0 } pause)
                {
                    await Task.Delay(pause, time, cancellationToken);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (Exception e)
            {
                // One connection that couldn't be accepted ends no listener, and many in a row are one line in the log.
                if (!failing)
                {
                    LogAcceptFailed(e, listener.EndPoint);
                }

                failing = true;
                await Task.Delay(Pause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            }
        }
    }

    /// <summary>Serves one accepted connection, from wherever it comes, to the end of its link; it is disposed then. Never throws.</summary>
    public async Task ServeAsync(ConnectionContext connection, string scheme, CancellationToken cancellationToken)
    {
        try
        {
            if (await HandshakeAsync(connection, cancellationToken) is var (peer, number))
            {
                var (_, completion) = table.Start(connection, peer, isInitiator: false, AddressOf(scheme, connection.RemoteEndPoint), number);
                await completion;
                return;
            }
        }
        catch (Exception e)
        {
            LogServingFailed(e, connection.RemoteEndPoint);
        }

        try
        {
            // Without an abort, so that the hello still arrives and the dialer can tell its own people what is wrong; within bounds.
            await connection.DisposeAsync().AsTask().WaitAsync(options.CloseTimeout, time, CancellationToken.None);
        }
        catch (Exception e)
        {
            LogDisposeFailed(e, connection.RemoteEndPoint);
            connection.Abort();
        }
    }

    private async Task<(LinkPeer Peer, long Number)?> HandshakeAsync(ConnectionContext connection, CancellationToken cancellationToken)
    {
        using var permit = _limits.TryEnter(connection.RemoteEndPoint, out var limit);
        if (permit is null)
        {
            LogStranger(connection.RemoteEndPoint, $"limit reached: {limit}");
            connection.Abort();
            return null;
        }

        var number = table.NextNumber();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, permit.Replaced);
        try
        {
            return (await handshake.AcceptAsync(connection, either.Token), number);
        }
        catch (HandshakeException e)
        {
            LogStranger(connection.RemoteEndPoint, e.Message);
            return null;
        }
        catch (OperationCanceledException) when (either.IsCancellationRequested)
        {
            if (permit.Replaced.IsCancellationRequested)
            {
                LogStranger(connection.RemoteEndPoint, $"it gave way to newer ones: {options.MaxHandshakes} handshakes at once");
            }

            return null;
        }
    }

    private void LogStranger(EndPoint? remote, string cause)
    {
        int others;
        lock (_lock)
        {
            var now = time.GetTimestamp();
            if (_unlogged >= 0 && time.GetElapsedTime(_loggedAt, now) < LogEvery)
            {
                _unlogged++;
                return;
            }

            others = Math.Max(0, _unlogged);
            (_loggedAt, _unlogged) = (now, 0);
        }

        LogRefused(remote, cause, others);
    }

    private static Uri AddressOf(string scheme, EndPoint? remote) => remote switch
    {
        IPEndPoint { AddressFamily: AddressFamily.InterNetworkV6 } ip when ip.Address.IsIPv4MappedToIPv6 => new($"{scheme}://{ip.Address.MapToIPv4()}:{ip.Port}"),
        IPEndPoint ip => new($"{scheme}://{new IPEndPoint(new IPAddress(ip.Address.GetAddressBytes()), ip.Port)}"),
        UriEndPoint uri => uri.Uri,
        _ => new($"{scheme}://unknown"),
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "A connection from {Remote} was ended: {Cause} ({Others} more since the last such line)")]
    private partial void LogRefused(EndPoint? remote, string cause, int others);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Accepting a connection at {EndPoint} failed")]
    private partial void LogAcceptFailed(Exception exception, EndPoint endPoint);

    [LoggerMessage(Level = LogLevel.Error, Message = "Serving the connection from {Remote} failed")]
    private partial void LogServingFailed(Exception exception, EndPoint? remote);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Disposing the connection from {Remote} failed")]
    private partial void LogDisposeFailed(Exception exception, EndPoint? remote);
}
