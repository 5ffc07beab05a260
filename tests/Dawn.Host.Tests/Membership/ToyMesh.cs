using Dawn.Membership;

namespace Dawn.Tests.Membership;

/// <summary>Views and failure detectors of many nodes in one thread: messages take their time, links and records are what this says they are.</summary>
internal sealed class ToyMesh
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(20);

    private readonly Random _random;
    private readonly PriorityQueue<Action, (TimeSpan At, long Order)> _events = new();
    private long _order;

    public ToyMesh(int seed, int count)
    {
        _random = new(seed);
        Nodes = [.. Enumerable.Range(0, count).Select(i => new ToyNode(this, i, new Random(_random.Next()), count))];
        ById = Nodes.ToDictionary(n => n.Id);
    }

    public IReadOnlyList<ToyNode> Nodes { get; }

    public Dictionary<NodeId, ToyNode> ById { get; }

    public TimeSpan Now { get; private set; }

    public IEnumerable<ToyNode> Alive => Nodes.Where(n => n is { IsUp: true, IsCrashed: false });

    /// <summary>Suspicions that nodes sent each other.</summary>
    public int Suspicions { get; set; }

    public void Run(TimeSpan time, Action? check = null)
    {
        for (var end = Now + time; Now < end; Now += Step)
        {
            while (_events.TryPeek(out _, out var due) && due.At <= Now)
            {
                _events.Dequeue()();
            }

            foreach (var node in Alive.ToList())
            {
                node.OnTime();
            }

            check?.Invoke();
        }
    }

    public void Later(TimeSpan delay, Action action) => _events.Enqueue(action, (Now + delay, _order++));

    // The same for all messages between two nodes, so that none overtakes another.
    public static TimeSpan Latency(ToyNode a, ToyNode b) => TimeSpan.FromMilliseconds(1 + (a.Number * 31 + b.Number * 17) % 40);

    public void Start(ToyNode node, ToyNode? contact)
    {
        node.IsUp = true;
        foreach (var other in Alive.Where(n => n != node).ToList())
        {
            // Records come by gossip, some time after the node.
            Later(TimeSpan.FromMilliseconds(_random.Next(500)), () => other.Learn(node));
            Later(TimeSpan.FromMilliseconds(_random.Next(500)), () => node.Learn(other));
        }

        if (contact is not null)
        {
            Connect(node, contact);
        }
    }

    public void Connect(ToyNode from, ToyNode to) => Later(Latency(from, to), () =>
    {
        if (from.IsCrashed || to.IsCrashed || !to.IsUp)
        {
            from.Do(() => from.Views.OnDialFailed(to.Id, Now));
        }
        else if (from.Linked.Add(to.Id))
        {
            to.Linked.Add(from.Id);
            from.OnLinkUp(to.Id, true);
            to.OnLinkUp(from.Id, false);
        }
    });

    /// <summary>Not a word any more, and links that seem to be up: a machine without power.</summary>
    public void Crash(ToyNode node) => node.IsCrashed = true;

    public bool AreViewsSymmetric() => Alive.All(n => n.Views.Active.All(other => ById[other].Views.Active.Contains(n.Id)));

    public bool IsConnected()
    {
        var all = Alive.ToList();
        var reached = new HashSet<NodeId> { all[0].Id };
        var next = new Queue<NodeId>(reached);
        while (next.TryDequeue(out var id))
        {
            foreach (var other in ById[id].Views.Active.Where(reached.Add))
            {
                next.Enqueue(other);
            }
        }

        return all.All(n => reached.Contains(n.Id));
    }
}

internal sealed class ToyNode
{
    private readonly ToyMesh _mesh;
    private readonly List<Effect> _effects = [];
    private readonly SortedDictionary<NodeId, ulong> _records = [];
    private bool _isDoing;

    public ToyNode(ToyMesh mesh, int number, Random random, int count)
    {
        (_mesh, Number) = (mesh, number);
        Id = new NodeId(SeededEntropy.Derive(number, "toy"));
        Views = new(Id, IsDialable, () => [.. _records.Keys.Where(IsDialable)], random, _effects);
        Detector = new(Id, () => Views.Active, Linked.Contains, random, _effects) { Members = count };
    }

    public int Number { get; }

    public NodeId Id { get; }

    public Views Views { get; }

    public FailureDetector Detector { get; }

    public SortedSet<NodeId> Linked { get; } = [];

    public SortedSet<NodeId> Dead { get; } = [];

    public bool IsUp { get; set; }

    public bool IsCrashed { get; set; }

    public ulong Sequence { get; private set; } = 1;

