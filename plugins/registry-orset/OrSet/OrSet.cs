namespace Dawn.Registries.OrSet;

/// <summary>An optimized observed-remove set without tombstones: elements by the dots of their births, and a causal context that tells the removed from the unknown.</summary>
/// <remarks>
/// <para>Bieniusa et al., "An optimized conflict-free replicated set" (INRIA RR-8083), as the map from dots to values of Almeida, Shoker, Baquero (2018), section 7:
/// a merge keeps a dot that both have, or that one has and the other has not seen; so an addition wins over a removal that has not seen it.</para>
/// <para>An honest replica gives each number once. For those that don't, two values of one dot are joined by <paramref name="join"/>,
/// which must be commutative, associative and idempotent; then the set still converges.</para>
/// <para>Not thread-safe.</para>
/// </remarks>
internal sealed class OrSet<TReplica, TElement>(Func<TElement, TElement, TElement>? join = null, IEqualityComparer<TElement>? equality = null)
    where TReplica : notnull
{
    // By replica, for a delta whose context covers a replica's past must find what of it is alive; nearly always one.
    private readonly Dictionary<TReplica, Birth[]> _births = [];
    private readonly Func<TElement, TElement, TElement> _join = join ?? ((first, _) => first);
    private readonly IEqualityComparer<TElement> _equality = equality ?? EqualityComparer<TElement>.Default;

    public CausalContext<TReplica> Context { get; private init; } = new();

    /// <summary>Births alive; an element that two replicas added at once counts twice.</summary>
    public int Count { get; private set; }

    public IEnumerable<KeyValuePair<Dot<TReplica>, TElement>> Alive =>
        _births.SelectMany(of => of.Value, (of, birth) => KeyValuePair.Create(new Dot<TReplica>(of.Key, birth.Sequence), birth.Element));

    /// <summary>Adds an element under the replica's next number; its earlier births are over.</summary>
    public OrSetDelta<TReplica, TElement> Add(TReplica replica, TElement element)
    {
        var highest = Context.DotsBeyond.Where(dot => dot.Replica.Equals(replica)).Select(dot => dot.Sequence).Append(Context.Compact[replica]).Max();
        var dot = new Dot<TReplica>(replica, highest + 1);
        var context = DotsOf(element);
        context.Add(dot);
        return Applied(new(context, [new(dot, element)], []));
    }

    /// <summary>Removes the births of an element that are known here.</summary>
    public OrSetDelta<TReplica, TElement> Remove(TElement element) => Applied(new(DotsOf(element), [], []));

    /// <summary>Adds an element under a number of its replica's choice, which ends all that the replica added before. Numbers may have gaps.</summary>
    /// <returns>Whether anything changed.</returns>
    /// <remarks>The merge of a delta whose context is the replica's whole past, without the making of one.</remarks>
    public bool Replace(Dot<TReplica> dot, TElement element)
    {
        _births.TryGetValue(dot.Replica, out var births);
        if (Context.Contains(dot))
        {
            return births is not null && Array.FindIndex(births, birth => birth.Sequence == dot.Sequence) is var at and >= 0 && JoinAt(births, at, element);
        }

        if (births is [var only] && only.Sequence < dot.Sequence)
        {
            births[0] = new(dot.Sequence, element);
        }
        else
        {
            Birth[] left = [.. (births ?? []).Where(birth => birth.Sequence >= dot.Sequence), new(dot.Sequence, element)];
            Count += left.Length - (births?.Length ?? 0);
            _births[dot.Replica] = left;
        }

        Context.Advance(dot);
        return true;
    }

    /// <summary>Ends what a replica added up to and with a dot.</summary>
    /// <returns>Whether anything did.</returns>
    public bool End(Dot<TReplica> dot)
    {
        Context.Advance(dot);
        return End(dot.Replica, birth => birth.Sequence <= dot.Sequence) > 0;
    }

    /// <summary>Forgets a replica, alive or removed. Only for those of which nothing old can come any more: it would count as new.</summary>
    public void Forget(TReplica replica)
    {
        End(replica, _ => true);
        Context.Forget(replica);
    }

    public bool TryGet(TReplica replica, out TElement element)
    {
        var isThere = _births.TryGetValue(replica, out var births) && births.Length > 0;
        element = isThere ? births![^1].Element : default!;
        return isThere;
    }

    /// <summary>What another needs who has seen so much; with an empty vector, the whole state.</summary>
    public OrSetDelta<TReplica, TElement> Since(VersionVector<TReplica> seen) => new(
        Context.Copy(),
        [.. Alive.Where(birth => !seen.Covers(birth.Key))],
        [.. Alive.Where(birth => seen.Covers(birth.Key)).Select(birth => birth.Key)]);

    public void Merge(OrSet<TReplica, TElement> other) => Merge(other.Since(new()));

    public void Merge(OrSetDelta<TReplica, TElement> delta)
    {
        var alive = delta.Alive.Select(birth => birth.Key).Concat(delta.Kept).ToHashSet();
        foreach (var replica in delta.Context.Replicas)
        {
            End(replica, birth => new Dot<TReplica>(replica, birth.Sequence) is var dot && delta.Context.Contains(dot) && !alive.Contains(dot));
        }

        foreach (var (dot, element) in delta.Alive)
        {
            if (_births.TryGetValue(dot.Replica, out var births) && Array.FindIndex(births, birth => birth.Sequence == dot.Sequence) is var at and >= 0)
            {
                JoinAt(births, at, element);
            }
            else if (!Context.Contains(dot))
            {
                _births[dot.Replica] = [.. births ?? [], new(dot.Sequence, element)];
                Count++;
            }
        }

        Context.Join(delta.Context);
    }

    private OrSetDelta<TReplica, TElement> Applied(OrSetDelta<TReplica, TElement> delta)
    {
        Merge(delta);
        return delta;
    }

    private CausalContext<TReplica> DotsOf(TElement element)
    {
        var context = new CausalContext<TReplica>();
        foreach (var birth in Alive)
        {
            if (_equality.Equals(birth.Value, element))
            {
                context.Add(birth.Key);
            }
        }

        return context;
    }

    private bool JoinAt(Birth[] births, int at, TElement element)
    {
        var joined = _join(births[at].Element, element);
        var isOther = !_equality.Equals(joined, births[at].Element);
        births[at] = births[at] with { Element = joined };
        return isOther;
    }

    private int End(TReplica replica, Predicate<Birth> isOver)
    {
        if (!_births.TryGetValue(replica, out var births))
        {
            return 0;
        }

        Birth[] left = Array.FindAll(births, birth => !isOver(birth));
        Count -= births.Length - left.Length;
        if (left.Length == 0)
        {
            _births.Remove(replica);
        }
        else
        {
            _births[replica] = left;
        }

        return births.Length - left.Length;
    }

    private readonly record struct Birth(ulong Sequence, TElement Element);
}
