namespace Dawn;

/// <summary>Knows who hosts what: the newest record of every node, merged from all sides, in any order, any number of times.</summary>
/// <remarks>
/// <para>A set that needs nobody to agree: a record belongs to the node that signed it, of two records of one node the one with the higher sequence counts,
/// and of two with one sequence, which only a copied key or malice can make, the one whose SHA-256 is higher. So whoever has merged the same records,
/// in whatever order, knows the same.</para>
/// <para>The host verifies signatures and certificates before it merges, so the registry sees no record that is not its node's own word.</para>
/// <para>Thread-safe. Reading methods return snapshots. No method blocks on a disk but <see cref="CommitAsync"/> and <see cref="ReadLogAsync"/>.</para>
/// <para>The registry test kit checks these promises.</para>
/// </remarks>
public interface IAgentRegistry
{
    /// <summary>Records held now.</summary>
    int Count { get; }

    /// <summary>All records, in the order of their nodes.</summary>
    IReadOnlyList<RegistryRecord> Snapshot { get; }

    /// <summary>Proofs that two records of one node have one sequence, oldest first, at most one a node and at most 100.</summary>
    IReadOnlyList<RegistryConflict> Conflicts { get; }

    /// <summary>Raised after a record came, changed or went; outside locks, on the thread that made the change, in the order of the changes of a node.</summary>
    event Action<RegistryChange>? Changed;

    /// <summary>The node's newest record; null where there is none.</summary>
    /// <param name="node">Whose record.</param>
    RegistryRecord? Find(NodeId node);

    /// <summary>Takes a verified record.</summary>
    /// <param name="record">Of any node, this one too.</param>
    /// <returns>What became of it, with words where it was refused.</returns>
    RegistryMerge Merge(RegistryRecord record);

    /// <summary>Forgets what has expired. The highest sequence of each node is remembered for 25 hours after the record was issued, so that nothing old comes back.</summary>
    /// <remarks>
    /// Forgets, sequence and all, what was issued more than 10 minutes from now too: it came while this machine's clock was ahead, nobody with a right clock would take it,
    /// and it would shut out what its node says now.
    /// </remarks>
    void Sweep();

    /// <summary>A fingerprint of all that is held, 32 bytes: equal where the records are equal, and nobody can find two different sets with one.</summary>
    ReadOnlyMemory<byte> Summary { get; }

    /// <summary>One step of finding out what two registries lack. Begins with an empty message; goes on with what the other end answers, until one answers nothing.</summary>
    /// <param name="message">Of the other end, which may be hostile; empty to begin.</param>
    /// <returns>What to send: records that the other end lacks or has older ones of, and then a message, of at most 16 KiB; empty where the matter is done.</returns>
    /// <exception cref="FormatException">The message is malformed.</exception>
    RegistryReply Reconcile(ReadOnlyMemory<byte> message);

    /// <summary>Completes when all that was merged before is where no crash loses it.</summary>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="IOException">It can't be kept, as on a full disk: a cause and its cure, in one line. What was merged counts all the same, until the process ends.</exception>
    Task CommitAsync(CancellationToken cancellationToken);

    /// <summary>The changes as they were accepted, oldest first: those that compaction has left.</summary>
    /// <param name="since">Only those from then on; null for all.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="IOException">The log can't be read.</exception>
    IAsyncEnumerable<RegistryEvent> ReadLogAsync(DateTimeOffset? since, CancellationToken cancellationToken);
}

/// <summary>A node's signed statement, as far as a registry must understand it.</summary>
/// <param name="Node">Who signed it.</param>
/// <param name="Sequence">Higher is newer.</param>
/// <param name="Issued">By the signer's clock.</param>
/// <param name="NotAfter">From then on it counts no more.</param>
public abstract record RegistryRecord(NodeId Node, ulong Sequence, DateTimeOffset Issued, DateTimeOffset NotAfter)
{
    /// <summary>The signed bytes with their signature, at most 32 KiB: what travels, is kept and is hashed.</summary>
    public required ReadOnlyMemory<byte> Encoded { get; init; }
}

