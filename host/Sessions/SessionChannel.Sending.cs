namespace Dawn.Sessions;

// How messages become frames: whole where there is room, else bit by bit and one at a time.
internal sealed partial class SessionChannel
{
    // Most messages: there is room for all of it, and nobody is in the middle of another.
    private bool TryQueueWhole(ReadOnlySpan<byte> message, out long number)
    {
        lock (_session.Gate)
        {
            ThrowIfClosed();
            number = _nextMessage;
            if (_isSendingSlowly || message.Length > _sendLimit - _sent || !_session.HasRoomFor(message.Length))
            {
                return false;
            }

            _nextMessage++;
            for (var begins = true; begins || !message.IsEmpty; begins = false)
            {
                QueueFrame(ref message, Frame.MaxData, begins ? number : -1);
            }

            return true;
        }
    }

    // As much as there is room for. A number is given where the message has begun.
    private int QueueSome(ReadOnlySpan<byte> rest, ref long number, out bool done)
    {
        lock (_session.Gate)
        {
            ThrowIfClosed();
            var length = rest.Length;
            for (done = false; !done; done = rest.IsEmpty)
            {
                var room = (int)Math.Min(Frame.MaxData, _sendLimit - _sent);
                if (room <= 0 && !rest.IsEmpty)
                {
                    break;
                }

                if (!_session.HasRoom)
                {
                    _session.WaitForRoom(this);
                    break;
                }

                var begins = number < 0;
                number = begins ? _nextMessage++ : number;
                QueueFrame(ref rest, room, begins ? number : -1);
            }

            return length - rest.Length;
        }
    }

    private void QueueFrame(ref ReadOnlySpan<byte> rest, int room, long begins)
    {
        var data = rest[..Math.Min(room, rest.Length)];
        rest = rest[data.Length..];
        _session.EnqueueData(this, data, rest.IsEmpty, begins);
        _sent += data.Length;
    }

    // For a message that doesn't fit at once, or that must wait for one that didn't.
    private async ValueTask<long> SendSlowlyAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        await _slowly.WaitAsync(cancellationToken);
        var (number, queued) = (-1L, 0);
        try
        {
            lock (_session.Gate)
            {
                _isSendingSlowly = true;
            }

            for (var done = false; !done;)
            {
                queued += QueueSome(message.Span[queued..], ref number, out done);
                _session.Flush();
                if (!done)
                {
                    await _writable.WaitAsync(cancellationToken);
                }
            }
        }
        catch (OperationCanceledException) when (number >= 0)
        {
            // Half a message can't be taken back, and must not cost the channel: the rest follows by itself, from a copy.
            _ = FinishCopyAsync(MessageBuffer.CopyOf(message.Span[queued..]), number);
            throw;
        }
        catch
        {
            EndSlowly();
            throw;
        }

        EndSlowly();
        return number;
    }

    private async Task FinishCopyAsync(MessageBuffer rest, long number)
    {
        using (rest)
        {
            try
            {
                for (var (queued, done) = (0, false); !done;)
                {
                    await _writable.WaitAsync(CancellationToken.None);
                    queued += QueueSome(rest.Span[queued..], ref number, out done);
                    _session.Flush();
                }
            }
            catch (MeshException)
            {
                // The channel ended, which the next send says too.
            }
        }

        EndSlowly();
    }

    private void EndSlowly()
    {
        lock (_session.Gate)
        {
            _isSendingSlowly = false;
        }

        _slowly.Release();
    }
}
