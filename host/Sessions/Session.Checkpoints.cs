using System.Buffers;
using System.Buffers.Binary;

namespace Dawn.Sessions;

/// <summary>How a session signs what it sends, and what becomes of the signatures that it gets.</summary>
/// <param name="Every">Frames to a signature.</param>
/// <param name="Evidence">Null where they are only checked.</param>
internal sealed record SessionSigning(Identity.INodeIdentity Identity, int Every, IEvidenceSink? Evidence);

// Checkpoints (docs/protocol.md). Frames are hashed by the flushing thread after their segment was handed over, and by the receiving one after they were
// delivered; roots are signed and verified there too. None of it happens under the gate, and no segment waits for it.
internal sealed partial class Session
{
    private const long CheckpointDelay = 20 * TimeSpan.TicksPerMillisecond;

    // A path that is down must not cost the session: what was on its way comes again, after whatever the path first brings.
    private const long UncoveredTimeOut = 5 * TimeSpan.TicksPerSecond;
    private const long UncoveredAtLast = 35 * TimeSpan.TicksPerSecond;
    private const long PathSilence = TimeSpan.TicksPerSecond;

    // Null in a session that isn't sealed: it has no secret, and nothing in it would be worth a signature.
    private readonly CheckpointSigner? _signer;
    private readonly CheckpointVerifier? _verifier;

    // What is new in the segment that is being handed over, from _newAt on; only the flushing thread touches it.
    private readonly List<int> _newFrames = [];
    private int _newAt;
    private ulong _newFirst;

    // What a segment delivered, in order; only touched under _receiving.
    private readonly List<DeliveredFrame> _delivered = [];

    // Checkpoints that leave with the goodbye, numbered on from the last frame that left: what was queued before them doesn't count any more.
    private readonly List<byte[]> _lastCheckpoints = [];
    private ulong _lastSequence;

    private bool _checkpointDue;
    private long _checkpointAt = Never;
    private long _uncoveredAt = Never;
    private long _coverFrom = Never;

    /// <summary>A frame in the opened segment, or in a buffer of its own where it was held, which is then to be returned to the pool.</summary>
    private readonly record struct DeliveredFrame(byte[]? Held, int At, int Length);

    private bool HasLastToSign => _signer is { HasLeaves: true };

    // Under the gate: a frame goes into the segment, at the given place.
    private void OnBuilt(ulong sequence, int at, int length, bool isNew, long now)
    {
        if (_signer is null || !isNew)
        {
            return;
        }

        if (_newFrames.Count == 0)
        {
            (_newAt, _newFirst) = (at, sequence);
        }

        _newFrames.Add(length);
        if (_checkpointAt == Never)
        {
            _checkpointAt = now + CheckpointDelay;
        }
    }

    // Outside of the gate, by the flushing thread: takes what was handed over, and signs what is enough or has waited long enough.
    private void SignSent(ReadOnlySpan<byte> segment, bool isDue)
    {
        if (_signer is not { } signer)
        {
            return;
        }

        var (at, sequence, isSigned) = (_newAt, _newFirst, false);
        foreach (var length in _newFrames)
        {
            var frame = segment.Slice(at, length);
            if (frame[0] != (byte)FrameType.Checkpoint)
            {
                signer.Add(sequence, frame);
                if (signer.IsFull)
                {
                    Sign(signer);
                    isSigned = true;
                }
            }

            (at, sequence) = (at + length, sequence + 1);
        }

        _newFrames.Clear();
        if (isDue)
        {
            Sign(signer);
        }
        else if (isSigned && signer.HasLeaves)
        {
            // The rest waits from now on.
            lock (Gate)
            {
                _checkpointAt = Now + CheckpointDelay;
            }
        }
    }

