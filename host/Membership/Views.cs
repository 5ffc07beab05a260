using System.Collections.Immutable;

namespace Dawn.Membership;

/// <summary>
/// Whom this node keeps links with, and whom it would ask next: HyParView (Leitão, Pereira, Rodrigues, DSN 2007) as a pure state machine.
/// Messages, links and time come in; what is to be sent and dialled goes into <paramref name="effects"/>. Not thread-safe.
/// </summary>
/// <remarks>
/// It differs from the paper where links outlive views: being a neighbour is agreed by a question and its answer, so that both ends mean the same,
/// and a shuffle's reply goes back the way its question came instead of over a connection of its own. And the active view has a lower and an upper
/// measure, as a mesh of GossipSub has (libp2p specs, pubsub/gossipsub, "D_low" and "D_high"): where all views are full, somebody who lost a
/// neighbour to a newcomer would have to dial half of the network to find another in the same need.
/// </remarks>
/// <param name="isDialable">True for nodes whose verified record gives an address, and that are not known to be dead.</param>
/// <param name="dialable">All of them, in the order of their NodeIds.</param>
internal sealed partial class Views(NodeId self, Func<NodeId, bool> isDialable, Func<IReadOnlyList<NodeId>> dialable, Random random, List<Effect> effects)
{
    /// <summary>With fewer neighbours others are asked; where no more than <see cref="MaxActive"/> are known, all of them are.</summary>
    public const int MinActive = 3;

    /// <summary>Who is asked says yes up to here.</summary>
    public const int MaxActive = 8;

    public const int MaxPassive = 30;
    public const byte ActiveWalk = 6;
    public const byte PassiveWalk = 3;

    public static readonly TimeSpan ShuffleEvery = TimeSpan.FromSeconds(10);

    // Who has nobody can't wait for the next shuffle.
    private static readonly TimeSpan RetryAlone = TimeSpan.FromSeconds(2);

    // For a dial and an answer.
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(12);

    private const int ShuffledActive = 3, ShuffledPassive = 4;

    // Ways back for replies; a reply takes a few round trips, and each neighbour starts a walk every ten seconds.
    private const int MaxWalks = 256;

    private readonly List<NodeId> _active = [];
    private readonly List<NodeId> _passive = [];
    private readonly SortedSet<NodeId> _linked = [];
    private readonly List<Question> _asking = [];
    private readonly HashSet<NodeId> _refused = [];
    private readonly Queue<(ulong Walk, NodeId From, ImmutableArray<NodeId> Sent)> _walks = new();
    private TimeSpan _nextShuffle = TimeSpan.FromMilliseconds(random.Next((int)ShuffleEvery.TotalMilliseconds));
    private TimeSpan _nextRetry;

    private sealed record Question(NodeId Node, MembershipMessage Message, TimeSpan Until)
    {
        public bool IsSent { get; set; }
    }

    public IReadOnlyList<NodeId> Active => _active;

    /// <summary>Another number after each change of <see cref="Active"/> or <see cref="Wanted"/>: looked at after each message.</summary>
    public int Version { get; private set; }

    public IReadOnlyList<NodeId> Passive => _passive;

    /// <summary>True for neighbours, and for those that are asked to become one.</summary>
    public bool IsWanted(NodeId node) => _active.Contains(node) || _asking.Exists(q => q.Node == node);

    /// <summary>Those of whom <see cref="IsWanted"/> is true.</summary>
    public IEnumerable<NodeId> Wanted => _active.Concat(_asking.Select(q => q.Node));

    /// <summary>When <see cref="OnTime"/> is due.</summary>
    public TimeSpan Due
    {
        get
        {
            var due = _active.Count == 0 && _nextRetry < _nextShuffle ? _nextRetry : _nextShuffle;
            foreach (var question in _asking)
            {
                due = question.Until < due ? question.Until : due;
            }

            return due;
        }
    }

