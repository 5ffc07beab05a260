namespace Dawn.Membership;

/// <summary>
/// Who of the network still lives: SWIM (Das, Gupta, Motivala, DSN 2002) with Lifeguard's doubt of oneself (Dadgar, Phillips, Currey, 2018), as a pure
/// state machine. Messages, links, records and time come in; what is to be done goes into <paramref name="effects"/>. Not thread-safe.
/// </summary>
/// <remarks>
/// One word of somebody else kills nobody: a suspicion counts for one record of the suspect alone, which has the time of <see cref="SuspicionOf"/> to publish
/// a newer one, and an answer to a probe of one's own outweighs what others say.
/// </remarks>
/// <param name="neighbours">Who is probed.</param>
/// <param name="isLinked">True where a probe can be sent.</param>
internal sealed partial class FailureDetector(NodeId self, Func<IReadOnlyList<NodeId>> neighbours, Func<NodeId, bool> isLinked, Random random, List<Effect> effects)
{
    public static readonly TimeSpan ProbeEvery = TimeSpan.FromSeconds(1);
    public static readonly TimeSpan ProbeTimeout = TimeSpan.FromMilliseconds(500);
    public static readonly TimeSpan RemindEvery = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan MaxSuspicion = TimeSpan.FromSeconds(8);
    public const int Helpers = 3;

    /// <summary>Accusers of one record that are heard and passed on, each where the one before was found wrong; what more say is no news.</summary>
    public const int MaxAccusers = 3;

    // Lifeguard: a node whose own probes fail may itself be what is slow, and gives answers more time.
    private const int MaxDoubt = 4;

    private const int MaxHelping = 64;

    // All that are linked to what comes back tell some, and what they tell goes on.
    private const int MaxTold = 16;

    private readonly List<NodeId> _round = [];
    private readonly List<Probing> _probing = [];
    private readonly List<Helping> _helping = [];
    private readonly Dictionary<NodeId, Doubted> _doubted = [];
    // Suspects, the next to be dead first: what is due is asked after each message, and half of a network is doubted while it is in two.
    private readonly SortedSet<(TimeSpan Due, NodeId Node)> _suspects = [];
    private TimeSpan _firstDead = TimeSpan.MaxValue;
    private TimeSpan _nextReminder = RemindEvery;
    private TimeSpan _nextProbe = TimeSpan.FromMilliseconds(random.Next((int)ProbeEvery.TotalMilliseconds));
    private uint _number = (uint)random.Next();
    private int _selfDoubt;

    private sealed record Probing(NodeId Target, uint Number, TimeSpan Since)
    {
        public TimeSpan Due { get; set; }

        /// <summary>Null until the direct probe has failed.</summary>
        public List<NodeId>? Asked { get; set; }
    }

    private sealed record Helping(NodeId Requester, uint Number, NodeId Target, TimeSpan Due)
    {
        public uint? Own { get; set; }
    }

    private sealed class Doubted(ulong sequence)
    {
        public ulong Sequence { get; } = sequence;

        public PeerHealth Health { get; set; }

        /// <summary>When a suspect is dead.</summary>
        public TimeSpan Due { get; set; }

        /// <summary>Those after the first, of which there is nearly always one alone.</summary>
        public List<NodeId>? More { get; set; }

        public bool HasAccused(NodeId node) => Statement?.Accuser == node || More?.Contains(node) is true;

        public int Accusers => Statement is null ? 0 : 1 + (More?.Count ?? 0);

        /// <summary>The suspect has heard of it from this node.</summary>
        public bool IsTold { get; set; }

        /// <summary>The first statement, for the suspect to refute when it comes back; null where it left by itself.</summary>
        public Suspicion? Statement { get; set; }
    }

    /// <summary>Nodes known, this one aside.</summary>
    public int Members { get; set; }

    /// <summary>Those that failed to answer, in all.</summary>
    public long Failures { get; private set; }

    public long Probes { get; private set; }

    /// <summary>Raised with a direct probe's round trip.</summary>
    public Action<NodeId, TimeSpan>? Measured { get; init; }

    /// <summary>When <see cref="OnTime"/> is due.</summary>
    public TimeSpan Due
    {
        get
        {
            var due = _firstDead < _nextProbe ? _firstDead : _nextProbe;
            foreach (var probing in _probing)
            {
                due = probing.Due < due ? probing.Due : due;
            }

            foreach (var helping in _helping)
            {
                due = helping.Due < due ? helping.Due : due;
            }

            return due;
        }
    }

