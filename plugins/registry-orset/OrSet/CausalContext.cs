namespace Dawn.Registries.OrSet;

/// <summary>The dots that were seen: a version vector, and those beyond its gaps, which move into it as soon as the gaps close.</summary>
/// <remarks>Almeida, Shoker, Baquero, "Delta state replicated data types" (2018), section 7.2.</remarks>
internal sealed class CausalContext<TReplica>
    where TReplica : notnull
{
    private readonly Dictionary<TReplica, SortedSet<ulong>> _beyond = [];

    public CausalContext()
        : this(new())
    {
    }

    private CausalContext(VersionVector<TReplica> compact) => Compact = compact;

    /// <summary>What is seen without gaps.</summary>
    public VersionVector<TReplica> Compact { get; }

    /// <summary>Dots beyond gaps; 0 where all is compact.</summary>
    public int Beyond => _beyond.Values.Sum(set => set.Count);

    public IEnumerable<Dot<TReplica>> DotsBeyond => _beyond.SelectMany(of => of.Value, (of, sequence) => new Dot<TReplica>(of.Key, sequence));

    public bool Contains(Dot<TReplica> dot) =>
        Compact.Covers(dot) || (_beyond.TryGetValue(dot.Replica, out var set) && set.Contains(dot.Sequence));

    /// <summary>Sees one dot, and not what the replica did before it.</summary>
    public void Add(Dot<TReplica> dot)
    {
        if (Compact.Covers(dot))
        {
            return;
        }

        if (dot.Sequence == Compact[dot.Replica] + 1)
        {
            Advance(dot);
            return;
        }

        if (!_beyond.TryGetValue(dot.Replica, out var set))
        {
            _beyond.Add(dot.Replica, set = []);
        }

        set.Add(dot.Sequence);
    }

    /// <summary>Sees the dot and all that the replica did before it.</summary>
    public void Advance(Dot<TReplica> dot)
    {
        if (!Compact.Advance(dot) || _beyond.Count == 0 || !_beyond.TryGetValue(dot.Replica, out var set))
        {
            return;
        }

        for (var seen = dot.Sequence; set.Count > 0 && set.Min <= seen + 1;)
        {
            seen = Math.Max(seen, set.Min);
            set.Remove(set.Min);
            Compact.Advance(dot with { Sequence = seen });
        }

        if (set.Count == 0)
        {
            _beyond.Remove(dot.Replica);
        }
    }

    public void Join(CausalContext<TReplica> other)
    {
        foreach (var (replica, sequence) in other.Compact.Entries)
        {
            Advance(new(replica, sequence));
        }

        foreach (var dot in other.DotsBeyond)
        {
            Add(dot);
        }
    }

    /// <summary>All replicas of which anything was seen.</summary>
    public IEnumerable<TReplica> Replicas => Compact.Entries.Select(entry => entry.Key).Union(_beyond.Keys);

    public void Forget(TReplica replica)
    {
        Compact.Forget(replica);
        _beyond.Remove(replica);
    }

    public CausalContext<TReplica> Copy()
    {
        var copy = new CausalContext<TReplica>(Compact.Copy());
        foreach (var (replica, set) in _beyond)
        {
            copy._beyond.Add(replica, [.. set]);
        }

        return copy;
    }
}
