using System.Buffers;
using System.Buffers.Binary;
using System.Threading.Tasks.Sources;

namespace Dawn.Links;

/// <summary>
/// Frames on their way out, back to back in one buffer as they will stand in a record. Many threads add; one writer takes all there is at once.
/// </summary>
/// <remarks>The buffer is the pool's and is there only while something is queued, so that an idle link costs nothing.</remarks>
internal sealed class SendQueue(int capacity) : IValueTaskSource<bool>
{
    public const int FrameHead = 3;

    private const int FirstBuffer = 4096;

    // Pings, pongs and the close frame may go over the capacity by this much: a full queue must not look like a dead link.
    private const int ControlReserve = 2048;

    private readonly Lock _lock = new();
    private ManualResetValueTaskSourceCore<bool> _wake = new() { RunContinuationsAsynchronously = true };
    private TaskCompletionSource? _room;
    private byte[]? _buffer;
    private int _length;
    private int _inFlight;
    private bool _writerWaits;
    private bool _isComplete;
    private bool _isAborted;

    /// <summary>Adds a frame; false where it doesn't fit now or no more are taken.</summary>
    public bool TryAdd(LinkFrame type, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, bool isControl = false, bool isLast = false)
    {
        var size = FrameHead + head.Length + body.Length;
        bool wake;
        lock (_lock)
        {
            if (_isComplete || _length + _inFlight + size > capacity + (isControl ? ControlReserve : 0))
            {
                return false;
            }

            Reserve(size);
            var to = _buffer.AsSpan(_length);
            to[0] = (byte)type;
            BinaryPrimitives.WriteUInt16BigEndian(to[1..], (ushort)(size - FrameHead));
            head.CopyTo(to[FrameHead..]);
            body.CopyTo(to[(FrameHead + head.Length)..]);
            _length += size;
            _isComplete = isLast;
            wake = _writerWaits;
            _writerWaits = false;
        }

        if (wake)
        {
            _wake.SetResult(true);
        }

        return true;
    }

    /// <summary>Ends the queue at once; what is in it is lost.</summary>
    public void Abort()
    {
        bool wake;
        TaskCompletionSource? room;
        lock (_lock)
        {
            _isComplete = _isAborted = true;
            (room, _room) = (_room, null);
            wake = _writerWaits;
            _writerWaits = false;
            if (_buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(_buffer);
                _buffer = null;
                _length = 0;
            }
        }

        room?.TrySetResult();
        if (wake)
        {
            _wake.SetResult(false);
        }
    }

    /// <summary>For the writer: waits until there are frames; false once there won't be any more.</summary>
    public ValueTask<bool> WaitAsync()
    {
        lock (_lock)
        {
            if (_isAborted || (_isComplete && _length == 0))
            {
                return new(false);
            }

            if (_length > 0)
            {
                return new(true);
            }

            _writerWaits = true;
            _wake.Reset();
            return new(this, _wake.Version);
        }
    }

    /// <summary>For the writer: takes all frames. The buffer is the writer's, to be given back to the shared pool; empty after an abort.</summary>
    public ArraySegment<byte> Take()
    {
        lock (_lock)
        {
            var taken = _buffer is null ? ArraySegment<byte>.Empty : new ArraySegment<byte>(_buffer, 0, _length);
            (_inFlight, _buffer, _length) = (taken.Count, null, 0);
            return taken;
        }
    }

    /// <summary>For the writer: what it took has left.</summary>
    public void OnFlushed()
    {
        TaskCompletionSource? room = null;
        lock (_lock)
        {
            _inFlight = 0;
            if (HasRoom)
            {
                (room, _room) = (_room, null);
            }
        }

        room?.TrySetResult();
    }

    /// <summary>Waits until at least half of the queue is free, or it has ended.</summary>
    public ValueTask WaitForRoomAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_isComplete || HasRoom)
            {
                return default;
            }

            _room ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
            return new(_room.Task.WaitAsync(cancellationToken));
        }
    }

    bool IValueTaskSource<bool>.GetResult(short token) => _wake.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _wake.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wake.OnCompleted(continuation, state, token, flags);

    private bool HasRoom => _length + _inFlight <= capacity / 2;

    private void Reserve(int size)
    {
        if (_buffer is null)
        {
            _buffer = ArrayPool<byte>.Shared.Rent(Math.Max(FirstBuffer, size));
        }
        else if (_buffer.Length - _length < size)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(2 * _buffer.Length, _length + size));
            _buffer.AsSpan(0, _length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }
    }
}
