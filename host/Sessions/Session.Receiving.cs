using System.Buffers;
using Dawn.Identity;

namespace Dawn.Sessions;

internal sealed partial class Session
{
    // A segment with more than this counts as full; every second one is acknowledged at once (docs/protocol.md, "Segment").
    private const int FullSegment = SegmentHeader.MaxPlaintext / 2;

    // Small frames that may stay unacknowledged for the delay: far below the sender's limit.
    private const int AckEvery = 256;

    // Guards the opening of segments, which may come over several links at once; taken before Gate.
    private readonly Lock _receiving = new();
    private readonly ReceiveQueue _in = new();
    private readonly byte[] _receiveAssociated;
    private readonly List<OpenedChannel> _opened = [];

    private int _fullSegments;
    private int _unacknowledged;
    private long _bytesReceived;

    /// <summary>Takes a segment as it came; what doesn't authenticate, or came before, is dropped and ends nothing.</summary>
    public void OnSegment(ReadOnlySpan<byte> segment)
    {
        if (!SegmentHeader.TryRead(segment, out var header) || header.IsClear == IsSealed)
        {
            return;
        }

        (MeshError Error, string Text)? goodbye = null;
        string? violation;
        OpenedChannel[] opened = [];
        byte[]? rekeyStep;
        var body = segment[SegmentHeader.Size..];
        var rented = ArrayPool<byte>.Shared.Rent(body.Length);
        try
        {
            lock (_receiving)
            {
                if (_end is not null || KeysOf(header.Epoch) is not { } keys || !keys.Taken.IsFresh(header.Nonce) || !TryOpen(segment, header, keys, rented, out var plaintext))
                {
                    return;
                }

                keys.Taken.Take(header.Nonce);
                long now;
                lock (Gate)
                {
                    if (_end is not null)
                    {
                        return;
                    }

                    IsConfirmed = true;
                    (_doubtedAt, _doubtPingAt) = (Never, Never);
                    OnHeard(now = Now);
                    _silencePingAt = _heardAt + PingAfterSilence;
                    _bytesReceived += segment.Length;
                    OnOpened(keys, _heardAt);
                    violation = TakeFrames(plaintext, out goodbye);
                    (rekeyStep, _rekeyStep) = (_rekeyStep, null);
                    if (_opened.Count > 0)
                    {
                        opened = [.. _opened];
                        _opened.Clear();
                    }
                }

                violation = CheckDelivered(plaintext, violation, now);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        if (violation is not null)
        {
            End(MeshError.Protocol, $"Node {Remote.ToShortString()} broke the protocol: {violation}.", tell: true);
            Release(opened);
            return;
        }

        if (goodbye is var (error, text))
        {
            End(error, text, tell: false);
            Release(opened);
            return;
        }

        foreach (var channel in opened)
        {
            _onOpened(this, channel);
        }

        if (rekeyStep is not null)
        {
            Rekey(rekeyStep);
        }

        Flush();
    }

    // Opened, filled and ended by one segment: nobody will hear of these channels, so nobody else gives back what they hold.
    // Kept, it would count against the process for ever.
    private void Release(OpenedChannel[] unheard)
    {
        lock (Gate)
        {
            foreach (var (channel, _, _) in unheard)
            {
                channel.CloseLocked(MeshError.None, null);
            }
        }
    }

    private bool TryOpen(ReadOnlySpan<byte> segment, SegmentHeader header, EpochKeys keys, byte[] into, out ReadOnlySpan<byte> plaintext)
    {
        plaintext = segment[SegmentHeader.Size..];
        if (header.IsClear)
        {
            return true;
        }

        if (plaintext.Length < SegmentHeader.TagSize)
        {
            return false;
        }

        segment[..SegmentHeader.Size].CopyTo(_receiveAssociated.AsSpan(SegmentHeader.AssociatedSize - SegmentHeader.Size));
        var opened = into.AsSpan(0, plaintext.Length - SegmentHeader.TagSize);
        if (!keys.Receive.TryOpen(header.Nonce, _receiveAssociated, plaintext, opened))
        {
            return false;
        }

        plaintext = opened;
        return true;
    }

    // Returns what the other end did wrong, in words, or null.
    private string? TakeFrames(ReadOnlySpan<byte> plaintext, out (MeshError, string)? goodbye)
    {
        goodbye = null;
        if (plaintext.Length > SegmentHeader.MaxPlaintext)
        {
            return $"a segment of {plaintext.Length} bytes";
        }

        var sequenced = 0;
        for (var rest = plaintext; !rest.IsEmpty;)
        {
            var before = rest;
            if (!Frame.TryRead(ref rest, out var frame))
            {
                return $"a malformed frame of type 0x{rest[0]:x2}";
            }

            string? violation = null;
            if (frame.IsSequenced)
            {
                sequenced++;
                violation = TakeSequenced(frame, before[..(before.Length - rest.Length)], plaintext.Length - before.Length);
            }
            else if (frame.Type == FrameType.Goodbye)
            {
                goodbye = (frame.Code is 0 or > (ushort)MeshError.BadAddress ? MeshError.Lost : (MeshError)frame.Code, Said(frame.Text, "ended the session"));
                return null;
            }
            else
            {
                violation = TakeUnsequenced(frame);
            }

            if (violation is not null)
            {
                return violation;
            }
        }

        if (sequenced > 0)
        {
            PlanAck(plaintext.Length, sequenced);
        }

        return _out.IsOverLimit ? "it has acknowledged nothing for too many frames" : null;
    }

    private void PlanAck(int length, int frames)
    {
        _ackPending = true;
        _fullSegments += length > FullSegment ? 1 : 0;
        _unacknowledged += frames;
        if (_in.HasGap || _fullSegments >= 2 || _unacknowledged >= AckEvery)
        {
            _ackNow = true;
        }
        else if (_ackAt == Never)
        {
            var now = Now;
            _ackAt = now + AckDelay;
            Schedule(now);
        }
    }

    private string? TakeUnsequenced(in Frame frame)
    {
        switch (frame.Type)
        {
            case FrameType.Ack:
                return TakeAck(frame);
            case FrameType.Ping:
                (_pongDue, _pongValue) = (true, frame.Sequence);
                return null;
            case FrameType.Pong when _pingOut && frame.Sequence == _pingValue:
                _pingOut = false;
                _measured = Math.Max(1, Now - _pingAt);
                _roundTrip.Add(_measured);
                return null;
            default:
                // Padding, and late pongs.
                return null;
        }
    }

    private string? TakeAck(in Frame frame)
    {
        var now = Now;
        if (!_out.TryAcknowledge(frame.Sequence, frame.Body, now, out var acknowledged, out var roundTrip))
        {
            return "an ack of what was never sent";
        }

        if (acknowledged == 0)
        {
            return null;
        }

        if (roundTrip >= 0)
        {
            _roundTrip.Add(roundTrip);
        }

        _roundTrip.EndBackOff();
        _progressAt = now;
        _retransmitAt = _out.InFlight > 0 ? now + _roundTrip.TimeOut : Never;
        if (_waitingForRoom.Count > 0 && _out.HasRoom)
        {
            foreach (var channel in _waitingForRoom)
            {
                channel.OnRoom();
            }

            _waitingForRoom.Clear();
        }

        return null;
    }

    private string? TakeSequenced(in Frame frame, ReadOnlySpan<byte> encoded, int at)
    {
        if (frame.Sequence != _in.Next)
        {
            // Early, or a repetition of what came: either way the other end should hear at once what is held.
            _in.Hold(frame.Sequence, encoded);
            _ackNow = true;
            return null;
        }

        _in.Advance();
        var violation = Deliver(frame);
        OnDelivered(new(null, at, encoded.Length), frame.Type != FrameType.Checkpoint);
        while (violation is null && _in.TryTake(out var rented, out var length))
        {
            var rest = new ReadOnlySpan<byte>(rented, 0, length);
            violation = Frame.TryRead(ref rest, out var held) ? Deliver(held) : "a malformed frame";
            OnDelivered(new(rented, 0, length), held.Type != FrameType.Checkpoint);
        }

        return violation;
    }

    // Every sequenced frame of the other direction passes here once and in order.
    private string? Deliver(in Frame frame)
    {
        if (frame.Type == FrameType.Open)
        {
            return TakeOpen(frame);
        }

        if (frame.Type == FrameType.Rekey)
        {
            return TakeRekey(frame.Body);
        }

        if (frame.Type == FrameType.Checkpoint && _verifier is not null)
        {
            return null;
        }

        if (frame.Type == FrameType.Checkpoint)
        {
            return $"a frame of the reserved type 0x{(byte)frame.Type:x2}";
        }

        if (_channels.TryGetValue(frame.Channel, out var channel))
        {
            return frame.Type switch
            {
                FrameType.Accept => channel.OnAccept(frame.Window, IsOurs(frame.Channel)),
                FrameType.Data => channel.OnData(frame.Body, frame.EndsMessage),
                FrameType.Window => channel.OnWindow(frame.Window),
                _ => TakeClose(channel, frame),
            };
        }

        if (!_closing.Contains(frame.Channel))
        {
            return $"a frame of type 0x{(byte)frame.Type:x2} on channel {frame.Channel}, which isn't open";
        }

        if (frame.Type == FrameType.Close)
        {
            // Its place in the order of forgetting stays; that is harmless, since ids are never used again.
            _closing.Remove(frame.Channel);
        }

        return null;
    }

    private string? TakeOpen(in Frame frame)
    {
        if (IsOurs(frame.Channel) || frame.Channel < _nextRemoteChannel)
        {
            return $"channel {frame.Channel} is not its to open";
        }

        _nextRemoteChannel = frame.Channel + 2L;
        var channel = new SessionChannel(this, frame.Channel, (long)frame.Window);
        _channels.Add(channel.Id, channel);
        if (!AgentId.IsValid(frame.Text) || !AgentId.IsValid(frame.Caller))
        {
            channel.CloseLocked(MeshError.BadAddress, "The agent's or the caller's id is not one: [a-z0-9][a-z0-9-]{0,62}.");
        }
        else if (_channels.Count > MaxChannels)
        {
            channel.CloseLocked(MeshError.Limit, $"The session has {MaxChannels} channels, as many as are allowed.");
        }
        else
        {
            var accept = ArrayPool<byte>.Shared.Rent(32);
            Enqueue(accept, Frame.WriteAccept(accept, Unnumbered, channel.Id, SessionChannel.Window));
            _opened.Add(new(channel, frame.Text, frame.Caller));
        }

        return null;
    }

    private string? TakeClose(SessionChannel channel, in Frame frame)
    {
        // Answered, so that the other end can forget the channel: everything that this end sent on it came before.
        EnqueueClose(channel, MeshError.None, "");
        Remove(channel, expectClose: false);
        channel.OnClose(frame.Code > (ushort)MeshError.BadAddress ? MeshError.Lost : (MeshError)frame.Code, Said(frame.Text, "closed the channel"));
        return null;
    }

    private bool IsOurs(uint channel) => (channel & 1) == (IsInitiator ? 0u : 1u);

    private string Said(string text, string did) => text.Length > 0 ? text : $"Node {Remote.ToShortString()} {did}.";
}