    public void Learn(ToyNode other) => Do(() =>
    {
        if (_records.GetValueOrDefault(other.Id) < other.Sequence)
        {
            _records[other.Id] = other.Sequence;
            Detector.OnRecord(other.Id, other.Sequence);
            Views.OnDialable(other.Id, _mesh.Now);
        }
    });

    public void OnLinkUp(NodeId node, bool dialled) => Do(() =>
    {
        Detector.OnLinkUp(node, _mesh.Now);
        Views.OnLinkUp(node, dialled, _mesh.Now);
    });

    public void OnTime() => Do(() =>
    {
        if (Detector.Due <= _mesh.Now)
        {
            Detector.OnTime(_mesh.Now);
        }

        if (Views.Due <= _mesh.Now)
        {
            Views.OnTime(_mesh.Now);
        }
    });

    public void Unlink(NodeId node, bool isBroken)
    {
        if (Linked.Remove(node))
        {
            Do(() =>
            {
                Detector.OnLinkDown(node, isBroken, _mesh.Now);
                Views.OnLinkDown(node, !isBroken, _mesh.Now);
            });
        }
    }

    /// <summary>Says of somebody that it is dead, true or not.</summary>
    public void Accuse(NodeId suspect) => Spread(new Suspicion(suspect, _records.GetValueOrDefault(suspect), Id, 0, default), null);

    public void Do(Action step)
    {
        if (IsCrashed)
        {
            return;
        }

        step();
        if (_isDoing)
        {
            return;
        }

        _isDoing = true;
        while (_effects.Count > 0)
        {
            var next = _effects[0];
            _effects.RemoveAt(0);
            Run(next);
        }

        _isDoing = false;
    }

    private bool IsDialable(NodeId node) => _records.ContainsKey(node) && !Dead.Contains(node) && Detector.HealthOf(node) == PeerHealth.Alive;

    private void Run(Effect effect)
    {
        switch (effect)
        {
            case Effect.Send send:
                Send(send.To, send.Message);
                break;
            case Effect.Dial dial:
                _mesh.Connect(this, _mesh.ById[dial.Node]);
                break;
            case Effect.Accuse accuse:
                Hear(new(accuse.Suspect, _records.GetValueOrDefault(accuse.Suspect), Id, 0, default), null);
                break;
            case Effect.Refute:
                Sequence++;
                foreach (var other in _mesh.Alive.Where(n => n != this).ToList())
                {
                    _mesh.Later(TimeSpan.FromMilliseconds(200), () => other.Learn(this));
                }

                break;
            case Effect.Believe { Health: PeerHealth.Dead } belief:
                Dead.Add(belief.Node);
                Do(() => Views.OnGone(belief.Node, _mesh.Now));
                Unlink(belief.Node, isBroken: true);
                var gone = belief.Node;
                _mesh.Later(ToyMesh.Latency(this, _mesh.ById[gone]), () => _mesh.ById[gone].Unlink(Id, isBroken: false));
                break;
            case Effect.Believe { Health: PeerHealth.Alive } belief:
                Dead.Remove(belief.Node);
                Do(() => Views.OnDialable(belief.Node, _mesh.Now));
                break;
        }
    }

    private void Hear(Suspicion suspicion, NodeId? from)
    {
        var known = suspicion.Suspect == Id ? Sequence : _records.GetValueOrDefault(suspicion.Suspect);
        if (known == suspicion.Sequence && Detector.OnSuspicion(suspicion, _mesh.Now))
        {
            Spread(suspicion, from);
        }
    }

    private void Spread(Suspicion suspicion, NodeId? from)
    {
        foreach (var link in Linked.Where(n => n != from).ToList())
        {
            _mesh.Suspicions++;
            Send(link, suspicion);
        }
    }

    private void Send(NodeId to, MembershipMessage message)
    {
        var target = _mesh.ById[to];
        _mesh.Later(ToyMesh.Latency(this, target), () =>
        {
            if (!Linked.Contains(to) || !target.Linked.Contains(Id))
            {
                return;
            }

            target.Do(() =>
            {
                switch (message)
                {
                    case Suspicion suspicion:
                        target.Hear(suspicion, Id);
                        break;
                    case var probe when probe.Class == MessageClass.Probes:
                        target.Detector.OnMessage(Id, probe, _mesh.Now);
                        if (probe is Probe)
                        {
                            target.Views.OnProbed(Id);
                        }

                        break;
                    default:
                        target.Views.OnMessage(Id, message, _mesh.Now);
                        break;
                }
            });
        });
    }
}
