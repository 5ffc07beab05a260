namespace Dawn.Membership;

/// <summary>
/// Records that neighbours have and that did not come: asked for (GRAFT of Plumtree) unless they come by themselves, as they do where the neighbour that
/// sends all its news is merely later than the one that tells of them. Who tells of them too is asked when the first does not answer. Thread-safe.
/// </summary>
internal sealed class RegistryMissing(RecordTable table, TimeProvider time)
{
    public static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    /// <summary>How long whoever is asked has to answer, before the next one is that told of the same, or of an older one: it may have lied.</summary>
    public static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(1);

    private const int Max = RegistryInMemory.MaxRecords;

    private readonly Lock _lock = new();
    // One of each neighbour at most.
    private readonly Dictionary<NodeId, List<Offer>> _offers = [];
    private readonly Queue<(Offer Offer, long Since)> _fresh = [];
    private readonly Queue<(Offer Offer, long Since)> _postponed = [];
    private ITimer? _timer;

    private sealed class Offer(NodeId node, ulong sequence, RegistryNeighbour from)
    {
        public NodeId Node => node;

        public ulong Sequence => sequence;

        public RegistryNeighbour From => from;

        /// <summary>When it was postponed last; null for never.</summary>
        public long? PostponedAt { get; set; }

        /// <summary>Asked for, or replaced.</summary>
        public bool IsOver { get; set; }
    }

    public void Add(NodeId node, ulong sequence, RegistryNeighbour from)
    {
        if (HasCome(node, sequence))
        {
            return;
        }

        lock (_lock)
        {
            if (_fresh.Count + _postponed.Count >= Max)
            {
                return;
            }

            if (!_offers.TryGetValue(node, out var offers))
            {
                _offers.Add(node, offers = []);
            }
            else if (offers.Find(o => o.From == from) is { } before)
            {
                if (before.Sequence >= sequence)
                {
                    return;
                }

                before.IsOver = true;
                offers.Remove(before);
            }

            var offer = new Offer(node, sequence, from);
            offers.Add(offer);
            _fresh.Enqueue((offer, time.GetTimestamp()));
            if (_fresh.Count == 1)
            {
                Arm();
            }
        }
    }

    private void Ask()
    {
        var asked = new List<Offer>();
        lock (_lock)
        {
            while (TryTake(_fresh, Patience, out var offer, out _))
            {
                if (offer is { IsOver: false, PostponedAt: null })
                {
                    Ask(offer, asked);
                }
            }

            while (TryTake(_postponed, AnswerWithin, out var offer, out var since))
            {
                if (!offer.IsOver && offer.PostponedAt == since)
                {
                    Ask(offer, asked);
                }
            }

            Arm();
        }

        foreach (var one in asked.GroupBy(o => o.From))
        {
            one.Key.Want(one.Select(o => o.Node));
        }
    }

    private void Ask(Offer offer, List<Offer> asked)
    {
        var others = _offers[offer.Node];
        if (!HasCome(offer.Node, offer.Sequence))
        {
            if (offer.PostponedAt is null && others.Exists(o => o.PostponedAt is null && o.Sequence > offer.Sequence))
            {
                // Whose is newer is asked first.
                Postpone(offer);
                return;
            }

            // From here on its neighbour may offer it again, should it fail. What was postponed keeps its time, whoever offers anew and however much:
            // it waits for those alone that were postponed before it.
            asked.Add(offer);
            foreach (var other in others.Where(o => o != offer && o.Sequence <= offer.Sequence && o.PostponedAt is null == offer.PostponedAt is null))
            {
                Postpone(other);
            }
        }

        offer.IsOver = true;
        others.Remove(offer);
        if (others.Count == 0)
        {
            _offers.Remove(offer.Node);
        }
    }

    private void Postpone(Offer offer)
    {
        offer.PostponedAt = time.GetTimestamp();
        _postponed.Enqueue((offer, offer.PostponedAt.Value));
    }

    // Each of the queues is in the order of time.
    private bool TryTake(Queue<(Offer Offer, long Since)> from, TimeSpan after, out Offer offer, out long since)
    {
        (offer, since) = from.TryPeek(out var next) ? next : default;
        return offer is not null && time.GetElapsedTime(since) >= after && from.TryDequeue(out _);
    }

    private void Arm()
    {
        var left = Timeout.InfiniteTimeSpan;
        foreach (var (queue, after) in new[] { (_fresh, Patience), (_postponed, AnswerWithin) })
        {
            if (queue.TryPeek(out var next) && after - time.GetElapsedTime(next.Since) is var wait && (wait < left || left == Timeout.InfiniteTimeSpan))
            {
                left = wait > TimeSpan.Zero ? wait : TimeSpan.Zero;
            }
        }

        _timer ??= time.CreateTimer(_ => Ask(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(left, Timeout.InfiniteTimeSpan);
    }

    private bool HasCome(NodeId node, ulong sequence) => table.Find(node) is { } record && record.Sequence >= sequence;
}
