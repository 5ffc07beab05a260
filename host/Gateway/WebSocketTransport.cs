using System.Buffers;
using System.Net.WebSockets;
using System.Text.Json;
using System.Threading.Channels;
using Dawn.Agents;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>A WebSocket as the MCP SDK's transport: one JSON-RPC message is one text message. Disposing it closes the socket.</summary>
/// <remarks>No cancellation of a caller reaches the socket: cancelling a send or a receive of a WebSocket ends it.</remarks>
internal sealed class WebSocketTransport : ITransport
{
    // What most messages fit in, and what is kept of a longer one's buffer.
    private const int Usual = 4 * 1024;
    private const int MaxKept = 64 * 1024;

    private readonly WebSocket _socket;
    private readonly WebSocketLimits _limits;
    private readonly TimeProvider _time;

    // One: while nobody takes messages none is read, so that TCP slows the client down.
    private readonly Channel<JsonRpcMessage> _incoming = Channel.CreateBounded<JsonRpcMessage>(new BoundedChannelOptions(1) { SingleReader = true, SingleWriter = true });
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _reading;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(Usual);
    private Farewell? _farewell;
    private long _unsent;
    private bool _aborted;
    private bool _violated;
    private int _disposed;

    public WebSocketTransport(WebSocket socket, WebSocketLimits limits, TimeProvider time)
    {
        (_socket, _limits, _time) = (socket, limits, time);
        _reading = Task.Run(ReadAsync);
    }

    public string? SessionId => null;

    public ChannelReader<JsonRpcMessage> MessageReader => _incoming.Reader;

    /// <summary>Says why the socket will be closed; the first reason counts.</summary>
    public Farewell EndWith(WebSocketCloseStatus status, string reason)
    {
        var farewell = new Farewell(status, reason);
        return Interlocked.CompareExchange(ref _farewell, farewell, null) ?? farewell;
    }

    /// <exception cref="IOException">The client is gone, or it doesn't read and is gone now.</exception>
    public async Task SendMessageAsync(JsonRpcMessage message, CancellationToken cancellationToken = default)
    {
        var utf8 = JsonRpc.Serialize(message);
        var unsent = Interlocked.Add(ref _unsent, utf8.Length);
        try
        {
            // Whatever waits, one message may: it is not the client's fault that it is long.
            if (unsent > _limits.Unsent && unsent > utf8.Length)
            {
                Abort();
                throw new IOException($"The client doesn't read: more than {_limits.Unsent:N0} bytes wait to be sent.");
            }

            await _turn.WaitAsync(cancellationToken);
            try
            {
                using var stall = new CancellationTokenSource(_limits.Stall, _time);
                await _socket.SendAsync(utf8.AsMemory(), WebSocketMessageType.Text, endOfMessage: true, stall.Token);
            }
            catch (Exception e) when (IsEndOfSocket(e))
            {
                // Out of time, a part of the message may be sent, so that nothing more can be.
                Abort();
                throw new IOException(e is OperationCanceledException ? $"The client doesn't read: a message waited for {_limits.Stall.TotalSeconds:0} s." : "The WebSocket broke: " + e.Message, e);
            }
            finally
            {
                _turn.Release();
            }
        }
        finally
        {
            Interlocked.Add(ref _unsent, -utf8.Length);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            var (status, reason) = EndWith(WebSocketCloseStatus.InternalServerError, "The gateway failed.");
            await _ended.CancelAsync();
            if (Volatile.Read(ref _violated))
            {
                // The socket reads no more. What ends the connection now would reset it, and the client may not have read the close frame yet.
                await Task.Delay(_limits.Goodbye, _time, CancellationToken.None);
            }

            using var timeout = new CancellationTokenSource(_limits.Goodbye, _time);
            await using var abort = timeout.Token.UnsafeRegister(static socket => ((WebSocket)socket!).Abort(), _socket);
            try
            {
                // Drops what the client still sends: unread bytes would reset the connection, and with it the close frame.
                await _socket.CloseAsync(status, reason, timeout.Token);
            }
            catch (Exception e) when (IsEndOfSocket(e))
            {
                // The client is gone, or slow beyond patience.
                _socket.Abort();
            }
        }

        await _reading;
    }

    private async Task ReadAsync()
    {
        Exception? error = null;
        try
        {
            while (await ReceiveAsync() is { } message)
            {
                await _incoming.Writer.WriteAsync(message, _ended.Token);
            }
        }
        catch (Exception e) when (IsEndOfSocket(e))
        {
            // What violates RFC 6455 itself, such as text that is not UTF-8, the socket has answered with its close frame.
            Volatile.Write(ref _violated, !Volatile.Read(ref _aborted) && e is WebSocketException { WebSocketErrorCode: not WebSocketError.ConnectionClosedPrematurely });
            error = _ended.IsCancellationRequested ? null : new IOException("The WebSocket broke: " + e.Message, e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _incoming.Writer.TryComplete(error);
        }
    }

    // Null where nothing more is to be read. RFC 6455, 7.4.1 has the codes.
    private async ValueTask<JsonRpcMessage?> ReceiveAsync()
    {
        if (_buffer.Length > MaxKept)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = ArrayPool<byte>.Shared.Rent(Usual);
        }

        var length = 0;
        var received = await _socket.ReceiveAsync(_buffer.AsMemory(), CancellationToken.None);
        using var stall = received.EndOfMessage ? null : new CancellationTokenSource(_limits.Stall, _time);
        while (true)
        {
            length += received.Count;
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            if (received.MessageType == WebSocketMessageType.Binary)
            {
                return Refuse(WebSocketCloseStatus.InvalidMessageType, "MCP is text: send JSON-RPC in text messages.");
            }

            if (length > _limits.Message || (length == _limits.Message && !received.EndOfMessage))
            {
                return Refuse(WebSocketCloseStatus.MessageTooBig, $"A message may have {_limits.Message:N0} bytes.");
            }

            if (received.EndOfMessage)
            {
                break;
            }

            if (length == _buffer.Length)
            {
                var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(2L * length, _limits.Message));
                _buffer.AsSpan(0, length).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(_buffer);
                _buffer = larger;
            }

            received = await _socket.ReceiveAsync(_buffer.AsMemory(length), stall!.Token);
        }

        try
        {
            return JsonRpc.Deserialize(_buffer.AsSpan(0, length));
        }
        catch (JsonException)
        {
            // Its words may be longer than a close frame, and quote what the client sent.
            return Refuse(WebSocketCloseStatus.InvalidPayloadData, "Not JSON-RPC: send one message, not a batch, in each text message.");
        }
    }

    private JsonRpcMessage? Refuse(WebSocketCloseStatus status, string reason)
    {
        EndWith(status, reason);
        return null;
    }

    private void Abort()
    {
        Volatile.Write(ref _aborted, true);
        _socket.Abort();
    }

    private static bool IsEndOfSocket(Exception e) => e is WebSocketException or IOException or OperationCanceledException or InvalidOperationException;

    /// <param name="Reason">At most 123 bytes (RFC 6455, 5.5).</param>
    internal sealed record Farewell(WebSocketCloseStatus Status, string Reason);
}
