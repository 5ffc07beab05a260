using System.Collections.Concurrent;
using Dawn.Links;

namespace Dawn.Routing;

/// <summary>What this node does for others.</summary>
/// <param name="IsEnabled"><c>Dawn:Relay:Enabled</c></param>
/// <param name="BytesPerSecond"><c>Dawn:Relay:BytesPerSecond</c>, of each neighbour; null for no limit.</param>
/// <param name="Memory"><c>Dawn:Relay:Memory</c>, of all that waits; a quarter of it for each neighbour.</param>
internal sealed record RelayOptions(bool IsEnabled = true, long? BytesPerSecond = null, long Memory = 64 * 1024 * 1024);

/// <summary>
/// Passes on what others send each other, looking at headers alone. An envelope leaves at most once for each time it came, with a lower hop limit, so nothing can multiply or go round for ever.
/// What waits is charged to the neighbour that sent it. Thread-safe.
/// </summary>
/// <param name="ways">The next hops for others.</param>
internal sealed partial class Relay(RelayOptions options, Paths ways, TimeProvider time, ILogger logger)
{
    // A word for each envelope that is dropped would double the load of whoever floods this node.
    private static readonly TimeSpan HintEvery = TimeSpan.FromMilliseconds(5);
    private const int HintBurst = 50;

    private static readonly TimeSpan LogEvery = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<ILink, RelayAccount> _accounts = new();
    private readonly ConcurrentDictionary<ILink, RelayQueue> _queues = new();
    private readonly long _started = time.GetTimestamp();
    private readonly RelayMemory _memory = new(options.Memory);
    private long _envelopes;
    private long _bytes;
    private long _unroutable;
    private long _overLimit;
    private long _logged = long.MinValue;

    public long Envelopes => Interlocked.Read(ref _envelopes);

    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Dropped for want of a way.</summary>
    public long Unroutable => Interlocked.Read(ref _unroutable);

    /// <summary>Dropped at a limit.</summary>
    public long OverLimit => Interlocked.Read(ref _overLimit);

    /// <summary>Asked for a way to a node that there is none to; true while it is looked for. Null where nobody looks.</summary>
    public Func<NodeId, bool>? Search { get; set; }

    /// <summary>Bytes that wait.</summary>
    public long Held => _memory.Used;

    public void Forward(ILink from, in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        var account = _accounts.TryGetValue(from, out var known) ? known : _accounts.GetOrAdd(from, new RelayAccount(options.BytesPerSecond, _memory, HintEvery, HintBurst));
        var hop = options.IsEnabled && header.HopLimit > 1 ? ways.Find(header.Target) : null;
        var mayRelay = (header.Flags & (byte)EnvelopeFlags.ToRelay) == 0 || hop?.Link?.Remote == header.Target || hop?.Flags == EnvelopeFlags.None;
        if (hop?.Link is not { } to || to == from || !mayRelay)
        {
            Interlocked.Increment(ref _unroutable);
            // Whoever hands over without knowing that this node leads there takes it for a hub, whose it is to find a way. What comes meanwhile is sent again; a word would make the source look elsewhere.
            var isSought = hop is { Link: null, Flags: EnvelopeFlags.None } && (header.Flags & (byte)EnvelopeFlags.ToRelay) == 0 && Search?.Invoke(header.Target) == true;
            if (!isSought)
            {
                Tell(from, account, header, UndeliverableCode.NoRoute);
            }

            return;
        }

        var size = EnvelopeHeader.Size + payload.Length;
        var onward = header with { HopLimit = (byte)(header.HopLimit - 1), Flags = (byte)hop.Flags };
        if (account.TryPass(size, time.GetElapsedTime(_started)) && QueueOf(to).TryAdd(account, onward, payload))
        {
            Interlocked.Increment(ref _envelopes);
            Interlocked.Add(ref _bytes, size);
            return;
        }

        Interlocked.Increment(ref _overLimit);
        Tell(from, account, header, UndeliverableCode.Limit);
        LogLimit(from);
    }

