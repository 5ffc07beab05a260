using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

/// <summary>Where a node was learned of, as people read it.</summary>
internal static class Learned
{
    public const string Bootstrap = "bootstrap";
    public const string Gossip = "gossip";
    public const string Ticket = "ticket";
    public const string DialledUs = "dialled us";
}

/// <summary>What this node knows of another, at one moment.</summary>
/// <param name="Addresses">To dial, in this order: those that answered before, then those of its record.</param>
/// <param name="LearnedFrom">Where from it was heard of first.</param>
/// <param name="LastSeen">When something was last heard from itself; null for never.</param>
/// <param name="TellsAddresses">Its record says where to dial it.</param>
/// <param name="NextTry">Not dialled before then, unless somebody calls; on the clock of <see cref="TimeProvider.GetTimestamp"/>.</param>
internal sealed record Peer(
    NodeId Node,
    PeerHealth Health,
    bool IsConnected,
    bool IsConflicting,
    ImmutableArray<Uri> Addresses,
    string LearnedFrom,
    DateTimeOffset? LastSeen,
    TimeSpan? RoundTrip,
    int FailedDials,
    long NextTry,
    bool TellsAddresses)
{
    /// <summary><c>known</c>, <c>connected</c>, <c>suspect</c>, <c>dead</c> or <c>conflict</c>.</summary>
    public string State => IsConflicting ? "conflict" : Health switch
    {
        PeerHealth.Dead => "dead",
        PeerHealth.Suspect => "suspect",
        _ => IsConnected ? "connected" : "known",
    };

    /// <summary>True where a call may well reach it: over a link that is there, or one that can be dialled.</summary>
    public bool IsOnline => IsConnected || (Health != PeerHealth.Dead && TellsAddresses && FailedDials < PeerTable.OfflineAfter);
}

/// <summary>What this node knows of every other node. Thread-safe.</summary>
internal sealed partial class PeerTable
{
    /// <summary>Nodes at once: ten times the largest network that the design names.</summary>
    public const int MaxPeers = 10_000;

    /// <summary>Dials in vain, one after another, that make a node count as offline.</summary>
    public const int OfflineAfter = 3;

    // Addresses that answered though no record names them: configured ones and those of tickets.
    private const int MaxAnswered = 2;

    // Configured, from tickets and discovered; what is beyond counts as configured.
    private const int MaxExpected = 256;

    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan MaxDelayOfDead = TimeSpan.FromSeconds(60);

    private readonly INodeIdentity _self;
    private readonly RecordTable _records;
    private readonly TimeProvider _time;
    private readonly Random _random;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly Dictionary<NodeId, Entry> _peers = [];
    private readonly Dictionary<Uri, string> _expected = [];

    // What is shown is made when it changes: it is asked for with each message.
    private sealed class Entry(NodeId node, string learnedFrom)
    {
        public Peer Shown { get; set; } = new(node, PeerHealth.Alive, IsConnected: false, IsConflicting: false, [], learnedFrom, null, null, 0, 0, TellsAddresses: false);

        public bool HasRecord { get; set; }

        public ImmutableArray<Uri> Told { get; private set; } = [];

        private ImmutableArray<Uri> Answered { get; set; } = [];

        public void OnAnswer(Uri address)
        {
            if (!Told.Contains(address))
            {
                Answered = [address, .. Answered.Where(a => a != address).Take(MaxAnswered - 1)];
                Shown = Shown with { Addresses = [.. Answered, .. Told.Except(Answered)] };
            }
        }

        public void OnTold(ImmutableArray<Uri> addresses)
        {
            if (!Told.AsSpan().SequenceEqual(addresses.AsSpan()))
            {
                // Where it is now nobody has tried yet.
                (Told, Answered) = (addresses, []);
                Shown = Shown with { Addresses = addresses.Length < 2 ? addresses : [.. addresses.Distinct()], TellsAddresses = !addresses.IsEmpty, FailedDials = 0, NextTry = 0 };
            }
        }
    }

    public PeerTable(INodeIdentity self, RecordTable records, Random random, TimeProvider time, ILogger<PeerTable> logger)
    {
        (_self, _records, _random, _time, _logger) = (self, records, random, time, logger);
        records.Changed += OnRecord;
        records.Conflicts.Found += conflict => OnConflict(conflict.Node, true);
        foreach (var record in records.Snapshot())
        {
            OnRecord(record.Node);
        }
    }

    /// <summary>Raised with the node whose state or addresses changed; outside the lock.</summary>
    public event Action<NodeId>? Changed;

    /// <summary>All, in the order of their NodeIds.</summary>
    public IReadOnlyList<Peer> Snapshot
    {
        get
        {
            lock (_lock)
            {
                return [.. _peers.Values.Select(entry => entry.Shown).OrderBy(peer => peer.Node)];
            }
        }
    }

