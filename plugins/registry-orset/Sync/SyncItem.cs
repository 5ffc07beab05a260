namespace Dawn.Registries.OrSet;

/// <summary>What a message of reconciliation says of one range. See docs/registry.md, "Messages".</summary>
internal abstract record SyncItem(Prefix Range);

/// <summary>The sender's fingerprint of the range.</summary>
internal sealed record RangeItem(Prefix Range, Digest Fingerprint) : SyncItem(Range);

/// <summary>The sender's fingerprints of the range's 16 parts; those of empty parts are zeros, and do not travel.</summary>
internal sealed record SplitItem(Prefix Range, Digest[] Parts) : SyncItem(Range);

/// <summary>All that the sender has in the range.</summary>
internal sealed record ListItem(Prefix Range, IReadOnlyList<ListEntry> Entries) : SyncItem(Range);

/// <summary>A record's place, its sequence and the first half of its hash.</summary>
internal readonly record struct ListEntry(NodeId Node, ulong Sequence, Digest Hash);

/// <summary>Nodes of the range whose records the sender wants.</summary>
internal sealed record WantItem(Prefix Range, IReadOnlyList<NodeId> Nodes) : SyncItem(Range);