    private void Sign(CheckpointSigner signer)
    {
        byte[]? frame = null;
        if (signer.HasLeaves)
        {
            signer.Sign((frame = ArrayPool<byte>.Shared.Rent(Checkpoint.FrameSize)).AsSpan(0, Checkpoint.FrameSize), _context.Time.GetUtcNow());
        }

        lock (Gate)
        {
            (_checkpointDue, _checkpointAt) = (false, Never);
            if (frame is not null && _end is not null)
            {
                _lastCheckpoints.Add(frame);
            }
            else if (frame is not null)
            {
                Enqueue(frame, Checkpoint.FrameSize, isUrgent: true);
            }
        }
    }

    // Under the gate, once: what is signed and has not left goes with the goodbye.
    private void KeepLastCheckpoints()
    {
        _lastSequence = _out.NextToSend;
        while (_out.TryTakeUrgent(out var frame))
        {
            _lastCheckpoints.Add(frame);
        }
    }

    // Under the gate, once.
    private int WriteLastCheckpoints(Span<byte> to)
    {
        // As many as leave room for the goodbye; there is more than one only where each frame is signed for itself.
        var at = 0;
        foreach (var frame in _lastCheckpoints)
        {
            if (at + Checkpoint.FrameSize + Frame.MaxControl <= SegmentHeader.MaxPlaintext)
            {
                frame.AsSpan(0, Checkpoint.FrameSize).CopyTo(to[at..]);
                BinaryPrimitives.WriteUInt64BigEndian(to[(at + 1)..], _lastSequence++);
                at += Checkpoint.FrameSize;
            }

            ArrayPool<byte>.Shared.Return(frame);
        }

        _lastCheckpoints.Clear();
        return at;
    }

    // Under the gate: notes what is to be checked once it is released.
    private void OnDelivered(DeliveredFrame frame, bool isLeaf)
    {
        if (_verifier is not null)
        {
            _delivered.Add(frame);
            if (isLeaf && _uncoveredAt == Never)
            {
                _uncoveredAt = _coverFrom = Now;
                Schedule(_coverFrom);
            }
        }
        else if (frame.Held is { } held)
        {
            ArrayPool<byte>.Shared.Return(held);
        }
    }

    // Under _receiving, outside of the gate. Returns what the other end did wrong, in words, or null.
    private string? CheckDelivered(ReadOnlySpan<byte> plaintext, string? violation, long now)
    {
        if (_delivered.Count == 0)
        {
            return violation;
        }

        var checkedAny = false;
        foreach (var (held, at, length) in _delivered)
        {
            var frame = held is null ? plaintext.Slice(at, length) : held.AsSpan(0, length);
            if (violation is null && frame[0] == (byte)FrameType.Checkpoint)
            {
                // The body after type, sequence and length, which were read before.
                (violation, checkedAny) = (_verifier!.Take(frame[11..]), true);
            }
            else
            {
                violation ??= _verifier!.Add(BinaryPrimitives.ReadUInt64BigEndian(frame[1..]), frame, now);
            }

            if (held is not null)
            {
                ArrayPool<byte>.Shared.Return(held);
            }
        }

        _delivered.Clear();
        if (checkedAny)
        {
            lock (Gate)
            {
                _uncoveredAt = _verifier!.UncoveredSince ?? Never;
                _coverFrom = _uncoveredAt == Never ? Never : Math.Max(_coverFrom, _uncoveredAt);
                Schedule(now);
            }
        }

        return violation;
    }

    // Under the gate: something authentic came.
    private void OnHeard(long now)
    {
        var isBack = now - _heardAt >= PathSilence;
        _heardAt = now;
        if (isBack && _coverFrom != Never)
        {
            _coverFrom = now;
            Schedule(now);
        }
    }

    // While the other end is silent nothing is held against it until the last moment: this end may have slept itself, with what covers it all waiting to be read.
    private long CoverBy(long now) => _uncoveredAt == Never ? Never
        : now - _heardAt >= PathSilence ? _uncoveredAt + UncoveredAtLast
        : Math.Min(_coverFrom + UncoveredTimeOut, _uncoveredAt + UncoveredAtLast);
}
