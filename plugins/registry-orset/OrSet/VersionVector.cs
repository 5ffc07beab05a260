namespace Dawn.Registries.OrSet;

/// <summary>For each replica, a number: it and all below it are seen. What is not named has seen nothing, 0.</summary>
internal sealed class VersionVector<TReplica>
    where TReplica : notnull
{
    private readonly Dictionary<TReplica, ulong> _seen;

    public VersionVector() => _seen = [];

    private VersionVector(Dictionary<TReplica, ulong> seen) => _seen = new(seen);

    public ulong this[TReplica replica] => _seen.GetValueOrDefault(replica);

    public int Count => _seen.Count;

    public IEnumerable<KeyValuePair<TReplica, ulong>> Entries => _seen;

    public bool Covers(Dot<TReplica> dot) => dot.Sequence <= this[dot.Replica];

    /// <summary>Sees the dot and all that the replica did before it. False where it was seen.</summary>
    public bool Advance(Dot<TReplica> dot)
    {
        ref var seen = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_seen, dot.Replica, out _);
        if (seen >= dot.Sequence)
        {
            return false;
        }

        seen = dot.Sequence;
        return true;
    }

    public bool Forget(TReplica replica) => _seen.Remove(replica);

    public VersionVector<TReplica> Copy() => new(_seen);
}
