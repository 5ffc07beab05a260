using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Dawn.Identity;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Links;

/// <summary>A link over a connection whose handshake is done: records out, records in, keep-alive and an end that is told (docs/protocol.md, "Records").</summary>
/// <remarks>One loop writes and one reads, for as long as <see cref="RunAsync"/> runs; the ticker watches both.</remarks>
internal sealed partial class Link : ILink
{
    /// <summary>The body of the longest frame.</summary>
    public const int MaxFrame = RecordWriter.MaxRecord - SendQueue.FrameHead;

    private const int None = -1;

    private readonly ConnectionContext _connection;
    private readonly PipeReader _input;
    private readonly PipeWriter _output;
    private readonly LinkPeer _peer;
    private readonly LinkOptions _options;
    private readonly ILinkHandler _handler;
    private readonly LinkTicker _ticker;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SendQueue _queue;
    private readonly TaskCompletionSource<bool> _up = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<LinkEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _state = new();
    private readonly RecordWriter _records;
    private readonly RecordReader _reader;
    private readonly RoundTripMeter _roundTrip;
    private readonly Rekeying? _rekeying;
    private ITimer? _closeTimer;
    private volatile int _closing = None;
    private volatile int _end = None;
    private volatile bool _isFlushing;
    private volatile bool _isUp;
    private bool _isDeaf;
    private long _envelopesIn;
    private long _envelopesOut;

    public Link(
        ConnectionContext connection, LinkPeer peer, bool isInitiator, Uri address, long number, INodeIdentity identity, LinkOptions options,
        ILinkHandler handler, LinkTicker ticker, TimeProvider time, ILogger logger)
    {
        (_connection, _peer, _options, _handler, _ticker, _time, _logger) = (connection, peer, options, handler, ticker, time, logger);
        (_input, _output) = (connection.Transport.Input, connection.Transport.Output);
        (IsInitiator, Address, Number) = (isInitiator, address, number);
        (_records, _reader) = (new RecordWriter(_output, peer.Send), new RecordReader(peer.Receive));
        (_queue, _roundTrip) = (new SendQueue(options.QueueBytes, options.Scheduler), new RoundTripMeter(time));
        IsSealed = peer.Send is not null;
        if (peer is { Certificate: { } certificate, Origin: { } origin })
        {
            _rekeying = new Rekeying(origin, certificate, isInitiator, IsSealed, identity, options, _queue, time);
        }
    }

    public NodeId Remote => _peer.Remote;

    public Certificate? Certificate => _rekeying?.Remote ?? _peer.Certificate;

    public ReadOnlyMemory<byte>? TicketId => _peer.TicketId;

    public bool IsInitiator { get; }

    public bool IsSealed { get; }

    public int Epoch => _rekeying?.Epoch ?? 0;

    public Uri Address { get; }

    /// <summary>Connections are numbered as they are made; of two links the one with the higher number is newer.</summary>
    public long Number { get; }

    public TimeSpan? RoundTrip => _roundTrip.Last;

    public double Load => _queue.Load;

    public Task<LinkEnd> Ended => _ended.Task;

    // On a ticket's link the network's root crosses: its buffers are wiped before others get them.
    private bool CarriesSecrets => _peer.Certificate is null;

    /// <summary>Set by the table once it has taken the link in; what comes on others is dropped.</summary>
    public bool IsAdmitted { get; set; }

    /// <summary>True once this end has begun to close it.</summary>
    public bool IsClosing => _closing != None;

    /// <summary>True once the other end's first record has confirmed the keys; false where the link ended before.</summary>
    public Task<bool> Up => _up.Task;

    // Sums of two plain counters: an increment that another overwrites still changes the sum.
    public long Envelopes => Volatile.Read(ref _envelopesIn) + Volatile.Read(ref _envelopesOut);

    public bool TrySend(LinkFrame type, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        if (head.Length + body.Length > MaxFrame)
        {
            throw new ArgumentException($"A frame holds {MaxFrame} bytes, not {head.Length + body.Length}.", nameof(body));
        }

        if (type == LinkFrame.Envelope)
        {
            _envelopesOut++;
        }

        return _queue.TryAdd(type, head, body);
    }

    public ValueTask WaitForRoomAsync(CancellationToken cancellationToken) => _queue.WaitForRoomAsync(cancellationToken);

    public async ValueTask CloseAsync(LinkEnd reason, string? text = null)
    {
        BeginClose(reason, text);
        await Ended;
    }

    /// <summary>As <see cref="CloseAsync"/>, without waiting: what is queued, then a close frame, then the end, at the latest when the time for it is over.</summary>
    public void BeginClose(LinkEnd reason, string? text = null)
    {
        lock (_state)
        {
            if (_closing != None || _end != None)
            {
                return;
            }

            _closing = (int)reason;
            _closeTimer = _time.CreateTimer(_ => End(reason, "the other end did not answer the close"), null, _options.CloseTimeout, Timeout.InfiniteTimeSpan);
        }

        if (!_queue.TryAdd(LinkFrame.Close, CloseFrame.Encode(reason, text), default, isLast: true))
        {
            End(reason, "no room for a close frame");
        }
    }

    /// <summary>Carries the link from the end of the handshake to its end, and disposes the connection.</summary>
    public async Task RunAsync()
    {
        // At once, so that the other end can confirm the keys.
        Ping();
        var writing = WriteAsync();
        _ticker.Add(this);
        await ReadAsync();
        _ticker.Remove(this);
        var end = (LinkEnd)_end;
        _up.TrySetResult(false);
        Notify(handler => handler.OnDown(this, end));
        LogEnded(Remote.ToShortString(), end);
        _ended.TrySetResult(end);
        if (_closeTimer is { } closeTimer)
        {
            await closeTimer.DisposeAsync();
        }

        await DisposeAsync(writing);
    }

