using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Sessions;

namespace Dawn.Routing;

/// <summary>Who is at a distance on the way to a node.</summary>
/// <param name="Node">Null where nobody there has answered.</param>
internal sealed record TraceHop(int Hop, NodeId? Node, TimeSpan? RoundTrip);

/// <param name="Hops">The nearest first, as far as somebody has answered.</param>
/// <param name="IsComplete">The target has answered, too.</param>
internal sealed record TracedPath(IReadOnlyList<TraceHop> Hops, bool IsComplete);

/// <summary>
/// Follows the way to a node hop by hop, and answers those who do: envelopes with small hop limits, and who takes one whose limit runs out says so (docs/protocol.md, "Traces"; the idea is
/// traceroute's). Thread-safe.
/// </summary>
/// <remarks>Who answers is a claim of its own, as in hints of relays; only the first hop is known from its link.</remarks>
internal sealed class Traces(NodeId self, IEnvelopePort port, Entropy entropy, TimeProvider time)
{
    /// <summary>At once; each waits for <see cref="Tries"/> times <see cref="Patience"/> at most.</summary>
    public const int Max = 16;

    public const int MaxHops = EnvelopeHeader.DefaultHopLimit;

    /// <summary>How often is asked for a hop that doesn't answer.</summary>
    public const int Tries = 3;

    /// <summary>A number.</summary>
    public const int TraceSize = sizeof(ulong);

    /// <summary>The number, and the hop limit that it came with.</summary>
    public const int TracedSize = TraceSize + 1;

    /// <summary>For the answers to one try.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    // To one neighbour, as relays' hints are: a few traces at once, and no load that whoever floods this node could double.
    private static readonly TimeSpan AnswerEvery = TimeSpan.FromMilliseconds(5);
    private const int AnswerBurst = 50;

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, (Trace Trace, int HopLimit, long SentAt)> _pending = [];
    private readonly ConditionalWeakTable<ILink, Gcra> _limits = [];
    private readonly long _started = time.GetTimestamp();
    private int _running;

    /// <summary>Envelopes whose answer is waited for.</summary>
    public int Pending
    {
        get
        {
            lock (_lock)
            {
                return _pending.Count;
            }
        }
    }

    /// <summary>Follows the way there is to a node.</summary>
    /// <exception cref="MeshException">Too many traces at once.</exception>
    public async Task<TracedPath> TraceAsync(NodeId target, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_running >= Max)
            {
                throw new MeshException(MeshError.Limit, $"This node follows {Max} ways already, as many as it may at once; try again in {(Tries * Patience).TotalSeconds:0} s.");
            }

            _running++;
        }

        var trace = new Trace(target);
        try
        {
            for (var i = 0; i < Tries && !trace.Done.IsCompleted; i++)
            {
                Ask(trace);
                try
                {
                    await trace.Done.WaitAsync(Patience, time, cancellationToken);
                }
                catch (TimeoutException)
                {
                    // Envelopes get lost, and so do answers: once more for those that are missing.
                }
            }

            lock (_lock)
            {
                return trace.Result;
            }
        }
        finally
        {
            lock (_lock)
            {
                _running--;
                foreach (var number in trace.Numbers)
                {
                    _pending.Remove(number);
                }
            }
        }
    }

    /// <summary>Takes an envelope that ends here, because its hop limit has run out or because this node is its target.</summary>
    public void OnTrace(ILink from, in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        if (payload.Length != TraceSize || header.Source == self || !_limits.GetValue(from, static _ => new(AnswerEvery, AnswerBurst)).TryTake(time.GetElapsedTime(_started)))
        {
            return;
        }

        // Over the link it came by: whoever is there knows a way back to whoever asked, or nobody does.
        Span<byte> envelope = stackalloc byte[EnvelopeHeader.Size + TracedSize];
        new EnvelopeHeader(EnvelopeKind.Traced, 0, EnvelopeHeader.DefaultHopLimit, header.Id, self, header.Source, header.Tag, TracedSize).Write(envelope);
        payload.CopyTo(envelope[EnvelopeHeader.Size..]);
        envelope[^1] = header.HopLimit;
        from.TrySend(LinkFrame.Envelope, envelope, default);
    }

    /// <summary>Takes an answer; one that nobody asked for, or that can't be true, changes nothing.</summary>
    public void OnTraced(ILink from, in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        if (payload.Length != TracedSize || header.Source == self)
        {
            return;
        }

        var (number, came) = (BinaryPrimitives.ReadUInt64BigEndian(payload), payload[^1]);
        lock (_lock)
        {
            if (!_pending.TryGetValue(number, out var asked))
            {
                return;
            }

            var hop = asked.HopLimit - came + 1;
            var isTarget = header.Source == asked.Trace.Target;
            // Only the target answers before the limit has run out, and the first hop is the neighbour itself.
            if (came == 0 || hop < 1 || (came > 1 && !isTarget) || (hop == 1 && header.Source != from.Remote))
            {
                return;
            }

            _pending.Remove(number);
            asked.Trace.Take(hop, header.Source, isTarget, time.GetElapsedTime(asked.SentAt));
        }
    }

    private void Ask(Trace trace)
    {
        List<(int HopLimit, ulong Number)> asked = [];
        lock (_lock)
        {
            foreach (var hopLimit in trace.Missing)
            {
                // Random, so that nobody who is not on the way can answer.
                var number = entropy.UInt64();
                if (_pending.TryAdd(number, (trace, hopLimit, time.GetTimestamp())))
                {
                    trace.Numbers.Add(number);
                    asked.Add((hopLimit, number));
                }
            }
        }

        // Outside the lock: over a link in memory the answer may come before this returns.
        Span<byte> payload = stackalloc byte[TraceSize];
        foreach (var (hopLimit, number) in asked)
        {
            BinaryPrimitives.WriteUInt64BigEndian(payload, number);
            // Where there is no way or no room the next try, or the answers to the others, have to do.
            port.TrySend(new(EnvelopeKind.Trace, 0, (byte)hopLimit, entropy.UInt64(), self, trace.Target, 0, TraceSize), payload);
        }
    }

    // All under the lock, but for what never changes.
    private sealed class Trace(NodeId target)
    {
        private readonly TraceHop?[] _hops = new TraceHop?[MaxHops + 1];
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _distance = MaxHops + 1;

        public NodeId Target => target;

        /// <summary>Ends once nobody is missing.</summary>
        public Task Done => _done.Task;

        public List<ulong> Numbers { get; } = [];

        /// <summary>Distances, up to the target's, from which nobody has answered.</summary>
        public IEnumerable<int> Missing => Enumerable.Range(1, Math.Min(_distance, MaxHops)).Where(hop => _hops[hop] is null);

        public TracedPath Result
        {
            get
            {
                var isComplete = _distance <= MaxHops;
                var last = isComplete ? _distance : Array.FindLastIndex(_hops, hop => hop is not null);
                return new([.. Enumerable.Range(1, Math.Max(0, last)).Select(hop => _hops[hop] ?? new(hop, null, null))], isComplete);
            }
        }

        public void Take(int hop, NodeId node, bool isTarget, TimeSpan roundTrip)
        {
            if (isTarget && hop < _distance)
            {
                (_distance, _hops[hop]) = (hop, new(hop, node, roundTrip));
            }
            else if (!isTarget)
            {
                _hops[hop] ??= new(hop, node, roundTrip);
            }

            if (_distance <= MaxHops && !Missing.Any())
            {
                _done.TrySetResult();
            }
        }
    }
}