    /// <summary>How long a suspect has to refute.</summary>
    public static TimeSpan SuspicionOf(int members)
    {
        var time = TimeSpan.FromSeconds(4 * Math.Log10(members + 1));
        return time > MaxSuspicion ? MaxSuspicion : time < ProbeEvery ? ProbeEvery : time;
    }

    /// <summary>True where somebody accused this record of the node.</summary>
    public bool IsDoubted(NodeId node, ulong sequence) => _doubted.TryGetValue(node, out var doubted) && doubted.Sequence == sequence;

    public PeerHealth HealthOf(NodeId node) => _doubted.TryGetValue(node, out var doubted) ? doubted.Health : PeerHealth.Alive;

    public void OnTime(TimeSpan now)
    {
        foreach (var late in _probing.Where(p => p.Due <= now).ToList())
        {
            if (late.Asked is null)
            {
                AskOthers(late, now);
            }
            else
            {
                _probing.Remove(late);
                Fail(late.Target);
            }
        }

        foreach (var late in _helping.Where(h => h.Due <= now).ToList())
        {
            _helping.Remove(late);
            Send(late.Requester, new ProbeResult(late.Number, false));
        }

        while (_firstDead <= now)
        {
            var late = _suspects.Min;
            Mark(late.Node, _doubted[late.Node], PeerHealth.Dead);
            effects.Add(new Effect.Believe(late.Node, PeerHealth.Dead));
        }

        if (_nextProbe <= now)
        {
            _nextProbe = now + ProbeEvery;
            Remind(now);
            if (Next() is { } target)
            {
                Begin(target, now);
            }
        }
    }

    public void OnLinkUp(NodeId node, TimeSpan now)
    {
        if (_doubted.TryGetValue(node, out var doubted))
        {
            Tell(node, doubted);
        }

        if (doubted is { Health: not PeerHealth.Alive, Statement: not null })
        {
            // Where it was cut off with a part of the network, the same goes for all of that part, who hear of it sooner so than by a link each.
            foreach (var other in Sample([.. _doubted.Where(d => d.Key != node && d.Value is { Health: PeerHealth.Dead, Statement: not null }).OrderBy(d => d.Key).Select(d => d.Value.Statement!)]))
            {
                Send(node, other);
            }
        }

        OnAlive(node);
        foreach (var helping in _helping.Where(h => h.Target == node && h.Own is null))
        {
            Help(helping);
        }
    }

    /// <param name="isBroken">It ended without a word: as good as a probe that failed.</param>
    public void OnLinkDown(NodeId node, bool isBroken, TimeSpan now)
    {
        if (_doubted.TryGetValue(node, out var doubted))
        {
            // What was on its way is lost.
            doubted.IsTold = false;
        }

        if (!isBroken)
        {
            // Closed by a word: whether its other end lives is nobody's question now.
            _probing.RemoveAll(p => p.Target == node && p.Asked is null);
            return;
        }

        if (HealthOf(node) == PeerHealth.Alive && !_probing.Exists(p => p.Target == node && p.Asked is not null))
        {
            _probing.RemoveAll(p => p.Target == node);
            var probing = new Probing(node, _number++, now);
            _probing.Add(probing);
            AskOthers(probing, now);
        }
    }

    /// <summary>A node said that it stops: signed, or on its own link.</summary>
    /// <param name="sequence">Of its record.</param>
    /// <returns>False where it was known.</returns>
    public bool OnLeft(NodeId node, ulong sequence)
    {
        if (_doubted.TryGetValue(node, out var known) && (known.Sequence > sequence || known is { Health: PeerHealth.Dead, Statement: null }))
        {
            return false;
        }

        Undoubt(node);
        _doubted[node] = new(sequence) { Health = PeerHealth.Dead };
        _probing.RemoveAll(p => p.Target == node);
        effects.Add(new Effect.Believe(node, PeerHealth.Dead));
        return true;
    }

    /// <summary>A record of the node came: a newer one than what was doubted clears it.</summary>
    public void OnRecord(NodeId node, ulong sequence)
    {
        if (_doubted.TryGetValue(node, out var doubted) && sequence > doubted.Sequence)
        {
            var health = doubted.Health;
            Undoubt(node);
            if (health != PeerHealth.Alive)
            {
                effects.Add(new Effect.Believe(node, PeerHealth.Alive));
            }
        }
    }

    /// <summary>The node is no longer known at all.</summary>
    public void Forget(NodeId node)
    {
        Undoubt(node);
        _probing.RemoveAll(p => p.Target == node);
    }

