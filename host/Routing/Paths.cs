using System.Collections.Concurrent;
using Dawn.Links;

namespace Dawn.Routing;

/// <summary>A next hop that was chosen.</summary>
/// <param name="Version">Of the network when it was.</param>
/// <param name="Link">Null where there is no way.</param>
/// <param name="Flags">For envelopes that take it.</param>
internal sealed record Hop(int Version, ILink? Link, EnvelopeFlags Flags);

/// <summary>
/// The next hop to each node, chosen once for each change of the network and kept as long as it is about as good as the others: sessions that move
/// to and fro send much of what is under way again. Thread-safe.
/// </summary>
/// <param name="plan">Neighbours that lead to a node, the best first.</param>
/// <param name="isRelayOf">True where the record of the first names the second as its relay.</param>
internal sealed class Paths(Func<NodeId, RoutePlan> plan, Func<NodeId, NodeId, bool> isRelayOf, LinkTable links, TimeProvider time)
{
    /// <summary>Nodes at once; what is asked of others is worked out each time.</summary>
    public const int Max = 4_096;

    /// <summary>Another hop that is no better by the plan must cost less than this part of what the one in use costs.</summary>
    public const double Hysteresis = 0.7;

    /// <summary>A way that nothing was sent over for so long is no longer looked after.</summary>
    public static readonly TimeSpan Forgotten = TimeSpan.FromMinutes(2);

    private readonly ConcurrentDictionary<NodeId, Path> _paths = new();
    private int _version;

    private sealed class Path
    {
        public Hop? Hop { get; set; }

        public ILink? Told { get; set; }

        public long UsedAt { get; set; }

        /// <summary>The neighbour over which the node itself spoke to this one, and until when that says something.</summary>
        public (NodeId Hop, long Until)? Heard { get; set; }

        /// <summary>Hops that failed, and until when they are passed over; those that only stalled serve where there is no other.</summary>
        public List<(NodeId Hop, long Until, bool IsDead)> Avoided { get; } = [];
    }

    /// <summary>What is needed to send to a node now.</summary>
    public Hop Find(NodeId target)
    {
        if (PathTo(target) is not { } path)
        {
            return Choose(target, null);
        }

        path.UsedAt = time.GetTimestamp();
        return path.Hop is { } hop && hop.Version == Volatile.Read(ref _version) ? hop : Choose(target, path);
    }

    /// <summary>As <see cref="Find"/>, for whoever only looks.</summary>
    public Hop Peek(NodeId target) =>
        !_paths.TryGetValue(target, out var path) ? Choose(target, null)
        : path.Hop is { } hop && hop.Version == Volatile.Read(ref _version) ? hop
        : Choose(target, path);

    /// <summary>Looks at all again.</summary>
    /// <returns>Nodes to which the way is another now.</returns>
    public List<NodeId> Refresh()
    {
        // What is asked for meanwhile is chosen anew as well.
        Interlocked.Increment(ref _version);
        var changed = new List<NodeId>();
        foreach (var (target, path) in _paths)
        {
            if (IsChanged(target, path))
            {
                changed.Add(target);
            }

            if (time.GetElapsedTime(path.UsedAt) > Forgotten)
            {
                _paths.TryRemove(target, out _);
            }
        }

        // The dictionary's order differs from run to run.
        changed.Sort();
        return changed;
    }

    /// <summary>Looks at one again.</summary>
    /// <returns>True where the way to the node is another now; false too where nothing was sent to it lately.</returns>
    public bool Refresh(NodeId target) => _paths.TryGetValue(target, out var path) && IsChanged(target, path);

    /// <summary>Something came from a node over this neighbour, which for a while is taken before those that are as good by the plan, and where none of the plan's leads anywhere: a claim that anybody may make can do that, and no more.</summary>
    public void Hear(NodeId from, NodeId over, TimeSpan holds)
    {
        if (PathTo(from) is { } path)
        {
            lock (path)
            {
                path.Heard = (over, After(holds));
            }
        }
    }

