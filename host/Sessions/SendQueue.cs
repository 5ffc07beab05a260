using System.Buffers;
using System.Buffers.Binary;

namespace Dawn.Sessions;

/// <summary>The sequenced frames of one direction that the other end has not acknowledged: queued, in flight, or to be sent again. Guarded by the session's lock.</summary>
internal sealed class SendQueue
{
    /// <summary>Frames and bytes in flight at most (docs/protocol.md, "Windows").</summary>
    public const int MaxFrames = 4_096;

    public const int MaxBytes = 4 * 1024 * 1024;

    // Data waits for room; control frames don't, and only a peer that never acknowledges can pile up this many.
    private const int HardLimit = 4 * MaxFrames;

    // Transmissions in later segments that must have arrived before a gap counts as a loss (RFC 9002, section 6.1.1).
    private const ulong ReorderingThreshold = 3;

    // Frames that may be in flight however full the way is.
    private const int LeastInFlight = 16;

    // After silence not the whole flight at once: the path may be congested, and the first acks tell more.
    private const int ExpiredBytes = 256 * 1024;

    // What was never sent; it has no sequence yet, so that what is urgent can overtake.
    private readonly Queue<OutgoingFrame> _queued = [];
    private readonly Queue<OutgoingFrame> _urgent = [];
    private OutgoingFrame[] _ring = new OutgoingFrame[16];
    private ulong _lostFrom;
    private int _lost;
    private ulong _newestArrived;
    private int _limit = MaxFrames;

    /// <summary>The first frame that isn't acknowledged.</summary>
    public ulong First { get; private set; }

    /// <summary>The sequence of the next frame that is sent for the first time.</summary>
    public ulong NextToSend { get; private set; }

    public long Bytes { get; private set; }

    public int InFlight { get; private set; }

    public bool IsEmpty => Count == 0;

    public bool HasRoom => HasRoomFor(0);

    /// <summary>Room for so many bytes more, as far as their frames' heads let it be told.</summary>
    public bool HasRoomFor(int bytes) => Count < MaxFrames && Bytes + bytes < MaxBytes;

    public bool IsOverLimit => Count >= HardLimit;

    public bool HasDue => InFlight < _limit && (_lost > 0 || (_queued.Count + _urgent.Count > 0 && NextToSend - First < MaxFrames));

    private int Count => (int)(NextToSend - First) + _queued.Count + _urgent.Count;

    private ref OutgoingFrame At(ulong sequence) => ref _ring[sequence & (ulong)(_ring.Length - 1)];

    /// <summary>Queues an encoded frame; its sequence is written into it when it is first sent.</summary>
    /// <param name="rented">From the shared pool; given back once acknowledged.</param>
    /// <param name="startsMessage">The number of the message that begins with it; negative for other frames.</param>
    /// <param name="isUrgent">Before all that was never sent: on a slow path the signature over what was sent must not wait for what is queued.</param>
    public void Add(byte[] rented, int length, SessionChannel? channel = null, long startsMessage = -1, bool isUrgent = false)
    {
        (isUrgent ? _urgent : _queued).Enqueue(new() { Rented = rented, Length = length, Channel = channel, StartsMessage = startsMessage });
        Bytes += length;
    }

    /// <summary>Takes back an urgent frame that was never sent; the caller returns it to the pool.</summary>
    public bool TryTakeUrgent(out byte[] rented)
    {
        var any = _urgent.TryDequeue(out var frame);
        rented = any ? frame.Rented : [];
        Bytes -= frame.Length;
        return any;
    }

