using System.Buffers;
using Dawn.Routing;

namespace Dawn.Sessions;

internal sealed partial class Session
{
    // Between attempts at a port that says it has room and then takes nothing.
    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(10);

    // A frame gets its sequence when it is first sent.
    private const ulong Unnumbered = 0;

    private readonly SendQueue _out = new();
    private readonly byte[] _sendAssociated;

    // What went into the segment that is being handed over; only the flushing thread touches it.
    private readonly List<ulong> _inSegment = [];

    private int _flushPlanned;
    private bool _flushing;
    private bool _blocked;
    private bool _sendDisposed;
    private bool _ackPending;
    private bool _ackNow;
    private bool _pongDue;
    private ulong _pongValue;
    private bool _pingDue;
    private ulong _pingValue;
    private long _pingAt = -1;
    private bool _pingOut;
    private long _measured;
    private (MeshError Error, string Text)? _goodbye;
    private int _refusals;
    private ulong _segments;
    private long _bytesSent;

    /// <summary>False where a sender must wait: <see cref="WaitForRoom"/>. Under <see cref="Gate"/>.</summary>
    public bool HasRoom => _out.HasRoom;

    public bool HasRoomFor(int bytes) => _out.HasRoomFor(bytes);

    public void WaitForRoom(SessionChannel channel)
    {
        if (!_waitingForRoom.Contains(channel))
        {
            _waitingForRoom.Add(channel);
        }
    }

    /// <summary>Queues one data frame. Under <see cref="Gate"/>; <see cref="Flush"/> afterwards, outside of it.</summary>
    public void EnqueueData(SessionChannel channel, ReadOnlySpan<byte> data, bool endsMessage, long startsMessage)
    {
        var frame = ArrayPool<byte>.Shared.Rent(Frame.DataOverhead + data.Length);
        Enqueue(frame, Frame.WriteData(frame, Unnumbered, channel.Id, endsMessage, data), channel, startsMessage);
    }

    public void EnqueueWindow(SessionChannel channel, ulong total)
    {
        var frame = ArrayPool<byte>.Shared.Rent(32);
        Enqueue(frame, Frame.WriteWindow(frame, Unnumbered, channel.Id, total));
    }

    public void EnqueueClose(SessionChannel channel, MeshError error, string reason)
    {
        var frame = ArrayPool<byte>.Shared.Rent(Frame.MaxControl);
        Enqueue(frame, Frame.WriteClose(frame, Unnumbered, channel.Id, (ushort)error, reason));
    }