/// <summary>Reads and verifies records, for registries that keep their bytes. The host offers it to plugins. Thread-safe.</summary>
public interface IRecordReader
{
    /// <summary>Verifies signature, certificate and times.</summary>
    /// <param name="encoded">As <see cref="RegistryRecord.Encoded"/>; from a disk that may lie, or from anybody.</param>
    /// <param name="problem">In words for a log; null where it counts.</param>
    /// <returns>The record; null where it does not count.</returns>
    RegistryRecord? Read(ReadOnlyMemory<byte> encoded, out string? problem);
}

/// <summary>A directory for what a plugin keeps from run to run. The host offers one to each plugin.</summary>
public interface IPluginData
{
    /// <summary>Its path, below the node's data directory; it is there and belongs to the plugin alone.</summary>
    string Directory { get; }
}

/// <summary>What became of a record.</summary>
public enum RegistryVerdict
{
    /// <summary>It is the node's newest from now on.</summary>
    News,

    /// <summary>This one or a newer one is known, or was within the last 25 hours.</summary>
    Known,

    /// <summary>It has the sequence of another record of its node, and counts for less; the proof is kept.</summary>
    Conflict,

    /// <summary>A limit is reached, or the record is over.</summary>
    Refused,
}

/// <summary>What became of a record, and where it was refused, why, in words for a log.</summary>
/// <param name="Verdict">What became of it.</param>
/// <param name="Problem">Null but for <see cref="RegistryVerdict.Refused"/>.</param>
/// <param name="Conflict">The proof, where this record has shown that its node's key is used twice; also where it is <see cref="RegistryVerdict.News"/>.</param>
public readonly record struct RegistryMerge(RegistryVerdict Verdict, string? Problem = null, RegistryConflict? Conflict = null);

/// <summary>A change of one node's record.</summary>
/// <param name="Node">Whose.</param>
/// <param name="Before">Null where it is new.</param>
/// <param name="Now">Null where it has expired.</param>
public readonly record struct RegistryChange(NodeId Node, RegistryRecord? Before, RegistryRecord? Now);

/// <summary>Two records of one node with one sequence: proof, to anyone, that its key is in two places or its owner lies.</summary>
/// <param name="Counts">The one whose SHA-256 is higher.</param>
/// <param name="Other">The other one.</param>
/// <param name="Seen">When it was noticed here.</param>
public sealed record RegistryConflict(RegistryRecord Counts, RegistryRecord Other, DateTimeOffset Seen)
{
    /// <summary>Whose records they are.</summary>
    public NodeId Node => Counts.Node;
}

/// <summary>A step towards equal registries.</summary>
/// <param name="Records">To be sent first, each as a record of its own.</param>
/// <param name="Message">To be sent then; empty where the matter is done.</param>
public sealed record RegistryReply(IReadOnlyList<RegistryRecord> Records, ReadOnlyMemory<byte> Message);

/// <summary>A line of a registry's log.</summary>
/// <param name="Number">Rises by one with each line.</param>
/// <param name="At">By this node's clock.</param>
/// <param name="Kind">What happened.</param>
/// <param name="Node">To whom.</param>
/// <param name="Sequence">Of the record; 0 where one that came from the future was forgotten, and its sequence with it.</param>
/// <param name="Encoded">The record; empty for <see cref="RegistryEventKind.Expired"/>.</param>
public sealed record RegistryEvent(long Number, DateTimeOffset At, RegistryEventKind Kind, NodeId Node, ulong Sequence, ReadOnlyMemory<byte> Encoded);

/// <summary>Kinds of lines in a registry's log.</summary>
public enum RegistryEventKind
{
    /// <summary>The first record of a node.</summary>
    Added,

    /// <summary>A newer record of a node.</summary>
    Changed,

    /// <summary>A node's record is over.</summary>
    Expired,

    /// <summary>The record that counts for less of two with one sequence.</summary>
    Conflicting,
}