    private async Task ReadAsync()
    {
        try
        {
            while (_end == None)
            {
                var read = await _input.ReadAsync();
                // Bytes count, not records: a full record takes its time on a slow line.
                OnHeard();
                var buffer = read.Buffer;
                while (_end == None && RecordReader.TryTake(ref buffer, out var body))
                {
                    OnRecord(body);
                }

                _input.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted)
                {
                    End(ClosingOr(LinkEnd.Broken), "the stream ended");
                }
            }
        }
        catch (Exception e)
        {
            // Whatever a transport throws, its stream is over.
            End(ClosingOr(LinkEnd.Broken), e.Message);
        }
    }

    private void OnRecord(in ReadOnlySequence<byte> body)
    {
        if (_isDeaf)
        {
            return;
        }

        var length = (int)body.Length;
        var rented = ArrayPool<byte>.Shared.Rent(Math.Max(1, length));
        try
        {
            // Copied out, then opened in place: bodies may lie in pieces.
            body.CopyTo(rented);
            if (!_reader.TryOpen(rented.AsSpan(0, length), out var frames))
            {
                End(LinkEnd.Protocol, "a record does not open: altered, repeated or out of order");
                return;
            }

            if (!_isUp)
            {
                _isUp = true;
                if (!Notify(handler => handler.OnUp(this)))
                {
                    // Half known it is of no use: it ends, and the next one may fare better.
                    Fail("this node could not take the link up");
                }

                _up.TrySetResult(true);
            }

            OnFrames(frames);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented, CarriesSecrets);
        }
    }

    private void OnFrames(ReadOnlySpan<byte> record)
    {
        while (!record.IsEmpty && _end == None && !_isDeaf)
        {
            var size = record.Length < SendQueue.FrameHead ? int.MaxValue : SendQueue.FrameHead + BinaryPrimitives.ReadUInt16BigEndian(record[1..]);
            if (size > record.Length)
            {
                Fail("a frame that is longer than its record");
                return;
            }

            if ((LinkFrame)record[0] == LinkFrame.Switch && size < record.Length)
            {
                Fail("frames after a switch, under the key that it ends");
                return;
            }

            OnFrame((LinkFrame)record[0], record[SendQueue.FrameHead..size]);
            record = record[size..];
        }
    }

    private void OnFrame(LinkFrame type, ReadOnlySpan<byte> body)
    {
        switch (type)
        {
            case LinkFrame.Envelope or LinkFrame.Record or LinkFrame.Registry or LinkFrame.Redeem or LinkFrame.Redeemed or LinkFrame.Membership:
                _envelopesIn += type == LinkFrame.Envelope ? 1 : 0;
                try
                {
                    _handler.OnFrame(this, type, body);
                }
                catch (Exception e)
                {
                    // A fault of ours on what this peer sent: it costs this link, and no other.
                    LogHandlerFailed(e, Remote.ToShortString(), type);
                    Fail("its frame could not be handled");
                }

                break;
            case LinkFrame.Padding:
                break;
            case LinkFrame.Ping when body.Length == RoundTripMeter.PingSize:
                // Not answered when even the reserve is full: then the other end has enough of ours to read.
                _queue.TryAdd(LinkFrame.Pong, body, default);
                break;
            case LinkFrame.Pong when body.Length == RoundTripMeter.PingSize:
                _roundTrip.OnPong(body);
                break;
            case LinkFrame.Close:
                var (code, reason) = CloseFrame.Read(body);
                End(code, $"closed by the other end: {reason}");
                break;
            case LinkFrame.Rekey when _rekeying is not null:
                Rekey(body);
                break;
            case LinkFrame.Switch when _rekeying is not null && body.IsEmpty:
                Switch();
                break;
            default:
                Fail($"a frame of type {(byte)type} with {body.Length} bytes");
                break;
        }
    }

    // The other end is told, and not listened to any more: the rest of its stream is read away until it ends.
    private void Fail(string cause)
    {
        _isDeaf = true;
        LogProtocol(Remote.ToShortString(), cause);
        BeginClose(LinkEnd.Protocol, cause);
    }

    private async Task WriteAsync()
    {
        try
        {
            while (await _queue.WaitAsync())
            {
                var batch = _queue.Take();
                if (batch.Frames.Array is null)
                {
                    break;
                }

                Write(batch);
                _isFlushing = true;
                var flushed = await _output.FlushAsync();
                _isFlushing = false;
                Interlocked.Increment(ref _flushes);
                if (flushed.IsCompleted || flushed.IsCanceled)
                {
                    End(ClosingOr(LinkEnd.Broken), "the transport takes nothing more");
                    break;
                }

                _queue.OnFlushed();
            }
        }
        catch (Exception e)
        {
            // Whatever a transport throws, nothing more can be sent.
            End(ClosingOr(LinkEnd.Broken), e.Message);
        }
    }

    private void Write(SendBatch batch)
    {
        try
        {
            _records.Write(batch.Frames);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(batch.Frames.Array!, CarriesSecrets);
            if (batch.EndsEpoch)
            {
                _records.Switch(batch.Next);
            }
        }
    }

    private LinkEnd ClosingOr(LinkEnd other) => _closing is not None and var closing ? (LinkEnd)closing : other;

    private bool Notify(Action<ILinkHandler> call)
    {
        try
        {
            call(_handler);
            return true;
        }
        catch (Exception e)
        {
            LogHandlerFailed(e, Remote.ToShortString(), default);
            return false;
        }
    }
}