    /// <summary>True where all ways to the node have stalled, that in use too.</summary>
    public bool IsStalled(NodeId target)
    {
        if (!_paths.TryGetValue(target, out var path) || Find(target).Link is not { } link)
        {
            return false;
        }

        lock (path)
        {
            return path.Avoided.Exists(avoided => avoided.Hop == link.Remote);
        }
    }

    /// <summary>A hop failed: it is passed over for a while.</summary>
    /// <param name="isDead">It surely leads nowhere; one that only stalled is used where there is no other.</param>
    /// <returns>False where it was not in use.</returns>
    public bool Avoid(NodeId target, NodeId hop, TimeSpan pause, bool isDead)
    {
        if (!_paths.TryGetValue(target, out var path) || path.Hop?.Link?.Remote != hop)
        {
            return false;
        }

        lock (path)
        {
            path.Avoided.RemoveAll(avoided => avoided.Hop == hop);
            path.Avoided.Add((hop, After(pause), isDead));
        }

        return true;
    }

    /// <summary>Nodes that something was sent to within this time, with the hop in use; in the order of their NodeIds.</summary>
    public IReadOnlyList<(NodeId Target, ILink? Link)> Used(TimeSpan within) =>
        [.. _paths.Where(p => p.Value.UsedAt != 0 && time.GetElapsedTime(p.Value.UsedAt) < within).Select(p => (p.Key, Peek(p.Key).Link)).OrderBy(p => p.Key)];

    private Path? PathTo(NodeId target) => _paths.TryGetValue(target, out var path) ? path : _paths.Count < Max ? _paths.GetOrAdd(target, _ => new()) : null;

    private long After(TimeSpan pause) => time.GetTimestamp() + (long)(pause.TotalSeconds * time.TimestampFrequency);

    private bool IsChanged(NodeId target, Path path)
    {
        var link = Choose(target, path).Link;
        lock (path)
        {
            var isChanged = !ReferenceEquals(link, path.Told);
            path.Told = link;
            return isChanged;
        }
    }

    private Hop Choose(NodeId target, Path? path)
    {
        var version = Volatile.Read(ref _version);
        var (hops, alike) = plan(target) is var planned ? (planned.NextHops, planned.Alike) : default;
        var all = hops.Where(hop => links.TryGet(hop, out _)).ToList();
        if (path is null)
        {
            return HopOf(target, all.Count > 0 ? all[0] : null, version);
        }

        lock (path)
        {
            var now = time.GetTimestamp();
            path.Avoided.RemoveAll(avoided => avoided.Until <= now);
            all.RemoveAll(hop => path.Avoided.Exists(avoided => avoided.Hop == hop && avoided.IsDead));
            var good = all.FindAll(IsGood);
            var heard = path.Heard is { } last && last.Until > now && IsGood(last.Hop) && links.TryGet(last.Hop, out _) && (good.Count == 0 || IsWithin(last.Hop)) ? last.Hop : (NodeId?)null;
            all = good.Count > 0 ? good : all;
            var chosen = heard ?? (all.Count > 0 ? all[0] : null);
            if (path.Hop?.Link?.Remote is { } used && chosen is { } best && best != used && all.Contains(used) && IsWithin(best) && IsWithin(used) && !IsMuchBetter(best, used))
            {
                chosen = used;
            }

            return path.Hop = HopOf(target, chosen, version);
        }

        bool IsWithin(NodeId hop) => hops.IndexOf(hop) is >= 0 and var at && at < alike;

        bool IsGood(NodeId hop) => !path.Avoided.Exists(avoided => avoided.Hop == hop);
    }

    private bool IsMuchBetter(NodeId other, NodeId used) =>
        links.TryGet(other, out var one) && links.TryGet(used, out var two) && Topology.CostOf(one) is { } cost && Topology.CostOf(two) is { } costOfUsed && cost < Hysteresis * costOfUsed;

    private Hop HopOf(NodeId target, NodeId? chosen, int version) =>
        chosen is { } hop && links.TryGet(hop, out var link)
            ? new(version, link, hop != target && isRelayOf(target, hop) ? EnvelopeFlags.ToRelay : EnvelopeFlags.None)
            : new(version, null, EnvelopeFlags.None);
}
