using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Testing.Simulation;

/// <summary>One direction of a connection: bytes arrive whole, in order and late, or the connection breaks, as it is with TCP.</summary>
internal sealed class SimulatedStream(SimulatedNetwork network, SimulatedConnection connection, int from, int to) : PipeWriter
{
    // On the way at once, as a socket's buffers have it; beyond, whoever writes waits.
    private const int Window = 256 * 1024;

    private const int FirstBuffer = 1024;

    private readonly Pipe _arrived = new(new PipeOptions(
        readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 0, resumeWriterThreshold: 0, minimumSegmentSize: 1024, useSynchronizationContext: true));

    private Queue<Packet>? _held;
    private TaskCompletionSource<FlushResult>? _room;
    private byte[]? _buffer;
    private int _length;
    private int _onTheWay;
    private long _lastArrival;
    private long _stalledUntil;
    private bool _isCanceled;
    private bool _isDone;
    private bool _isOver;
    private bool _isLost;

    public int From => from;

    public int To => to;

    public PipeReader Reader => _arrived.Reader;

    public override void Advance(int bytes) => _length += bytes;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsMemory(_length);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsSpan(_length);
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        network.Simulation.Guard();
        if (_isDone)
        {
            throw new InvalidOperationException("Writing is not allowed after writer was completed.");
        }

        SendBuffer();
        if (_isOver || _isCanceled)
        {
            (_isCanceled, var isCanceled) = (false, _isCanceled);
            return new(new FlushResult(isCanceled, _isOver));
        }

        return _onTheWay <= Window ? default : new((_room = new()).Task.WaitAsync(cancellationToken));
    }

    public override void CancelPendingFlush()
    {
        if (_room is not null)
        {
            LetWriterGo(isCanceled: true);
        }
        else
        {
            _isCanceled = true;
        }
    }

    public override void Complete(Exception? exception = null)
    {
        if (_isDone)
        {
            return;
        }

        SendBuffer();
        _isDone = true;
        if (!_isOver)
        {
            Send(network.Rent(this, PacketKind.End, null, 0));
        }
    }

    /// <summary>Nothing arrives before then.</summary>
    public void Stall(long until) => _stalledUntil = Math.Max(_stalledUntil, until);

    /// <summary>Tells the other end that the connection is broken, after what it takes to get there.</summary>
    public void SendReset()
    {
        _isOver = true;
        Send(network.Rent(this, PacketKind.Reset, null, 0));
        LetWriterGo(isCanceled: false);
    }

    /// <summary>What is on the way won't arrive, and the reader finds the connection broken.</summary>
    public void Break()
    {
        _isOver = true;
        LetWriterGo(isCanceled: false);
        _arrived.Writer.Complete(new ConnectionResetException("The connection was reset."));
        DropBuffer();
        DropHeld();
    }

    /// <summary>Nobody is there any more to take what arrives, or to say so.</summary>
    public void Lose() => _isLost = true;

    /// <summary>Sends what a partition held back.</summary>
    public void Release()
    {
        var held = _held;
        _held = null;
        while (held?.TryDequeue(out var packet) is true)
        {
            Send(packet);
        }
    }

    /// <summary>One piece is there.</summary>
    public void OnArrive(Packet packet)
    {
        _onTheWay -= packet.Length;
        if (packet.Kind == PacketKind.Reset)
        {
            connection.OnReset(this);
            return;
        }

        if (!_isOver && !_isLost)
        {
            if (packet.Kind == PacketKind.End)
            {
                _arrived.Writer.Complete();
            }
            else
            {
                network.Simulation.Trace(to, TraceKind.Arrive, from, packet.Length);
                _arrived.Writer.Write(packet.Buffer.AsSpan(0, packet.Length));
                // Never waits, having no limit; it only says whether anybody still reads.
                var flushed = _arrived.Writer.FlushAsync();
                _isOver = flushed.IsCompletedSuccessfully && flushed.Result.IsCompleted;
            }
        }

        if (_isOver || _onTheWay <= Window / 2)
        {
            LetWriterGo(isCanceled: false);
        }
    }

    private void SendBuffer()
    {
        if (_length == 0)
        {
            return;
        }

        if (_isOver)
        {
            DropBuffer();
            return;
        }

        var packet = network.Rent(this, PacketKind.Data, _buffer, _length);
        (_buffer, _length) = (null, 0);
        network.Simulation.Trace(from, TraceKind.Send, to, packet.Length);
        Send(packet);
        _onTheWay += packet.Length;
    }

    private void Send(Packet packet)
    {
        if (_held is not null || network.IsBlocked(from, to))
        {
            if (_held is null)
            {
                _held = [];
                network.Hold(this);
            }

            _held.Enqueue(packet);
            return;
        }

        _lastArrival = Math.Max(Math.Max(_lastArrival, _stalledUntil), network.ArrivalOf(from, to, packet.Length));
        network.Simulation.Schedule(packet, _lastArrival);
    }

    private void LetWriterGo(bool isCanceled)
    {
        var room = _room;
        _room = null;
        room?.TrySetResult(new(isCanceled, _isOver));
    }

    private void Reserve(int size)
    {
        size = Math.Max(1, size);
        if (_buffer is null)
        {
            _buffer = ArrayPool<byte>.Shared.Rent(Math.Max(FirstBuffer, size));
        }
        else if (_buffer.Length - _length < size)
        {
            var larger = ArrayPool<byte>.Shared.Rent(_length + Math.Max(size, _length));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }
    }

    private void DropBuffer()
    {
        if (_buffer is not null)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        (_buffer, _length) = (null, 0);
    }

    private void DropHeld()
    {
        while (_held?.TryDequeue(out var packet) is true)
        {
            network.Return(packet);
        }
    }
}

/// <summary>What a packet says.</summary>
internal enum PacketKind : byte
{
    Data,
    End,
    Reset,
}

/// <summary>Bytes on their way. The network keeps those that have arrived for the next.</summary>
internal sealed class Packet(SimulatedNetwork network) : SimulationEvent
{
    public SimulatedStream Stream { get; set; } = null!;

    public PacketKind Kind { get; set; }

    public byte[]? Buffer { get; set; }

    public int Length { get; set; }

    // The world's: bytes arrive at machines, also of processes that are gone.
    internal override SimulatedProcess Process => network.Simulation.World;

    internal override void Fire()
    {
        Stream.OnArrive(this);
        network.Return(this);
    }
}
