using System.Buffers;

namespace Dawn.Sessions;

/// <summary>Brings the sequenced frames of one direction into order: holds what came early, knows what came already. Guarded by the session's lock.</summary>
internal sealed class ReceiveQueue
{
    // Encoded frames, somewhat more than the sender's limit on data, which control frames may exceed.
    private const int MaxBytes = SendQueue.MaxBytes + 256 * 1024;

    private (byte[]? Rented, int Length)[] _ring = [];
    private int _bytes;
    private int _count;

    // One past the highest sequence held.
    private ulong _end;

    /// <summary>The first sequence that isn't held in order.</summary>
    public ulong Next { get; private set; }

    public bool HasGap => _count > 0;

    /// <summary>The frame whose sequence is <see cref="Next"/> was taken.</summary>
    public void Advance() => Next++;

    /// <summary>Keeps a copy of a frame that came early; drops what is there already or too far ahead.</summary>
    public void Hold(ulong sequence, ReadOnlySpan<byte> frame)
    {
        if (sequence <= Next || sequence - Next >= SendQueue.MaxFrames || _bytes + frame.Length > MaxBytes)
        {
            return;
        }

        Grow((int)(sequence - Next) + 1);
        ref var slot = ref At(sequence);
        if (slot.Rented is not null)
        {
            return;
        }

        slot = (ArrayPool<byte>.Shared.Rent(frame.Length), frame.Length);
        frame.CopyTo(slot.Rented);
        (_end, _bytes, _count) = (Math.Max(_end, sequence + 1), _bytes + frame.Length, _count + 1);
    }

    /// <summary>Takes the frame at <see cref="Next"/> where it is held; the caller returns the bytes to the shared pool.</summary>
    public bool TryTake(out byte[] rented, out int length)
    {
        (rented, length) = ([], 0);
        if (_count == 0 || At(Next).Rented is not { } held)
        {
            return false;
        }

        (rented, length) = (held, At(Next).Length);
        At(Next) = default;
        (_bytes, _count) = (_bytes - length, _count - 1);
        Next++;
        return true;
    }

    public int WriteAck(Span<byte> to)
    {
        Span<(ulong, uint)> ranges = stackalloc (ulong, uint)[Frame.MaxAckRanges];
        var count = 0;
        if (_count > 0)
        {
            for (var s = Next + 1; s < _end && count < ranges.Length; s++)
            {
                var first = s;
                while (s < _end && At(s).Rented is not null)
                {
                    s++;
                }

                if (s > first)
                {
                    ranges[count++] = (first, (uint)(s - first));
                }
            }
        }

        return Frame.WriteAck(to, Next, ranges[..count]);
    }

    public void Clear()
    {
        foreach (ref var slot in _ring.AsSpan())
        {
            if (slot.Rented is not null)
            {
                ArrayPool<byte>.Shared.Return(slot.Rented);
                slot = default;
            }
        }

        (_bytes, _count) = (0, 0);
    }

    private ref (byte[]? Rented, int Length) At(ulong sequence) => ref _ring[sequence & (ulong)(_ring.Length - 1)];

    private void Grow(int distance)
    {
        if (distance <= _ring.Length)
        {
            return;
        }

        // At most the power of two that MaxFrames is.
        var size = Math.Max(_ring.Length, 16);
        while (size < distance)
        {
            size *= 2;
        }

        var larger = new (byte[]?, int)[size];
        if (_count > 0)
        {
            for (var s = Next; s < _end; s++)
            {
                larger[s & (ulong)(size - 1)] = At(s);
            }
        }

        _ring = larger;
    }
}