    /// <summary>The next frame to transmit: what was lost first, then what is new. False where none is due or it is longer than <paramref name="room"/>.</summary>
    public bool TryNext(int room, out ulong sequence, out ReadOnlySpan<byte> frame)
    {
        sequence = NextToSend;
        frame = default;
        if (InFlight >= _limit)
        {
            return false;
        }

        if (_lost > 0)
        {
            for (_lostFrom = Math.Max(_lostFrom, First); At(_lostFrom).State != FrameState.Lost; _lostFrom++)
            {
            }

            sequence = _lostFrom;
        }
        else if (!HasDue)
        {
            return false;
        }

        var next = sequence < NextToSend ? At(sequence) : (_urgent.Count > 0 ? _urgent : _queued).Peek();
        if (sequence == NextToSend)
        {
            Frame.WriteSequence(next.Rented, sequence);
        }

        frame = next.Bytes;
        return frame.Length <= room;
    }

    /// <summary>The frame goes into a segment.</summary>
    /// <param name="segment">Counts the session's transmissions; unlike nonces it goes on from epoch to epoch.</param>
    public void OnSent(ulong sequence, ulong segment, long now)
    {
        if (sequence == NextToSend)
        {
            Append((_urgent.Count > 0 ? _urgent : _queued).Dequeue());
        }
        else
        {
            // Only what was lost is sent again.
            _lost--;
        }

        ref var frame = ref At(sequence);

        (frame.State, frame.Segment, frame.SentAt) = (FrameState.InFlight, segment, now);
        frame.Transmissions++;
        InFlight++;
        if (frame.StartsMessage >= 0)
        {
            frame.Channel!.OnTransmitting(frame.StartsMessage);
        }
    }

    /// <summary>The segment of this frame was not taken by the port after all.</summary>
    public void OnNotSent(ulong sequence)
    {
        if (sequence < First)
        {
            return;
        }

        ref var frame = ref At(sequence);
        if (frame.State == FrameState.InFlight)
        {
            MarkLost(sequence);
            if (--frame.Transmissions == 0 && frame.StartsMessage >= 0)
            {
                frame.Channel!.OnNotTransmitted(frame.StartsMessage);
            }
        }
    }

    /// <summary>Takes an ack. False where it names what was never sent or its ranges don't ascend.</summary>
    /// <param name="acknowledged">Frames that it acknowledged for the first time.</param>
    /// <param name="roundTrip">A measurement in ticks; negative where it gives none.</param>
    public bool TryAcknowledge(ulong firstMissing, ReadOnlySpan<byte> ranges, long now, out int acknowledged, out long roundTrip)
    {
        (acknowledged, roundTrip) = (0, -1);
        if (firstMissing > NextToSend || !AreAscending(firstMissing, ranges))
        {
            return false;
        }

        var latest = -1L;
        for (; First < firstMissing; First++)
        {
            acknowledged += Release(First, ref latest);
        }

        for (var rest = ranges; !rest.IsEmpty; rest = rest[Frame.AckRange..])
        {
            var end = BinaryPrimitives.ReadUInt64BigEndian(rest) + BinaryPrimitives.ReadUInt32BigEndian(rest[8..]);
            for (var s = Math.Max(First, BinaryPrimitives.ReadUInt64BigEndian(rest)); s < end; s++)
            {
                acknowledged += Release(s, ref latest);
            }
        }

        while (First < NextToSend && At(First).State == FrameState.Acknowledged)
        {
            First++;
        }

        if (!ranges.IsEmpty)
        {
            MarkOvertaken();
        }

        _limit = Math.Min(MaxFrames, _limit + Math.Max(1, acknowledged / 8));
        roundTrip = latest < 0 ? -1 : now - latest;
        return true;
    }

    /// <summary>Something on the way is full: half as much may be in flight, until acks let it grow again.</summary>
    public void OnCongested() => _limit = Math.Max(LeastInFlight, Math.Min(_limit, InFlight) / 2);

    /// <summary>Everything in flight is to be sent again: the path changed.</summary>
    public void MarkAllLost()
    {
        for (var s = First; s < NextToSend; s++)
        {
            if (At(s).State == FrameState.InFlight)
            {
                MarkLost(s);
            }
        }
    }

