using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Dawn.Transports.Tcp;

/// <summary>One socket as a duplex pipe of bytes.</summary>
/// <remarks>Kestrel's own connection receives at most 4 KiB with each call to the system, which is half of what a busy link costs.</remarks>
internal sealed class TcpConnection : ConnectionContext, IDuplexPipe
{
    // What a peer may send ahead of a slow reader, and a writer ahead of a slow peer; the kernel's buffers come on top.
    private const int MaxReadBuffer = 256 * 1024;
    private const int MaxWriteBuffer = 128 * 1024;

    // A little more than a link's largest record, so that one call to the system takes or gives it whole.
    private const int RecordSize = 68 * 1024;

    private const int FirstReceiveSize = 2 * 1024;

    // A link that waited so long for its last bytes is idle; the next it awaits with nothing rented, for idle links are many.
    private static readonly TimeSpan IdleAfter = TimeSpan.FromMilliseconds(100);

    private static long _count;

    private readonly Socket _socket;
    private readonly TimeProvider _time;
    private readonly Pipe _in = new(new(pauseWriterThreshold: MaxReadBuffer, resumeWriterThreshold: MaxReadBuffer / 2,
        readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false));
    private readonly Pipe _out = new(new(pauseWriterThreshold: MaxWriteBuffer, resumeWriterThreshold: MaxWriteBuffer / 2,
        readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false));
    private readonly CancellationTokenSource _closed = new();
    private readonly Task _receiving;
    private readonly Task _sending;
    private readonly CancellationTokenRegistration _ownerDisposed;
    private volatile Exception? _end;
    private int _isShut;
    private int _isClosed;

    /// <param name="ownerDisposed">Aborts the connection.</param>
    public TcpConnection(Socket socket, TimeProvider time, CancellationToken ownerDisposed)
    {
        (_socket, _time) = (socket, time);
        ConnectionId = $"tcp-{Interlocked.Increment(ref _count)}";
        ConnectionClosed = _closed.Token;
        Transport = this;
        (LocalEndPoint, RemoteEndPoint) = (Plain(socket.LocalEndPoint), Plain(socket.RemoteEndPoint));
        _receiving = ReceiveAsync();
        _sending = SendAsync();
        _ownerDisposed = ownerDisposed.UnsafeRegister(static c => ((TcpConnection)c!).Abort(), this);
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

    public override void Abort() => Abort(new ConnectionAbortedException("The connection was aborted."));

    public override void Abort(ConnectionAbortedException abortReason) => Shut(abortReason);

    public override async ValueTask DisposeAsync()
    {
        await _out.Writer.CompleteAsync();
        await _in.Reader.CompleteAsync();
        // What was written leaves first; whoever can't wait for a peer that reads nothing aborts.
        await _sending;
        await _receiving;
        await _ownerDisposed.DisposeAsync();
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
                if (isIdle)
                {
                    await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None);
                }

                var room = _in.Writer.GetMemory(size);
                var count = await _socket.ReceiveAsync(room, SocketFlags.None);
                if (count == 0)
                {
                    break;
                }

                isIdle = _time.GetElapsedTime(began) > IdleAfter;
                // Where that was not enough there is more, and it is there already.
                size = count == room.Length ? RecordSize : FirstReceiveSize;
                _in.Writer.Advance(count);
                if ((await _in.Writer.FlushAsync()).IsCompleted)
                {
                    // Nobody reads any more.
                    break;
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            error = e is SocketException { SocketErrorCode: SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.TimedOut }
                ? new ConnectionResetException("The connection broke: " + e.Message, e)
                : new ConnectionAbortedException("The connection was ended.", e);
        }
        finally
        {
            // An end of this side's own is the truer reason.
            await _in.Writer.CompleteAsync(_end ?? error);
            Closed();
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
                    for (var rest = segment; !rest.IsEmpty;)
                    {
                        rest = rest[await _socket.SendAsync(rest, SocketFlags.None)..];
                    }
                }

                _out.Reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted || read.IsCanceled)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            error = new ConnectionResetException("The connection broke: " + e.Message, e);
        }
        finally
        {
            Shut(null);
            await _out.Reader.CompleteAsync(error);
            _in.Writer.CancelPendingFlush();
        }
    }

    // Both directions end, after what was sent: a link says for itself whether its end is a clean one.
    private void Shut(Exception? reason)
    {
        if (Interlocked.Exchange(ref _isShut, 1) != 0)
        {
            return;
        }

        _end = reason;
        _out.Reader.CancelPendingRead();
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The peer was faster.
        }

        _socket.Dispose();
    }

    private void Closed()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) == 0)
        {
            // Elsewhere: those who registered must not run on, or hold up, the loops here.
            _ = _closed.CancelAsync();
        }
    }

    private static EndPoint? Plain(EndPoint? endPoint) =>
        endPoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port) : endPoint;
}