    public void OnLinkDown(ILink link)
    {
        _accounts.TryRemove(link, out _);
        if (_queues.TryRemove(link, out var queue))
        {
            queue.Dispose();
        }
    }

    private RelayQueue QueueOf(ILink to)
    {
        var queue = _queues.GetOrAdd(to, static (link, time) => new(link, time), time);
        if (to.Ended.IsCompleted)
        {
            // It went down in between, and nobody else will.
            OnLinkDown(to);
        }

        return queue;
    }

    // To the neighbour it came from, which passes it on towards the source or takes another way itself.
    private void Tell(ILink from, RelayAccount account, in EnvelopeHeader lost, UndeliverableCode code)
    {
        if (lost.Kind is EnvelopeKind.Undeliverable or EnvelopeKind.Traced || !account.MayTell(time.GetElapsedTime(_started)))
        {
            return;
        }

        Span<byte> envelope = stackalloc byte[EnvelopeHeader.Size + Undeliverable.Size];
        new EnvelopeHeader(EnvelopeKind.Undeliverable, 0, EnvelopeHeader.DefaultHopLimit, lost.Id, lost.Target, lost.Source, lost.Tag, Undeliverable.Size).Write(envelope);
        Undeliverable.Write(envelope[EnvelopeHeader.Size..], lost.Id, code);
        from.TrySend(LinkFrame.Envelope, envelope, default);
    }

    private void LogLimit(ILink from)
    {
        var now = time.GetTimestamp();
        var last = Interlocked.Read(ref _logged);
        if ((last == long.MinValue || time.GetElapsedTime(last, now) >= LogEvery) && Interlocked.CompareExchange(ref _logged, now, last) == last)
        {
            LogOverLimit(from.Remote.ToShortString(), options.Memory, options.BytesPerSecond is { } rate ? $"{rate} bytes a second" : "no limit");
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} sends more through this node than it may, and some of it is dropped: Dawn:Relay:Memory is {Memory} bytes, of which one neighbour gets a quarter, and Dawn:Relay:BytesPerSecond is {Rate}")]
    private partial void LogOverLimit(string peer, long memory, string rate);
}

/// <summary>Bytes that wait, of all neighbours together. Thread-safe.</summary>
internal sealed class RelayMemory(long limit)
{
    private long _used;

    public long Limit => limit;

    public long Used => Interlocked.Read(ref _used);

    public bool TryTake(int bytes)
    {
        if (Interlocked.Add(ref _used, bytes) <= limit)
        {
            return true;
        }

        Return(bytes);
        return false;
    }

    public void Return(int bytes) => Interlocked.Add(ref _used, -bytes);
}

/// <summary>What one neighbour may send through this node. Thread-safe.</summary>
internal sealed class RelayAccount(long? bytesPerSecond, RelayMemory memory, TimeSpan hintEvery, int hintBurst)
{
    private readonly Lock _lock = new();
    private readonly Gcra _hints = new(hintEvery, hintBurst);
    private TimeSpan _due;
    private long _held;

    /// <summary>False where it is beyond the rate; a second's worth may come at once.</summary>
    public bool TryPass(int bytes, TimeSpan now)
    {
        if (bytesPerSecond is not { } rate)
        {
            return true;
        }

        lock (_lock)
        {
            var due = now > _due ? now : _due;
            if (due - now > TimeSpan.FromSeconds(1))
            {
                return false;
            }

            _due = due + TimeSpan.FromSeconds((double)bytes / rate);
            return true;
        }
    }

    public bool MayTell(TimeSpan now)
    {
        lock (_lock)
        {
            return _hints.TryTake(now);
        }
    }

    public bool TryHold(int bytes)
    {
        if (Interlocked.Add(ref _held, bytes) <= memory.Limit / 4 && memory.TryTake(bytes))
        {
            return true;
        }

        Interlocked.Add(ref _held, -bytes);
        return false;
    }

    public void Release(int bytes)
    {
        Interlocked.Add(ref _held, -bytes);
        memory.Return(bytes);
    }
}
