using System.Security.Cryptography;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Membership;

namespace Dawn.Agents.Node;

/// <param name="Kind"><c>added</c>, <c>changed</c>, <c>expired</c>, or <c>conflicting</c> for the record that counts for less of two with one sequence.</param>
/// <param name="Addresses">Of the record; absent where it expired.</param>
/// <param name="Agents">Ids; absent where it expired.</param>
internal sealed record RegistryLogEntry(long Number, DateTimeOffset At, string Kind, string Node, ulong Sequence, IReadOnlyList<string>? Addresses = null, IReadOnlyList<string>? Agents = null);

/// <param name="Next">What <c>after</c> is to be, to read on.</param>
/// <param name="HasMore">False at the end of the log.</param>
internal sealed record RegistryLogPage(IReadOnlyList<RegistryLogEntry> Entries, long Next, bool HasMore);

/// <param name="State"><c>valid</c>, or <c>conflict</c> where two machines use the node's key.</param>
/// <param name="IsRelay">Whether it says that it forwards for others.</param>
/// <param name="Relays">Nodes over which it says that it can be reached.</param>
/// <param name="Sha256">Of its bytes, in hexadecimal.</param>
internal sealed record RegistryRecordInfo(
    string Node,
    string State,
    ulong Sequence,
    DateTimeOffset Issued,
    DateTimeOffset NotAfter,
    string Role,
    string Encryption,
    IReadOnlyList<string> Addresses,
    IReadOnlyList<string> Agents,
    bool IsRelay,
    IReadOnlyList<string> Relays,
    int Bytes,
    string Sha256);

/// <param name="Next">The last node of the page; what <c>after</c> is to be, to read on.</param>
/// <param name="Since">The oldest time that the log reaches back to; absent where the present was asked for.</param>
internal sealed record RegistryRecordPage(IReadOnlyList<RegistryRecordInfo> Records, string Next, bool HasMore, DateTimeOffset? Since = null);

/// <param name="Counts">The record that counts, as it was signed, in base64.</param>
/// <param name="Other">The other one.</param>
/// <param name="IsOwn">True where it is this very node.</param>
internal sealed record RegistryConflictInfo(string Node, ulong Sequence, DateTimeOffset Seen, bool IsOwn, RegistryProof Counts, RegistryProof Other);

internal sealed record RegistryProof(DateTimeOffset Issued, IReadOnlyList<string> Addresses, IReadOnlyList<string> Agents, string Encoded);

internal sealed record RegistryConflictPage(IReadOnlyList<RegistryConflictInfo> Conflicts, string Next, bool HasMore);

/// <param name="Summary">The registry's fingerprint: nodes that know the same have the same.</param>
internal sealed record RegistryFacts(int Records, long Bytes, int Conflicts, string Summary);

/// <summary>What the agent <c>node</c> tells of the registry, page by page. Thread-safe.</summary>
internal sealed class NodeRegistry(RecordTable records, INodeIdentity self)
{
    public const int MaxPage = 500;

    // Each holds two records of up to 32 KiB.
    public const int MaxConflictPage = 20;

    public RegistryFacts Facts
    {
        get
        {
            var held = records.Snapshot();
            return new(held.Count, held.Sum(r => (long)r.Encoded.Length), records.Conflicts.Snapshot.Count, records.Summary() is { } summary ? Convert.ToHexStringLower(summary.Span) : "");
        }
    }