    public Peer? Find(NodeId node)
    {
        lock (_lock)
        {
            return _peers.GetValueOrDefault(node)?.Shown;
        }
    }

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _peers.Count;
            }
        }
    }

    /// <summary>Nodes by state, for those who count.</summary>
    public IReadOnlyDictionary<string, int> CountByState()
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal) { ["known"] = 0, ["connected"] = 0, ["suspect"] = 0, ["dead"] = 0, ["conflict"] = 0 };
        foreach (var peer in Snapshot)
        {
            counts[peer.State]++;
        }

        return counts;
    }

    /// <summary>An address is about to be dialled of which nobody's record tells: whoever answers there was learned so.</summary>
    public void Expect(Uri address, string learnedFrom)
    {
        lock (_lock)
        {
            if (_expected.Count < MaxExpected || _expected.ContainsKey(address))
            {
                _expected[address] = learnedFrom;
            }
        }
    }

    public void OnLinkUp(ILink link) => Update(link.Remote, LearnedOf(link), entry =>
    {
        entry.Shown = entry.Shown with { IsConnected = true, LastSeen = _time.GetUtcNow(), FailedDials = 0, NextTry = 0 };
        if (link.IsInitiator)
        {
            entry.OnAnswer(link.Address);
        }
    });

    public void OnLinkDown(NodeId node) => Update(node, null, entry => entry.Shown = entry.Shown with { IsConnected = false, RoundTrip = null, LastSeen = _time.GetUtcNow() });

    public void OnRoundTrip(NodeId node, TimeSpan roundTrip)
    {
        lock (_lock)
        {
            // Each second for each neighbour: no change that anybody is told of.
            if (_peers.TryGetValue(node, out var entry))
            {
                entry.Shown = entry.Shown with { RoundTrip = roundTrip, LastSeen = _time.GetUtcNow() };
            }
        }
    }

    public void OnHealth(NodeId node, PeerHealth health) => Update(node, null, entry => entry.Shown = entry.Shown with { Health = health });

    /// <summary>Two records of one sequence are about: somebody has a copy of the node's key.</summary>
    public void OnConflict(NodeId node, bool isConflicting) => Update(node, null, entry => entry.Shown = entry.Shown with { IsConflicting = isConflicting });

    /// <summary>A dial of all its addresses failed: the next one waits, longer each time, and not all who dial it at the same moment.</summary>
    public void OnDialFailed(NodeId node) => Update(node, null, entry =>
    {
        var max = entry.Shown.Health == PeerHealth.Dead ? MaxDelayOfDead : MaxDelay;
        var delay = FirstDelay * Math.Pow(2, Math.Min(entry.Shown.FailedDials, 10));
        var nextTry = _time.GetTimestamp() + (long)((delay < max ? delay : max).TotalSeconds * (0.5 + Jitter()) * _time.TimestampFrequency);
        entry.Shown = entry.Shown with { FailedDials = entry.Shown.FailedDials + 1, NextTry = nextTry };
    });

    /// <summary>The network changed: what could not be reached may now be.</summary>
    public void ResetBackoffs()
    {
        var changed = new List<NodeId>();
        lock (_lock)
        {
            foreach (var entry in _peers.Values.OrderBy(entry => entry.Shown.Node))
            {
                var wasOnline = entry.Shown.IsOnline;
                entry.Shown = entry.Shown with { FailedDials = 0, NextTry = 0 };
                if (entry.Shown.IsOnline != wasOnline)
                {
                    changed.Add(entry.Shown.Node);
                }
            }
        }

        changed.ForEach(Raise);
    }

    public bool IsDue(Peer peer) => peer.NextTry <= _time.GetTimestamp();

    private void OnRecord(NodeId node)
    {
        var record = _records.Find(node);
        Update(node, record is null ? null : Learned.Gossip, entry =>
        {
            entry.HasRecord = record is not null;
            entry.OnTold(record?.Addresses ?? []);
        });
    }

    // Of a node that is not known yet there is an entry only where the word says where it was learned.
    private void Update(NodeId node, string? learnedFrom, Action<Entry> change)
    {
        if (node == _self.Id)
        {
            return;
        }

        Peer? before = null;
        Peer? after;
        lock (_lock)
        {
            if (!_peers.TryGetValue(node, out var entry))
            {
                if (learnedFrom is null || !MakeRoom())
                {
                    return;
                }

                _peers.Add(node, entry = new(node, learnedFrom));
            }
            else
            {
                before = entry.Shown;
            }

            change(entry);
            after = entry.Shown;
            if (!after.IsConnected && !entry.HasRecord)
            {
                // Neither its record nor a link tells of it any more.
                _peers.Remove(node);
                after = null;
            }
        }

        if (before?.State != after?.State || before?.IsOnline != after?.IsOnline || !(before?.Addresses ?? []).AsSpan().SequenceEqual((after?.Addresses ?? []).AsSpan()))
        {
            Raise(node);
        }
    }

    // A stranger's word is worth less than anything that is known: only what has neither link nor life gives way.
    private bool MakeRoom()
    {
        if (_peers.Count < MaxPeers)
        {
            return true;
        }

        return _peers.Values.Select(e => e.Shown).Where(e => !e.IsConnected && e.Health == PeerHealth.Dead).OrderBy(e => e.Node).MinBy(e => e.LastSeen ?? DateTimeOffset.MinValue) is { } oldest && _peers.Remove(oldest.Node);
    }

    private string LearnedOf(ILink link)
    {
        lock (_lock)
        {
            return !link.IsInitiator ? Learned.DialledUs : _expected.GetValueOrDefault(link.Address, Learned.Bootstrap);
        }
    }

    private double Jitter()
    {
        lock (_random)
        {
            return _random.NextDouble() / 2;
        }
    }

    private void Raise(NodeId node)
    {
        foreach (var handler in Delegate.EnumerateInvocationList(Changed))
        {
            try
            {
                handler(node);
            }
            catch (Exception e)
            {
                // Who fails to listen costs neither the others their news nor a link its life.
                LogHandlerFailed(e, node.ToShortString());
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Telling that the state of {Node} changed failed")]
    private partial void LogHandlerFailed(Exception exception, string node);
}