    /// <summary>
    /// Sends what is due, on the calling thread: a single message waits for nothing. While one thread is at it, others only queue,
    /// and what they queued leaves together in the next segment: that is the batching under load.
    /// </summary>
    public void Flush()
    {
        lock (Gate)
        {
            if (_flushing || _blocked || !IsSomethingDue)
            {
                return;
            }

            _flushing = true;
        }

        var plaintext = ArrayPool<byte>.Shared.Rent(SegmentHeader.MaxPlaintext);
        var segment = ArrayPool<byte>.Shared.Rent(SegmentHeader.Size + SegmentHeader.MaxPlaintext + SegmentHeader.TagSize);
        try
        {
            while (TryBuild(plaintext, out var length, out var keys, out var nonce))
            {
                if (length == 0)
                {
                    SignSent(default, isDue: true);
                    continue;
                }

                var sealedLength = Seal(plaintext.AsSpan(0, length), keys, nonce, segment);
                var isTaken = _context.Outlet.TrySend(EnvelopeKind.Segment, Remote, Tag, segment.AsSpan(0, sealedLength));
                SignSent(plaintext, isDue: false);
                if (!isTaken)
                {
                    OnNotTaken();
                    return;
                }

                _refusals = 0;
                Interlocked.Add(ref _bytesSent, sealedLength);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(plaintext);
            ArrayPool<byte>.Shared.Return(segment);
        }
    }

    /// <summary>As <see cref="Flush"/>, but where others wait to run, after them: what they send then leaves in the same segment.</summary>
    public void FlushSoon()
    {
        if (Interlocked.Exchange(ref _flushPlanned, 1) == 0 && !_context.Handshakes.Scheduler.TryDefer(this))
        {
            FlushPlanned();
        }
    }

    void IThreadPoolWorkItem.Execute()
    {
        try
        {
            FlushPlanned();
        }
        catch (Exception e)
        {
            // On a thread of the pool, where it would end the process. Nothing can be sent as it should be: the session is of no more use.
            End(MeshError.Lost, $"Sending to node {Remote.ToShortString()} failed: {e.Message}", tell: false);
        }
    }

    private void FlushPlanned()
    {
        Volatile.Write(ref _flushPlanned, 0);
        Flush();
    }

    private bool IsSomethingDue => _end is not null ? !_sendDisposed : _ackNow || _pongDue || _pingDue || _checkpointDue || _out.HasDue;

    // Every sequenced frame of this direction passes here, to be numbered in the order in which they are first sent.
    private void Enqueue(byte[] rented, int length, SessionChannel? channel = null, long startsMessage = -1, bool isUrgent = false)
    {
        if (_end is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
            return;
        }

        if (_out.IsEmpty)
        {
            _progressAt = Now;
            _out.Add(rented, length, channel, startsMessage, isUrgent);
            Schedule(_progressAt);
            return;
        }

        _out.Add(rented, length, channel, startsMessage, isUrgent);
    }

    // The next segment's plaintext and nonce, or a length of 0 where a signature is due first; false, and the flush is over, where nothing is due.
    // Without nonces the session starves and is lost.
    private bool TryBuild(Span<byte> to, out int length, out EpochKeys keys, out ulong nonce)
    {
        lock (Gate)
        {
            (length, keys, nonce) = (0, _keys, 0);
            DisposeRetired();
            _inSegment.Clear();
            if (_end is not null)
            {
                if (_goodbye is not null && HasLastToSign)
                {
                    return true;
                }

                if (_goodbye is var (error, text) && keys.TryTakeNonce(out nonce))
                {
                    _goodbye = null;
                    length = WriteLastCheckpoints(to);
                    length += Frame.WriteGoodbye(to[length..], (ushort)error, text);
                    return true;
                }

                _flushing = false;
                DisposeSendKey();
                return false;
            }

            if (_checkpointDue)
            {
                return true;
            }

            if (!IsSomethingDue || !keys.TryTakeNonce(out nonce))
            {
                _flushing = false;
                Schedule(Now);
                return false;
            }

            length = Build(to, Now);
            return true;
        }
    }

    private int Build(Span<byte> to, long now)
    {
        var at = 0;
        if (_ackPending)
        {
            at += _in.WriteAck(to);
            (_ackPending, _ackNow, _ackAt, _fullSegments, _unacknowledged) = (false, false, Never, 0, 0);
        }

        _ackNow = false;
        if (_pongDue)
        {
            at += Frame.WritePing(to[at..], FrameType.Pong, _pongValue);
            _pongDue = false;
        }

        // A ping rides along now and then: acks are late by design and measure the round trip badly.
        if (_pingDue || (_out.HasDue && (_pingAt < 0 || now - _pingAt >= MeasureEvery)))
        {
            at += Frame.WritePing(to[at..], FrameType.Ping, ++_pingValue);
            (_pingDue, _pingOut, _pingAt) = (false, true, now);
        }

        _segments++;
        while (_out.TryNext(SegmentHeader.MaxPlaintext - at, out var sequence, out var frame))
        {
            frame.CopyTo(to[at..]);
            OnBuilt(sequence, at, frame.Length, sequence == _out.NextToSend, now);
            at += frame.Length;
            _out.OnSent(sequence, _segments, now);
            _inSegment.Add(sequence);
        }

        if (_inSegment.Count > 0)
        {
            _lazyAt = Never;
            if (_retransmitAt == Never)
            {
                _retransmitAt = now + _roundTrip.TimeOut;
            }
        }

        return at;
    }

    private int Seal(ReadOnlySpan<byte> plaintext, EpochKeys keys, ulong nonce, Span<byte> segment)
    {
        new SegmentHeader(keys.Number, !IsSealed, nonce).Write(segment);
        var body = segment[SegmentHeader.Size..];
        if (!IsSealed)
        {
            plaintext.CopyTo(body);
            return SegmentHeader.Size + plaintext.Length;
        }

        segment[..SegmentHeader.Size].CopyTo(_sendAssociated.AsSpan(SegmentHeader.AssociatedSize - SegmentHeader.Size));
        keys.Send.Seal(nonce, _sendAssociated, plaintext, body[..(plaintext.Length + SegmentHeader.TagSize)]);
        return SegmentHeader.Size + plaintext.Length + SegmentHeader.TagSize;
    }

    // There is no way now, or it is full: the segment's frames go back, to be sealed anew under another nonce.
    private void OnNotTaken()
    {
        lock (Gate)
        {
            _flushing = false;
            DisposeRetired();
            if (_end is not null)
            {
                DisposeSendKey();
                return;
            }

            for (var i = _inSegment.Count - 1; i >= 0; i--)
            {
                _out.OnNotSent(_inSegment[i]);
            }

            _ackPending = _ackNow = true;
            _blocked = true;
            _refusals++;
        }

        _ = ResumeAsync();
    }

    private async Task ResumeAsync()
    {
        try
        {
            if (_refusals > 1)
            {
                // Room was promised and then nothing taken: without a pause this would spin.
                await Task.Delay(RoomPause, _context.Time, _stopping.Token);
            }

            await _context.Outlet.WaitForRoomAsync(Remote, _stopping.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or MeshException)
        {
            // The session ended, or there is no way at all now: the flush says goodbye, or comes back here until the time-out.
        }

        lock (Gate)
        {
            _blocked = false;
        }

        Flush();
    }

    private void DisposeSendKey()
    {
        if (!_sendDisposed)
        {
            (_sendDisposed, _goodbye) = (true, null);
            _keys.Send.Dispose();
            _nextKeys?.Send.Dispose();
            _signer?.Dispose();
        }
    }
}
