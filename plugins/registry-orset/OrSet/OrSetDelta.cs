namespace Dawn.Registries.OrSet;

/// <summary>A part of a set's state, or all of it: what was seen, and what of it is alive.</summary>
/// <param name="Context">The dots that this delta speaks of: those that are not alive in it are removed.</param>
/// <param name="Alive">Elements that are alive, with their dots.</param>
/// <param name="Kept">Dots that are alive too, whose elements the receiver has already.</param>
internal sealed record OrSetDelta<TReplica, TElement>(
    CausalContext<TReplica> Context, IReadOnlyList<KeyValuePair<Dot<TReplica>, TElement>> Alive, IReadOnlyList<Dot<TReplica>> Kept)
    where TReplica : notnull;