    /// <param name="after">Only entries numbered above this.</param>
    public async Task<RegistryLogPage> LogAsync(DateTimeOffset? since, string node, long after, int limit, CancellationToken cancellationToken)
    {
        var entries = new List<RegistryLogEntry>();
        await using var log = records.ReadLogAsync(since, cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (await log.MoveNextAsync())
        {
            var line = log.Current;
            if (line.Number <= after || !IsMeant(line.Node, node))
            {
                continue;
            }

            if (entries.Count == limit)
            {
                return new(entries, entries[^1].Number, true);
            }

            var record = line.Encoded.IsEmpty ? null : NodeRecord.ReadAsIssued(line.Encoded.Span, self.Network.Key);
            entries.Add(new(line.Number, line.At, line.Kind.ToString().ToLowerInvariant(), line.Node.ToString(), line.Sequence, record is null ? null : Addresses(record), record is null ? null : Agents(record)));
        }

        return new(entries, entries is [.., var last] ? last.Number : after, false);
    }

    /// <param name="at">As it was then, by the log; null for now.</param>
    /// <param name="after">Only nodes behind this one.</param>
    /// <exception cref="ArgumentException">The log does not reach back so far.</exception>
    public async Task<RegistryRecordPage> RecordsAsync(DateTimeOffset? at, string node, string after, int limit, CancellationToken cancellationToken)
    {
        var (held, since) = at is { } then ? await ReplayAsync(then, cancellationToken) : (records.Snapshot(), null);
        var rest = held.Where(r => IsMeant(r.Node, node) && string.CompareOrdinal(r.Node.ToString(), after) > 0).OrderBy(r => r.Node.ToString(), StringComparer.Ordinal).Take(limit + 1).ToList();
        List<RegistryRecordInfo> page = [.. rest.Take(limit).Select(r => Describe(r, at is null))];
        return new(page, page is [.., var last] ? last.Node : after, rest.Count > limit, since);
    }

    public RegistryConflictPage Conflicts(string after, int limit)
    {
        var rest = records.Conflicts.Snapshot.Where(c => string.CompareOrdinal(c.Node.ToString(), after) > 0).OrderBy(c => c.Node.ToString(), StringComparer.Ordinal).Take(limit + 1).ToList();
        List<RegistryConflictInfo> page = [.. rest.Take(limit).Select(c => new RegistryConflictInfo(c.Node.ToString(), c.Counts.Sequence, c.Seen, c.Node == self.Id, Proof(c.Counts), Proof(c.Other)))];
        return new(page, page is [.., var last] ? last.Node : after, rest.Count > limit);
    }

    /// <exception cref="ArgumentException">It is no time.</exception>
    public static DateTimeOffset? Time(string text) => text.Length == 0 ? null
        : DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var time) ? time
        : throw new ArgumentException($"'{text}' is no time; write 2026-11-23T10:00:00Z.");

    private async Task<(IReadOnlyList<NodeRecord> Held, DateTimeOffset? Since)> ReplayAsync(DateTimeOffset at, CancellationToken cancellationToken)
    {
        var held = new Dictionary<NodeId, ReadOnlyMemory<byte>>();
        DateTimeOffset? since = null;
        await using var log = records.ReadLogAsync(null, cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (await log.MoveNextAsync())
        {
            var line = log.Current;
            since ??= line.At;
            if (line.At > at)
            {
                break;
            }

            if (line.Kind == RegistryEventKind.Expired)
            {
                held.Remove(line.Node);
            }
            else if (line.Kind != RegistryEventKind.Conflicting)
            {
                held[line.Node] = line.Encoded;
            }
        }

        if (since is null || since > at)
        {
            throw new ArgumentException(since is null ? "The registry's log is empty." : $"The registry's log begins at {since:u}; what was before is not kept.");
        }

        // A node that was not running then noted no end of what ended meanwhile.
        return ([.. held.Values.Select(encoded => NodeRecord.ReadAsIssued(encoded.Span, self.Network.Key)).OfType<NodeRecord>().Where(r => r.NotAfter > at)], since);
    }

    private RegistryRecordInfo Describe(NodeRecord record, bool isNow) => new(
        record.Node.ToString(), isNow && records.Conflicts.Find(record.Node) is not null ? "conflict" : "valid", record.Sequence, record.Issued, record.NotAfter,
        record.Certificate.Role.ToString().ToLowerInvariant(), record.Encryption.ToString().ToLowerInvariant(), Addresses(record), Agents(record),
        record.IsRelay, [.. record.Relays.Select(r => r.ToString())], record.Encoded.Length, Convert.ToHexStringLower(SHA256.HashData(record.Encoded.Span)));

    private RegistryProof Proof(RegistryRecord record)
    {
        var read = record as NodeRecord ?? NodeRecord.ReadAsIssued(record.Encoded.Span, self.Network.Key);
        return new(record.Issued, read is null ? [] : Addresses(read), read is null ? [] : Agents(read), Convert.ToBase64String(record.Encoded.Span));
    }

    private static bool IsMeant(NodeId node, string prefix) => prefix.Length == 0 || node.ToString().StartsWith(prefix, StringComparison.OrdinalIgnoreCase);

    private static IReadOnlyList<string> Addresses(NodeRecord record) => [.. record.Addresses.Select(PeerAddress.Text)];

    private static IReadOnlyList<string> Agents(NodeRecord record) => [.. record.Agents.Select(a => a.Id)];
}