    public void OnTime(TimeSpan now)
    {
        foreach (var late in _asking.Where(q => q.Until <= now).ToList())
        {
            _asking.Remove(late);
            Version++;
            _refused.Add(late.Node);
        }

        if (_active.Count == 0 && _nextRetry <= now)
        {
            _nextRetry = now + RetryAlone;
            _refused.Clear();
        }

        if (_nextShuffle <= now)
        {
            _nextShuffle = now + ShuffleEvery;
            _refused.Clear();
            Refill();
            Shuffle();
            // Not before, since a newcomer to a large network knows few nodes at first.
            if (_active.Count + _passive.Count <= MaxActive)
            {
                Fill(now, MaxActive);
            }
        }

        Fill(now);
    }

    /// <summary>A link came, or took the place of another.</summary>
    /// <param name="dialled">By this node: it then has the first word, so that the two don't ask each other at once.</param>
    public void OnLinkUp(NodeId node, bool dialled, TimeSpan now)
    {
        _linked.Add(node);
        if (_asking.Find(q => q.Node == node) is { } question)
        {
            Pose(question);
        }
        else if (dialled && !_active.Contains(node) && _active.Count < MinActive)
        {
            Ask(node, _active.Count == 0 ? new Join() : new Neighbour(false), now);
        }
    }

    /// <param name="isClean">It was closed by a word; else its other end may be gone.</param>
    public void OnLinkDown(NodeId node, bool isClean, TimeSpan now)
    {
        _linked.Remove(node);
        if (Drop(q => q.Node == node && q.IsSent))
        {
            _refused.Add(node);
        }

        if (Lose(node))
        {
            if (isClean)
            {
                Remember(node);
            }

            // Somebody else first: this one was given up, by its own will or by the network's.
            _refused.Add(node);
        }

        Fill(now);
    }

    public void OnDialFailed(NodeId node, TimeSpan now)
    {
        if (Drop(q => q.Node == node && !q.IsSent))
        {
            _passive.Remove(node);
            Fill(now);
        }
    }

    /// <summary>A node became dialable: its record came, or it came back.</summary>
    public void OnDialable(NodeId node, TimeSpan now)
    {
        if (_passive.Count < MaxPassive)
        {
            Remember(node);
        }

        Fill(now);
    }

    /// <summary>A node is believed to be dead, or is no longer known.</summary>
    public void OnGone(NodeId node, TimeSpan now)
    {
        _passive.Remove(node);
        Drop(q => q.Node == node);
        if (Lose(node) && _linked.Contains(node))
        {
            Send(node, new Disconnect());
        }

        Fill(now);
    }

    /// <summary>A node probed this one, as it does with its neighbours alone: where only one end counts the other, it learns so.</summary>
    public void OnProbed(NodeId from)
    {
        if (!IsWanted(from))
        {
            Send(from, new Disconnect());
        }
    }

    public void OnMessage(NodeId from, MembershipMessage message, TimeSpan now)
    {
        switch (message)
        {
            case Join:
                Accept(from, isAccepted: true);
                foreach (var other in Sample([.. _active.Where(n => n != from)], MinActive - 1))
                {
                    Send(other, new ForwardJoin(ActiveWalk, from));
                }

                break;
            case ForwardJoin walk:
                OnForwardJoin(from, walk, now);
                break;
            case Neighbour question:
                Accept(from, question.IsUrgent || _active.Count < MaxActive || _active.Contains(from));
                break;
            case NeighbourAnswer answer:
                OnAnswer(from, answer.IsAccepted);
                break;
            case Disconnect when Lose(from):
                _refused.Add(from);
                Remember(from);
                break;
            case Shuffle walk:
                OnShuffle(from, walk);
                break;
            case ShuffleReply reply:
                OnShuffleReply(reply);
                break;
        }

        Fill(now);
    }

    private void OnForwardJoin(NodeId from, ForwardJoin walk, TimeSpan now)
    {
        var newcomer = walk.Newcomer;
        if (newcomer == self || _active.Contains(newcomer))
        {
            return;
        }

        // A longer walk than any node begins would be one that never ends.
        var ttl = Math.Min(walk.Ttl, ActiveWalk);
        if (ttl == PassiveWalk)
        {
            Remember(newcomer);
        }

        List<NodeId> others = [.. _active.Where(n => n != from && n != newcomer)];
        if (ttl > 0 && others.Count > 0)
        {
            Send(Pick(others), new ForwardJoin((byte)(ttl - 1), newcomer));
        }
        else if (isDialable(newcomer) || _linked.Contains(newcomer))
        {
            Ask(newcomer, new Neighbour(true), now);
        }
    }

