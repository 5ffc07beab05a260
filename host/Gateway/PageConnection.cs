using System.IO.Pipelines;
using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Dawn.Gateway;

/// <summary>A page's WebSocket as the stream of bytes that a link needs.</summary>
/// <remarks>Pipes lie between, since cancelling a read or a write of a WebSocket ends it, and links cancel both.</remarks>
internal sealed class PageConnection : ConnectionContext, IDuplexPipe
{
    // As for any other transport: what may lie between the socket and the link.
    private const int MaxReadBuffer = 256 * 1024;
    private const int MaxWriteBuffer = 128 * 1024;
    private const int ReceiveSize = 16 * 1024;

    // A link's largest record in one segment, hence one message.
    private const int SendSize = 68 * 1024;

    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(1);

    private readonly WebSocket _socket;
    private readonly Action _cut;
    private readonly TimeProvider _time;
    private readonly Pipe _in = new(new(pauseWriterThreshold: MaxReadBuffer, resumeWriterThreshold: MaxReadBuffer / 2, useSynchronizationContext: false));
    private readonly Pipe _out = new(new(pauseWriterThreshold: MaxWriteBuffer, resumeWriterThreshold: MaxWriteBuffer / 2, minimumSegmentSize: SendSize, useSynchronizationContext: false));
    private readonly CancellationTokenSource _closed = new();
    private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _receiving;
    private readonly Task _sending;
    private int _disposed;

    /// <param name="cut">Ends what carries the socket.</param>
    public PageConnection(WebSocket socket, string id, EndPoint? remote, Action cut, TimeProvider time)
    {
        (_socket, _cut, _time, ConnectionId, RemoteEndPoint) = (socket, cut, time, id, remote);
        Transport = this;
        ConnectionClosed = _closed.Token;
        _receiving = ReceiveAsync();
        _sending = SendAsync();
    }

    PipeReader IDuplexPipe.Input => _in.Reader;

    PipeWriter IDuplexPipe.Output => _out.Writer;

    public override IDuplexPipe Transport { get; set; }

    public override string ConnectionId { get; set; }

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get => field ??= new ConnectionItems(); set; }

    public override CancellationToken ConnectionClosed { get; set; }

    public override EndPoint? RemoteEndPoint { get; set; }

    /// <summary>Ends once nothing more comes or goes.</summary>
    public Task Completed => _completed.Task;

    public override void Abort(ConnectionAbortedException abortReason) => Abort();

    public override void Abort()
    {
        _socket.Abort();
        _cut();
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            await _out.Writer.CompleteAsync();
            await _in.Reader.CompleteAsync();
            using var timeout = new CancellationTokenSource(CloseTimeout, _time);
            await using var abort = timeout.Token.UnsafeRegister(static connection => ((PageConnection)connection!).Abort(), this);
            await _sending;
            try
            {
                // RFC 6455, 7.1.2; what still comes is dropped, since unread bytes would reset the connection, and with it the close frame.
                await _socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, timeout.Token);
            }
            catch (Exception e) when (IsEndOfSocket(e))
            {
                // The page is gone, or slow beyond patience: what there was to say has been said.
                _socket.Abort();
            }

            await _receiving;
            _socket.Dispose();
            await _closed.CancelAsync();
            _completed.TrySetResult();
        }

        await _completed.Task;
    }

    private async Task ReceiveAsync()
    {
        Exception? error = null;
        try
        {
            while (true)
            {
                var received = await _socket.ReceiveAsync(_in.Writer.GetMemory(ReceiveSize)[..ReceiveSize], CancellationToken.None);
                if (received.MessageType == WebSocketMessageType.Close)
                {
                    break;
                }

                if (received.MessageType == WebSocketMessageType.Text)
                {
                    error = new IOException("The page sent text where only bytes are allowed.");
                    Abort();
                    return;
                }

                _in.Writer.Advance(received.Count);
                if (received.Count > 0 && (await _in.Writer.FlushAsync()).IsCompleted)
                {
                    // The link reads no more; closing drops what still comes.
                    return;
                }
            }
        }
        catch (Exception e) when (IsEndOfSocket(e))
        {
            error = Volatile.Read(ref _disposed) == 0 ? new ConnectionResetException("The WebSocket broke: " + e.Message, e) : null;
        }
        finally
        {
            await _in.Writer.CompleteAsync(error);
        }
    }

    private async Task SendAsync()
    {
        Exception? error = null;
        try
        {
            while (true)
            {
                var read = await _out.Reader.ReadAsync();
                foreach (var segment in read.Buffer)
                {
                    if (!segment.IsEmpty)
                    {
                        await _socket.SendAsync(segment, WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None);
                    }
                }

                _out.Reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return;
                }
            }
        }
        catch (Exception e) when (IsEndOfSocket(e))
        {
            error = new ConnectionResetException("The WebSocket broke: " + e.Message, e);
        }
        finally
        {
            await _out.Reader.CompleteAsync(error);
        }
    }

    private static bool IsEndOfSocket(Exception e) => e is WebSocketException or IOException or OperationCanceledException or InvalidOperationException;
}