    /// <summary>Marks what was sent a time-out ago as lost, oldest first.</summary>
    /// <returns>When the oldest of the others was sent; <see cref="long.MaxValue"/> for none.</returns>
    public long MarkExpired(long sentBefore, out bool any)
    {
        any = false;
        var (oldest, room) = (long.MaxValue, ExpiredBytes);
        for (var s = First; s < NextToSend; s++)
        {
            ref var frame = ref At(s);
            if (frame.State != FrameState.InFlight)
            {
                continue;
            }

            if (frame.SentAt <= sentBefore && room > 0)
            {
                any = true;
                room -= frame.Length;
                MarkLost(s);
            }
            else
            {
                oldest = Math.Min(oldest, frame.SentAt);
            }
        }

        return oldest;
    }

    public void Clear()
    {
        var ignored = 0L;
        for (; First < NextToSend; First++)
        {
            Release(First, ref ignored);
        }

        foreach (var frame in _urgent.Concat(_queued))
        {
            ArrayPool<byte>.Shared.Return(frame.Rented);
        }

        _urgent.Clear();
        _queued.Clear();
        Bytes = 0;
    }

    private void Append(in OutgoingFrame frame)
    {
        if (NextToSend - First == (ulong)_ring.Length)
        {
            var larger = new OutgoingFrame[_ring.Length * 2];
            for (var s = First; s < NextToSend; s++)
            {
                larger[s & (ulong)(larger.Length - 1)] = At(s);
            }

            _ring = larger;
        }

        At(NextToSend++) = frame;
    }

    private bool AreAscending(ulong firstMissing, ReadOnlySpan<byte> ranges)
    {
        for (var previous = firstMissing; !ranges.IsEmpty; ranges = ranges[Frame.AckRange..])
        {
            var (first, length) = (BinaryPrimitives.ReadUInt64BigEndian(ranges), BinaryPrimitives.ReadUInt32BigEndian(ranges[8..]));
            if (first <= previous || length == 0 || first >= NextToSend || length > NextToSend - first)
            {
                return false;
            }

            previous = first + length;
        }

        return true;
    }

    // A gap is a loss when enough later transmissions have arrived.
    private void MarkOvertaken()
    {
        for (var s = First; s < NextToSend; s++)
        {
            ref var frame = ref At(s);
            if (frame.State == FrameState.InFlight && frame.Segment + ReorderingThreshold <= _newestArrived)
            {
                MarkLost(s);
            }
        }
    }

    private void MarkLost(ulong sequence)
    {
        At(sequence).State = FrameState.Lost;
        _lostFrom = _lost++ == 0 ? sequence : Math.Min(_lostFrom, sequence);
        InFlight--;
    }

    private int Release(ulong sequence, ref long latest)
    {
        ref var frame = ref At(sequence);
        if (frame.State == FrameState.Acknowledged)
        {
            return 0;
        }

        if (frame.State == FrameState.InFlight)
        {
            InFlight--;
            if (frame.Transmissions == 1)
            {
                // Of what was sent twice nobody knows which transmission arrived.
                latest = Math.Max(latest, frame.SentAt);
                _newestArrived = Math.Max(_newestArrived, frame.Segment);
            }
        }
        else if (frame.State == FrameState.Lost)
        {
            _lost--;
        }

        Bytes -= frame.Length;
        ArrayPool<byte>.Shared.Return(frame.Rented);
        frame = new() { Rented = [], State = FrameState.Acknowledged };
        return 1;
    }

    private enum FrameState : byte
    {
        Unsent,
        InFlight,
        Lost,
        Acknowledged,
    }

    private struct OutgoingFrame
    {
        public required byte[] Rented;
        public int Length;
        public SessionChannel? Channel;
        public long StartsMessage;
        public FrameState State;
        public int Transmissions;
        public ulong Segment;
        public long SentAt;

        public readonly ReadOnlySpan<byte> Bytes => Rented.AsSpan(0, Length);
    }
}
