using System.Buffers;
using System.Runtime.CompilerServices;

namespace Dawn.Sessions;

/// <summary>A channel inside a session. Its state is guarded by the session's lock.</summary>
internal sealed partial class SessionChannel : MeshChannel
{
    /// <summary>Bytes of data that this end takes ahead of its reader.</summary>
    public const uint Window = 1024 * 1024;

    /// <summary>What an opener may send before it is accepted.</summary>
    public const long WindowBeforeAccept = 64 * 1024;

    // The reader's progress is told in steps, each a quarter of the window: the writer never runs dry, and few frames are spent.
    private const long WindowStep = Window / 4;

    // What a message costs besides its bytes: an endless stream of empty ones must count too.
    private const int MessageOverhead = 128;

    // Small, since a single byte makes it: a peer must not turn one byte on each of many channels into a window's worth of memory.
    private const int FirstBuffer = 1_024;

    private readonly Session _session;
    private readonly Signal _readable = new();
    private readonly Signal _writable = new();
    private readonly Queue<MessageBuffer> _unread = [];
    private readonly SemaphoreSlim _slowly = new(1, 1);

    private long _sendLimit;
    private long _sent;
    private long _nextMessage;
    private long _transmitted;
    private bool _isSendingSlowly;

    private long _received;
    private long _read;
    private long _granted = Window;
    private byte[]? _assembling;
    private int _assembled;
    private long _charged;

    private bool _closed;
    private MeshException? _failure;

    public SessionChannel(Session session, uint id, long sendLimit) => (_session, Id, _sendLimit) = (session, id, sendLimit);

    public uint Id { get; }

    public override ValueTask<long> SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(message.Length, MaxMessage);
        cancellationToken.ThrowIfCancellationRequested();
        if (!TryQueueWhole(message.Span, out var number))
        {
            return SendSlowlyAsync(message, cancellationToken);
        }

        _session.FlushSoon();
        return new(number);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<MessageBuffer?> ReceiveAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (TryReceive(out var message, out var windowRaised))
            {
                if (windowRaised)
                {
                    _session.Flush();
                }

                return message;
            }

