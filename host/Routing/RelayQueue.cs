using System.Buffers;
using Dawn.Links;

namespace Dawn.Routing;

/// <summary>
/// What waits to be passed on over one link: a line for each session, served in turn by bytes (deficit round robin: Shreedhar, Varghese, 1996), so that one that sends a lot delays itself alone.
/// Thread-safe.
/// </summary>
internal sealed class RelayQueue(ILink link, TimeProvider time) : IDisposable
{
    /// <summary>What one session may have waiting here: what it has on the way at most, so that a slow link drops nothing of an honest one.</summary>
    public const int MaxLine = Sessions.SendQueue.MaxBytes + Sessions.SendQueue.MaxBytes / 4;

    private const int Quantum = 32 * 1024;

    // Between attempts at a link that says it has room and then takes nothing: one that is closing does so until it is down.
    private static readonly TimeSpan RoomPause = TimeSpan.FromMilliseconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<(NodeId Source, NodeId Target, ulong Tag), Line> _lines = [];
    private readonly Queue<Line> _turns = new();
    private readonly CancellationTokenSource _end = new();
    private volatile bool _isWaiting;

    private sealed class Line((NodeId, NodeId, ulong) key)
    {
        public (NodeId, NodeId, ulong) Key => key;

        public Queue<(byte[] Rented, int Length, RelayAccount Account)> Envelopes { get; } = new();

        public int Bytes { get; set; }

        public int Deficit { get; set; }
    }

    /// <summary>Sends it, or keeps it for its turn; false where a limit is reached.</summary>
    public bool TryAdd(RelayAccount account, in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        Span<byte> head = stackalloc byte[EnvelopeHeader.Size];
        header.Write(head);
        // Straight through while the link keeps up.
        if (!_isWaiting && link.TrySend(LinkFrame.Envelope, head, payload))
        {
            return true;
        }

        var size = EnvelopeHeader.Size + payload.Length;
        lock (_lock)
        {
            var key = (header.Source, header.Target, header.Tag);
            var isNew = !_lines.TryGetValue(key, out var line);
            if (_end.IsCancellationRequested || line?.Bytes + size > MaxLine || !account.TryHold(size))
            {
                return false;
            }

            if (isNew)
            {
                _lines.Add(key, line = new(key));
                _turns.Enqueue(line);
            }

            var rented = ArrayPool<byte>.Shared.Rent(size);
            head.CopyTo(rented);
            payload.CopyTo(rented.AsSpan(EnvelopeHeader.Size));
            line!.Envelopes.Enqueue((rented, size, account));
            line.Bytes += size;
            if (!_isWaiting)
            {
                _isWaiting = true;
                _ = PumpAsync();
            }

            return true;
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _end.Cancel();
            foreach (var line in _lines.Values)
            {
                while (line.Envelopes.TryDequeue(out var envelope))
                {
                    Free(envelope);
                }
            }

            _lines.Clear();
            _turns.Clear();
        }
    }

    private async Task PumpAsync()
    {
        await Task.Yield();
        try
        {
            while (true)
            {
                await link.WaitForRoomAsync(_end.Token);
                bool anySent;
                lock (_lock)
                {
                    if (_end.IsCancellationRequested || !Serve(out anySent))
                    {
                        _isWaiting = false;
                        return;
                    }
                }

                if (!anySent)
                {
                    await Task.Delay(RoomPause, time, _end.Token);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The link is down; what waited is gone, and sent again by those whose it was.
        }
    }

    // Sends until the link is full; false once nothing waits.
    private bool Serve(out bool anySent)
    {
        anySent = false;
        while (_turns.TryPeek(out var line))
        {
            line.Deficit += Quantum;
            while (line.Envelopes.TryPeek(out var next) && next.Length <= line.Deficit)
            {
                if (!link.TrySend(LinkFrame.Envelope, next.Rented.AsSpan(0, next.Length), default))
                {
                    line.Deficit = Math.Max(0, line.Deficit - Quantum);
                    return true;
                }

                anySent = true;
                line.Envelopes.Dequeue();
                line.Bytes -= next.Length;
                line.Deficit -= next.Length;
                Free(next);
            }

            _turns.Dequeue();
            if (line.Envelopes.Count > 0)
            {
                _turns.Enqueue(line);
            }
            else
            {
                _lines.Remove(line.Key);
            }
        }

        return false;
    }

    private static void Free((byte[] Rented, int Length, RelayAccount Account) envelope)
    {
        ArrayPool<byte>.Shared.Return(envelope.Rented);
        envelope.Account.Release(envelope.Length);
    }
}