    private void Accept(NodeId node, bool isAccepted)
    {
        if (isAccepted)
        {
            Add(node);
        }
        else
        {
            Remember(node);
        }

        Send(node, new NeighbourAnswer(isAccepted));
    }

    private void OnAnswer(NodeId from, bool isAccepted)
    {
        var wasAsked = Drop(q => q.Node == from && q.IsSent);
        if (!isAccepted)
        {
            _refused.Add(from);
        }
        else if (wasAsked)
        {
            Add(from);
        }
        else if (!_active.Contains(from))
        {
            // Too late: the other end must not count on this one.
            Send(from, new Disconnect());
        }
    }

    // Records tell of all nodes; without them a view that a partition emptied would stay as empty as its neighbours'.
    private void Refill()
    {
        _passive.RemoveAll(node => !isDialable(node));
        if (_passive.Count < MaxPassive)
        {
            foreach (var node in Sample([.. dialable().Where(IsNews)], MaxPassive - _passive.Count))
            {
                Remember(node);
            }
        }
    }

    private void Fill(TimeSpan now, int sought = MinActive)
    {
        while (_active.Count + _asking.Count < sought)
        {
            List<NodeId> candidates = [.. _passive.Where(n => !_refused.Contains(n) && !IsWanted(n) && (_linked.Contains(n) || isDialable(n)))];
            if (candidates.Count == 0)
            {
                return;
            }

            var linked = candidates.Where(_linked.Contains).ToList();
            Ask(Pick(linked.Count > 0 ? linked : candidates), new Neighbour(_active.Count == 0), now);
        }
    }

    private void Ask(NodeId node, MembershipMessage message, TimeSpan now)
    {
        // One more than places at most: the end of a newcomer's walk asks even when it has neighbours enough.
        if (IsWanted(node) || _asking.Count > MaxActive)
        {
            return;
        }

        var question = new Question(node, message, now + AnswerTimeout);
        _asking.Add(question);
        Version++;
        if (_linked.Contains(node))
        {
            Pose(question);
        }
        else
        {
            effects.Add(new Effect.Dial(node));
        }
    }

    private void Pose(Question question)
    {
        question.IsSent = true;
        Send(question.Node, question.Message);
    }

    private void Add(NodeId node)
    {
        if (node == self || _active.Contains(node))
        {
            return;
        }

        if (_active.Count >= MaxActive)
        {
            var dropped = Pick(_active);
            Lose(dropped);
            // What it answered before it hears of this no longer counts.
            Drop(q => q.Node == dropped);
            Send(dropped, new Disconnect());
            _refused.Add(dropped);
            Remember(dropped);
        }

        _active.Add(node);
        Version++;
        _passive.Remove(node);
        _refused.Remove(node);
    }

    private bool IsNews(NodeId node) => node != self && !_active.Contains(node) && !_passive.Contains(node) && isDialable(node);

    private void Remember(NodeId node)
    {
        if (!IsNews(node))
        {
            return;
        }

        if (_passive.Count >= MaxPassive)
        {
            _passive.RemoveAt(random.Next(_passive.Count));
        }

        _passive.Add(node);
    }

    private bool Lose(NodeId node)
    {
        var wasActive = _active.Remove(node);
        Version += wasActive ? 1 : 0;
        return wasActive;
    }

    private bool Drop(Predicate<Question> which)
    {
        var dropped = _asking.RemoveAll(which);
        Version += dropped;
        return dropped > 0;
    }

    private NodeId Pick(List<NodeId> from) => from[random.Next(from.Count)];

    private void Send(NodeId to, MembershipMessage message) => effects.Add(new Effect.Send(to, message));
}