    /// <summary>Takes a suspicion whose signature holds and whose sequence is that of the suspect's newest known record.</summary>
    /// <returns>True where it is news, to be passed on.</returns>
    public bool OnSuspicion(Suspicion suspicion, TimeSpan now)
    {
        if (suspicion.Suspect == self)
        {
            // Somebody could not reach this node: it may well be this node's fault.
            _selfDoubt = Math.Min(MaxDoubt, _selfDoubt + 1);
            effects.Add(new Effect.Refute());
            return false;
        }

        if (!IsNews(suspicion))
        {
            return false;
        }

        if (!_doubted.TryGetValue(suspicion.Suspect, out var doubted) || doubted.Sequence < suspicion.Sequence)
        {
            Undoubt(suspicion.Suspect);
            _doubted[suspicion.Suspect] = doubted = new(suspicion.Sequence);
        }

        if (doubted.Statement is null)
        {
            doubted.Statement = suspicion;
        }
        else
        {
            (doubted.More ??= []).Add(suspicion.Accuser);
        }

        Suspect(suspicion.Suspect, doubted, now);
        Tell(suspicion.Suspect, doubted);
        if (suspicion.Accuser != self && isLinked(suspicion.Suspect) && !_probing.Exists(p => p.Target == suspicion.Suspect))
        {
            Begin(suspicion.Suspect, now);
        }

        return true;
    }

    /// <summary>False for what would change nothing: asked before its signature is verified.</summary>
    public bool IsNews(Suspicion suspicion) => suspicion.Suspect == self || !_doubted.TryGetValue(suspicion.Suspect, out var doubted)
        || doubted.Sequence < suspicion.Sequence
        || (doubted.Sequence == suspicion.Sequence && doubted.Health == PeerHealth.Alive && doubted.Accusers < MaxAccusers && !doubted.HasAccused(suspicion.Accuser));

    /// <summary>Suspects a node of which no record is known, so that nobody else can be told.</summary>
    public void SuspectUnknown(NodeId node, TimeSpan now)
    {
        if (!_doubted.TryGetValue(node, out var doubted))
        {
            _doubted[node] = doubted = new(0);
        }

        Suspect(node, doubted, now);
    }

    // The accusers stay, so that the same statement does not come around as news again.
    private void OnAlive(NodeId node)
    {
        if (_doubted.TryGetValue(node, out var doubted) && doubted.Health != PeerHealth.Alive)
        {
            Mark(node, doubted, PeerHealth.Alive);
            effects.Add(new Effect.Believe(node, PeerHealth.Alive));
        }
    }

    // Who is doubted lives where there is a link to it, and others may not know it: only a newer record of its own tells them.
    private void Tell(NodeId node, Doubted doubted)
    {
        if (!doubted.IsTold && doubted.Statement is { } statement && isLinked(node))
        {
            doubted.IsTold = true;
            Send(node, statement);
        }
    }

    private void Suspect(NodeId node, Doubted doubted, TimeSpan now)
    {
        if (doubted.Health == PeerHealth.Alive)
        {
            Mark(node, doubted, PeerHealth.Suspect, now + SuspicionOf(Members));
            effects.Add(new Effect.Believe(node, PeerHealth.Suspect));
        }
    }

    private void Mark(NodeId node, Doubted doubted, PeerHealth health, TimeSpan due = default)
    {
        Unsuspect(node, doubted);
        (doubted.Health, doubted.Due) = (health, due);
        if (health == PeerHealth.Suspect)
        {
            _suspects.Add((due, node));
            _firstDead = due < _firstDead ? due : _firstDead;
        }
    }

    private void Undoubt(NodeId node)
    {
        if (_doubted.Remove(node, out var doubted))
        {
            Unsuspect(node, doubted);
        }
    }

    private void Unsuspect(NodeId node, Doubted doubted)
    {
        if (doubted.Health == PeerHealth.Suspect && _suspects.Remove((doubted.Due, node)) && doubted.Due == _firstDead)
        {
            _firstDead = _suspects.Count > 0 ? _suspects.Min.Due : TimeSpan.MaxValue;
        }
    }

    private IEnumerable<MembershipMessage> Sample(List<MembershipMessage> from)
    {
        for (var i = 0; i < MaxTold && from.Count > 0; i++)
        {
            var at = random.Next(from.Count);
            yield return from[at];
            from[at] = from[^1];
            from.RemoveAt(from.Count - 1);
        }
    }

    private void Send(NodeId to, MembershipMessage message) => effects.Add(new Effect.Send(to, message));
}
