namespace Dawn.Registries.OrSet;

/// <summary>The birth of an element: which replica added it, and with which of its numbers. No two births have one dot, unless a replica lies.</summary>
internal readonly record struct Dot<TReplica>(TReplica Replica, ulong Sequence)
    where TReplica : notnull;
