using System.Buffers;
using System.Buffers.Binary;
using System.Threading.Tasks.Sources;
using Dawn.Noise;

namespace Dawn.Links;

/// <summary>Frames that leave together. The buffer is the writer's, to be given back to the shared pool.</summary>
/// <param name="EndsEpoch">Whether the last of them is a switch: what is taken after them leaves under another key.</param>
/// <param name="Next">That key, the writer's from now on; null on clear links.</param>
internal readonly record struct SendBatch(ArraySegment<byte> Frames, bool EndsEpoch, Aead? Next);

/// <summary>
/// Frames on their way out, back to back in one buffer as they will stand in a record. Many threads add; one writer takes all there is under one key at once.
/// </summary>
/// <remarks>The buffer is the pool's and is there only while something is queued, so that an idle link costs nothing.</remarks>
internal sealed class SendQueue(int capacity, SendScheduler scheduler) : IValueTaskSource<bool>, IThreadPoolWorkItem
{
    public const int FrameHead = 3;

    private const int FirstBuffer = 4096;

    private readonly Lock _lock = new();
    private ManualResetValueTaskSourceCore<bool> _wake;
    private TaskCompletionSource? _room;
    private byte[]? _buffer;
    private int _length;
    private SendBatch? _ending;
    private int _inFlight;
    private bool _writerWaits;
    private bool _isComplete;
    private bool _isAborted;

    /// <summary>From 0 to 1; a glance without the lock.</summary>
    public double Load => Math.Clamp((double)Held / capacity, 0, 1);

    /// <summary>Adds a frame; false where it doesn't fit now or no more are taken.</summary>
    public bool TryAdd(LinkFrame type, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body, bool isLast = false)
    {
        var size = FrameHead + head.Length + body.Length;
        bool wake;
        lock (_lock)
        {
            if (_isComplete || Held + size > capacity + ReserveOf(type))
            {
                return false;
            }

            Append(type, head, body);
            _isComplete = isLast;
            wake = _writerWaits;
            _writerWaits = false;
        }

        if (wake)
        {
            Wake();
        }

        return true;
    }

    /// <summary>Adds a switch: what was added before leaves with it, what is added later under the next key. False where no more are taken; the key then stays the caller's.</summary>
    /// <exception cref="InvalidOperationException">The switch before has not left yet.</exception>
    public bool TrySwitch(Aead? next)
    {
        bool wake;
        lock (_lock)
        {
            if (_isComplete)
            {
                return false;
            }

            if (_ending is not null)
            {
                throw new InvalidOperationException("A key can't be replaced before it was taken.");
            }

            Append(LinkFrame.Switch, default, default);
            // What is there is set aside as it is: the two sides of a switch never share a buffer, so no frame can leave under the wrong key.
            _ending = new(new(_buffer!, 0, _length), EndsEpoch: true, next);
            (_buffer, _length) = (null, 0);
            wake = _writerWaits;
            _writerWaits = false;
        }

        if (wake)
        {
            Wake();
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

            if (_ending is { } ending)
            {
                ArrayPool<byte>.Shared.Return(ending.Frames.Array!);
                ending.Next?.Dispose();
                _ending = null;
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
            if (_isAborted || (_isComplete && !HasFrames))
            {
                return new(false);
            }

            _wake.Reset();
            if (HasFrames && !scheduler.TryDefer(this))
            {
                return new(true);
            }

            _writerWaits = !HasFrames;
            return new(this, _wake.Version);
        }
    }

    /// <summary>For the writer: takes all frames, or those up to a switch; none after an abort.</summary>
    public SendBatch Take()
    {
        lock (_lock)
        {
            if (_ending is { } ending)
            {
                (_inFlight, _ending) = (ending.Frames.Count, null);
                return ending;
            }

            // Empty has an array, default has none.
            var taken = _buffer is null ? default : new ArraySegment<byte>(_buffer, 0, _length);
            (_inFlight, _buffer, _length) = (taken.Count, null, 0);
            return new(taken, EndsEpoch: false, null);
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

    void IThreadPoolWorkItem.Execute() => _wake.SetResult(true);

    bool IValueTaskSource<bool>.GetResult(short token) => _wake.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _wake.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _wake.OnCompleted(continuation, state, token, flags);

    // The writer goes on here and now, on the thread of whoever added, or on its own when its turn comes.
    private void Wake()
    {
        if (!scheduler.TryDefer(this))
        {
            _wake.SetResult(true);
        }
    }

    private bool HasFrames => _length > 0 || _ending is not null;

    private int Held => (_ending?.Frames.Count ?? 0) + _length + _inFlight;

    private bool HasRoom => Held <= capacity / 2;

    // How far each type may go over the capacity: a full queue must not look like a dead link, nor hold up new keys, nor hide why it ends.
    // Each step is for that type alone, whatever the ones before have used.
    private static int ReserveOf(LinkFrame type) => type switch
    {
        LinkFrame.Ping or LinkFrame.Pong => 2048,
        LinkFrame.Rekey => 4096,
        LinkFrame.Close => 4096 + 512,
        _ => 0,
    };

    private void Append(LinkFrame type, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        var size = FrameHead + head.Length + body.Length;
        Reserve(size);
        var to = _buffer.AsSpan(_length);
        to[0] = (byte)type;
        BinaryPrimitives.WriteUInt16BigEndian(to[1..], (ushort)(size - FrameHead));
        head.CopyTo(to[FrameHead..]);
        body.CopyTo(to[(FrameHead + head.Length)..]);
        _length += size;
    }

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