            await _readable.WaitAsync(cancellationToken);
        }
    }

    public override bool WasTransmitted(long messageNumber)
    {
        lock (_session.Gate)
        {
            return messageNumber < _transmitted;
        }
    }

    public override ValueTask CloseAsync(MeshError error = MeshError.None, string? reason = null)
    {
        lock (_session.Gate)
        {
            CloseLocked(error, reason);
        }

        _session.Flush();
        return ValueTask.CompletedTask;
    }

    /// <summary>Closes from this end: what was queued still leaves, what wasn't read is dropped.</summary>
    public void CloseLocked(MeshError error, string? reason)
    {
        if (!_closed)
        {
            _session.EnqueueClose(this, error, reason ?? "");
            _session.Remove(this, expectClose: true);
            Finish(error == MeshError.None ? null : new(error, reason ?? error.ToString()));

            // It leaves when a path returns, and nobody asks again then.
            _transmitted = _nextMessage;
        }

        // After the other end's close too: whoever closes reads no more.
        while (_unread.TryDequeue(out var message))
        {
            Release(message.Span.Length + MessageOverhead);
            message.Dispose();
        }
    }

    /// <summary>The session ended; what was received whole can still be read.</summary>
    public void Break(MeshException failure) => Finish(failure);

    /// <summary>The session can queue again.</summary>
    public void OnRoom() => _writable.Set();

    /// <summary>From here on the message may have reached the other end.</summary>
    public void OnTransmitting(long message) => _transmitted = Math.Max(_transmitted, message + 1);

    /// <summary>Not one byte of the message left after all.</summary>
    public void OnNotTransmitted(long message) => _transmitted = Math.Min(_transmitted, message);

    public string? OnAccept(ulong window, bool ours)
    {
        _sendLimit = Math.Max(_sendLimit, (long)window);
        _writable.Set();
        return ours ? null : $"an accept of channel {Id}, which it opened itself";
    }

    public string? OnWindow(ulong total)
    {
        _sendLimit = Math.Max(_sendLimit, (long)Math.Min(total, long.MaxValue));
        _writable.Set();
        return null;
    }

    public void OnClose(MeshError error, string text) => Finish(error == MeshError.None ? null : new(error, text));

    public string? OnData(ReadOnlySpan<byte> data, bool endsMessage)
    {
        _received += data.Length;
        if (_received > _granted)
        {
            return $"more data on channel {Id} than its window allows";
        }

        if (_assembled + data.Length > MaxMessage)
        {
            CloseLocked(MeshError.Limit, $"A message is longer than {MaxMessage >> 20} MiB, as long as messages may be.");
            return null;
        }

        var charge = data.Length + (endsMessage ? MessageOverhead : 0);
        if (!_session.Budget.TryTake(charge))
        {
            CloseLocked(
                MeshError.Limit,
                $"The node holds too many bytes of unread messages (at most {MemoryBudget.PerSession >> 20} MiB a session and {MemoryBudget.PerProcess >> 20} MiB in all).");
            return null;
        }

        _charged += charge;
        if (_assembling is null && endsMessage)
        {
            _unread.Enqueue(MessageBuffer.CopyOf(data));
        }
        else
        {
            Append(data);
            if (endsMessage)
            {
                _unread.Enqueue(new(_assembling!, _assembled));
                (_assembling, _assembled) = (null, 0);
            }
        }

        if (endsMessage)
        {
            _readable.Set();
        }
        else
        {
            RaiseWindow();
        }

        return null;
    }

    private bool TryReceive(out MessageBuffer? message, out bool windowRaised)
    {
        (message, windowRaised) = (null, false);
        lock (_session.Gate)
        {
            if (_unread.TryDequeue(out var next))
            {
                message = next;
                _read += next.Span.Length;
                Release(next.Span.Length + MessageOverhead);
                windowRaised = RaiseWindow();
                return true;
            }

            if (_closed && _failure is not null)
            {
                throw new MeshException(_failure.Error, _failure.Message, _failure);
            }

            return _closed;
        }
    }

    private void ThrowIfClosed()
    {
        if (_closed)
        {
            throw new MeshException(_failure?.Error ?? MeshError.Lost, _failure?.Message ?? "The channel is closed.", _failure);
        }
    }

    private void Append(ReadOnlySpan<byte> data)
    {
        if (_assembling is null || _assembled + data.Length > _assembling.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(FirstBuffer, Math.Min(MaxMessage, 2 * (_assembled + data.Length))));
            if (_assembling is not null)
            {
                _assembling.AsSpan(0, _assembled).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(_assembling);
            }

            _assembling = larger;
        }

        data.CopyTo(_assembling.AsSpan(_assembled));
        _assembled += data.Length;
    }

    // What the reader has taken, and a long message while it is the one that the reader waits for, makes room for more.
    private bool RaiseWindow()
    {
        var total = _read + (_unread.Count == 0 ? _assembled : 0) + Window;
        if (_closed || total - _granted < WindowStep)
        {
            return false;
        }

        _granted = total;
        _session.EnqueueWindow(this, (ulong)total);
        return true;
    }

    private void Release(long bytes)
    {
        _charged -= bytes;
        _session.Budget.Give(bytes);
    }

    // Idempotent in what matters: the first end is the one that is told.
    private void Finish(MeshException? failure)
    {
        if (_closed)
        {
            return;
        }

        (_closed, _failure) = (true, failure);
        if (_assembling is not null)
        {
            Release(_assembled);
            ArrayPool<byte>.Shared.Return(_assembling);
            (_assembling, _assembled) = (null, 0);
        }

        _readable.Set();
        _writable.Set();
    }
}
