using System.IO.Pipelines;
using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Dawn.Transports.WebSockets;

/// <summary>One WebSocket as a duplex pipe of bytes.</summary>
/// <remarks>
/// Pipes lie between, rather than streams, because cancelling a read or a write of a WebSocket kills it, and that of a pipe does not;
/// and because a peer that goes away is then noticed without a reader.
/// </remarks>
internal sealed class WebSocketConnection : ConnectionContext, IDuplexPipe
{
    // What a peer may send ahead of a slow reader, and a writer ahead of a slow peer.
    private const int MaxReadBuffer = 256 * 1024;
    private const int MaxWriteBuffer = 128 * 1024;
    private const int ReceiveSize = 32 * 1024;
    private const int FirstReceiveSize = 2 * 1024;

    // A link that waited so long for its last bytes is idle; the next it awaits with nothing rented, for idle links are many.
    private static readonly TimeSpan IdleAfter = TimeSpan.FromMilliseconds(100);
    // A link's largest record in one segment, hence one message and one write.
    private const int SendSize = 68 * 1024;

    private static long _count;

    private readonly WebSocket _socket;
    private readonly TimeSpan _closeTimeout;
    private readonly TimeProvider _time;
    private readonly Action? _abort;
    private readonly Pipe _in = new(new(pauseWriterThreshold: MaxReadBuffer, resumeWriterThreshold: MaxReadBuffer / 2,
        readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false));
    private readonly Pipe _out = new(new(pauseWriterThreshold: MaxWriteBuffer, resumeWriterThreshold: MaxWriteBuffer / 2, minimumSegmentSize: SendSize,
        readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false));
    private readonly CancellationTokenSource _closed = new();
    private readonly TaskCompletionSource _completed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenRegistration _ownerDisposed;
    private readonly Task _receiving;
    private readonly Task _sending;
    private int _isClosed;
    private int _isDisposed;

    /// <param name="ownerDisposed">Aborts the connection.</param>
    /// <param name="abort">At the listener's end: cuts what carries the socket.</param>
    public WebSocketConnection(WebSocket socket, TimeSpan closeTimeout, TimeProvider time, CancellationToken ownerDisposed, Action? abort = null)
    {
        (_socket, _closeTimeout, _time, _abort) = (socket, closeTimeout, time, abort);
        ConnectionId = $"ws-{Interlocked.Increment(ref _count)}";
        ConnectionClosed = _closed.Token;
        Transport = this;
        _receiving = ReceiveAsync();
        _sending = SendAsync();
        _ownerDisposed = ownerDisposed.UnsafeRegister(static c => ((WebSocketConnection)c!).Abort(), this);
    }

    PipeReader IDuplexPipe.Input => _in.Reader;

    PipeWriter IDuplexPipe.Output => _out.Writer;

    public override IDuplexPipe Transport { get; set; }

    public override string ConnectionId { get; set; }

    public override IFeatureCollection Features => field ??= new FeatureCollection();

    public override IDictionary<object, object?> Items { get => field ??= new ConnectionItems(); set; }

    public override CancellationToken ConnectionClosed { get; set; }

    public override EndPoint? LocalEndPoint { get; set; }

    public override EndPoint? RemoteEndPoint { get; set; }

    /// <summary>Ends once nothing more comes or goes.</summary>
    public Task Completed => _completed.Task;

    public override void Abort(ConnectionAbortedException abortReason) => Abort();

    public override void Abort()
    {
        _socket.Abort();
        _abort?.Invoke();
        Closed();
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            await _completed.Task;
            return;
        }

        await _out.Writer.CompleteAsync();
        await _in.Reader.CompleteAsync();
        using (var timeout = new CancellationTokenSource(_closeTimeout, _time))
        using (timeout.Token.UnsafeRegister(static c => ((WebSocketConnection)c!).Abort(), this))
        {
            await _sending;
            await CloseAsync(_socket.CloseAsync, timeout.Token);
            await _receiving;
        }

        await _ownerDisposed.DisposeAsync();
        _socket.Dispose();
        Closed();
        _completed.TrySetResult();
    }

    private async Task ReceiveAsync()
    {
        Exception? error = null;
        try
        {
            var (size, isIdle) = (FirstReceiveSize, true);
            while (true)
            {
                var began = _time.GetTimestamp();
                var received = isIdle ? await _socket.ReceiveAsync(Memory<byte>.Empty, CancellationToken.None) : default;
                if (!isIdle || received.MessageType == WebSocketMessageType.Binary)
                {
                    received = await _socket.ReceiveAsync(_in.Writer.GetMemory(size)[..size], CancellationToken.None);
                }

                isIdle = _time.GetElapsedTime(began) > IdleAfter;
                // Where that was not enough there is more, and it is there already.
                size = received.Count == size ? ReceiveSize : FirstReceiveSize;

                if (received.MessageType == WebSocketMessageType.Close)
                {
                    break;
                }

                if (received.MessageType == WebSocketMessageType.Text)
                {
                    error = new IOException("The peer sent text where only bytes are allowed.");
                    Abort();
                    return;
                }

                _in.Writer.Advance(received.Count);
                if (received.Count > 0 && (await _in.Writer.FlushAsync()).IsCompleted)
                {
                    // Nobody reads any more; disposal takes what still comes.
                    return;
                }
            }

            await AnswerCloseAsync();
        }
        catch (Exception e) when (IsEndOfSocket(e))
        {
            error = Volatile.Read(ref _isDisposed) == 0 ? new ConnectionResetException("The WebSocket broke: " + e.Message, e) : null;
            _socket.Abort();
        }
        finally
        {
            await _in.Writer.CompleteAsync(error);
            if (_socket.State != WebSocketState.Open)
            {
                Closed();
            }
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
                        await _socket.SendAsync(segment, WebSocketMessageType.Binary, WebSocketMessageFlags.EndOfMessage, CancellationToken.None);
                    }
                }

                _out.Reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted || read.IsCanceled)
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

    // RFC 6455, 5.5.1: a close frame is answered as soon as is practical. There is no half-open state.
    private async Task AnswerCloseAsync()
    {
        if (_socket.State == WebSocketState.CloseReceived)
        {
            using var timeout = new CancellationTokenSource(_closeTimeout, _time);
            using var abort = timeout.Token.UnsafeRegister(static c => ((WebSocketConnection)c!).Abort(), this);
            await CloseAsync(_socket.CloseOutputAsync, timeout.Token);
        }

        _out.Reader.CancelPendingRead();
        // Both close frames are through: RFC 6455, 7.1.1 has the listener end the connection, and the dialler wait for that.
        _completed.TrySetResult();
    }

    private async Task CloseAsync(Func<WebSocketCloseStatus, string?, CancellationToken, Task> close, CancellationToken timeout)
    {
        try
        {
            await close(WebSocketCloseStatus.NormalClosure, null, timeout);
        }
        catch (Exception e) when (e is OperationCanceledException || IsEndOfSocket(e))
        {
            // The peer is gone, or slow beyond patience: what there was to say has been said.
            _socket.Abort();
        }
    }

    private static bool IsEndOfSocket(Exception e) =>
        e is WebSocketException or IOException or OperationCanceledException or InvalidOperationException;

    private void Closed()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) == 0)
        {
            // Elsewhere: those who registered must not run on, or hold up, the loops here.
            _ = _closed.CancelAsync();
        }
    }
}
