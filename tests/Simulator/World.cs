using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Sessions;
using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>What was wrong, where and when.</summary>
internal sealed record Violation(string What, TimeSpan At, string Story);

/// <summary>A whole network in one thread: its nodes, what goes wrong, what they do, and who watches.</summary>
internal sealed class World : IDisposable
{
    private static readonly TimeSpan StartWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private static readonly int MaxLinks = new LinkOptions().MaxLinks;

    private readonly SimulatedKeys _keys;
    private readonly SharedRecords _shared = new();
    private readonly SeededRandom _random;
    private readonly Dictionary<NodeId, int> _numbers = [];
    private readonly Faults _faults;
    private readonly SimulatedNode[][] _neighbours;
    private long _steadyBytes;
    private TimeSpan _steadySince;

    public World(RunSettings settings)
    {
        Settings = settings;
        Simulation = new(settings.Seed, settings.Nodes, settings.IsFifo ? RunOrder.Fifo : RunOrder.Seeded);
        Network = new(Simulation, settings.Nodes, new(), settings.Seed);
        _keys = new(settings.Seed);
        _random = SeededRandom.Of(settings.Seed, 3);
        Convergence = new(this, settings.Nodes);
        Calls = new(this);
        Departures = new(this);
        Nodes = [.. Enumerable.Range(0, settings.Nodes).Select(NewNode)];
        Honest = [.. Nodes.Where(node => !node.IsByzantine)];
        _neighbours = [.. Nodes.Select(node => NeighboursOf(node.Number))];
        _faults = new(this);
    }

    public RunSettings Settings { get; }

    public Simulation Simulation { get; }

    public SimulatedNetwork Network { get; }

    public SimulatedNode[] Nodes { get; }

    public SimulatedNode[] Honest { get; }

    public Convergence Convergence { get; }

    public Calls Calls { get; }

    public Departures Departures { get; }

    /// <summary>What happens to frames now; null for nothing.</summary>
    public FrameFaultRates? FrameRates { get; set; }

    public Violation? Violation { get; private set; }

    /// <summary>The ends of links that are up.</summary>
    public int LinkEnds { get; private set; }

    /// <summary>In the time without faults at the end.</summary>
    public double BytesPerSecondAndNode { get; private set; }

    public TimeSpan? ConvergedAfter => Convergence.HealedAt - Settings.FaultsEnd;

    public int NumberOf(NodeId node) => _numbers.GetValueOrDefault(node, -1);

    public void Run()
    {
        foreach (var node in Nodes)
        {
            Simulation.At(StartWithin * _random.Unit(), () => Start(node));
        }

        _faults.Plan();
        for (var i = 0; i < 50; i++)
        {
            var at = StartWithin + (Settings.FaultsEnd - StartWithin) * _random.Unit();
            var node = Honest[_random.Below(Honest.Length)];
            var title = $"change {i}";
            Simulation.At(at, () => Publish(node, title));
        }

        for (var at = LookEvery; at <= TimeSpan.FromSeconds(Settings.Seconds); at += LookEvery)
        {
            Simulation.At(at, Look);
        }

        Simulation.At(Settings.FaultsEnd, Convergence.OnMoment);
        // Once all is quiet: how fast one change spreads, and what quiet costs.
        Simulation.At(Settings.Settled, () =>
        {
            if (Convergence.Overdue() is [var (at, of), ..] overdue)
            {
                Fail($"{overdue.Count} records are missing in tables {(Settings.Settled - Settings.FaultsEnd).TotalSeconds:0} s after the last fault, such as node {of}'s at node {at}", at, of);
            }

            if (Settings.Settled < TimeSpan.FromSeconds(Settings.Seconds))
            {
                var node = Honest[_random.Below(Honest.Length)];
                Convergence.Watch(node.Number);
                Publish(node, "the last change");
            }
        });
        _steadySince = Settings.Settled + TimeSpan.FromSeconds(5);
        Simulation.At(_steadySince, () => _steadyBytes = Network.Bytes);
        Simulation.Run(TimeSpan.FromSeconds(Settings.Seconds));
        if (Violation is null)
        {
            CheckEnd();
        }
    }

    /// <summary>Begins a life of a node, with what its disk has.</summary>
    public void Start(SimulatedNode node)
    {
        var process = new SimulatedProcess(Simulation, node.Number, node.Skew);
        var life = ++node.Lives;
        Simulation.Trace(node.Number, TraceKind.Start, life);
        var random = SeededRandom.Of(Settings.Seed, SeededRandom.Mix((ulong)node.Number << 16 | (uint)life));
        node.Process = process;
        process.Run(() =>
        {
            var entropy = new SeededEntropy(SimulatedKeys.Derive(Settings.Seed, "entropy", (long)node.Number << 16 | (uint)life));
            node.Parts = new(node, process, Network, _shared, entropy, random, handler => new FrameFaults(handler, this, node, process, random), Calls.AcceptorOf(node));
            var records = node.Parts.Records;
            records.Changed += of => Convergence.OnChanged(node, NumberOf(of), records.Find(of));
            Convergence.OnStart(node);
            Departures.OnStart(node);
            node.Parts.Start(_neighbours[node.Number]);
            _ = node.IsByzantine ? new Byzantine(this, node, process, random).RunAsync() : Calls.RunAsync(node, process, random);
        });
    }

    public void Crash(SimulatedNode node, bool silently)
    {
        Simulation.Trace(node.Number, TraceKind.Crash, silently ? 1 : 0);
        LinkEnds -= node.Parts!.Links.Snapshot.Count;
        node.Process!.Kill();
        (node.Process, node.Parts) = (null, null);
        Network.Kill(node.Number, silently);
        Convergence.OnCrash();
        Departures.OnCrash(node);
    }

    public void OnLink(SimulatedNode node, ILink link, bool isUp)
    {
        LinkEnds += isUp ? 1 : -1;
        Simulation.Trace(node.Number, isUp ? TraceKind.LinkUp : TraceKind.LinkDown, NumberOf(link.Remote), LinkEnds);
    }

    /// <summary>Ends the run. Not by an exception: production code survives those.</summary>
    public void Fail(string what, params int[] nodes)
    {
        Violation ??= new(what, Simulation.Elapsed, Simulation.Events.Story(nodes));
        Simulation.IsStopped = true;
    }

    public void Dispose() => Simulation.Dispose();

    private SimulatedNode NewNode(int number)
    {
        var identity = _keys.Node(number);
        _numbers.Add(identity.Id, number);
        return new(number, identity, Settings.Scenario.Skew * (2 * _random.Unit() - 1))
        {
            IsByzantine = number < Settings.Scenario.Byzantine && Settings.Nodes > 3,
            IsHidden = number >= Relays,
            Publishing = Convergence.OnSigned,
        };
    }

    /// <summary>The first so many nodes listen.</summary>
    private int Relays => Settings.Scenario.OneRelayIn is > 0 and var one ? Math.Max(3, Settings.Nodes / one) : Settings.Nodes;

    // A ring, so that it hangs together, and a few others, so that no way is long.
    private SimulatedNode[] NeighboursOf(int number) =>
        [.. Enumerable.Range(0, Settings.Chords).Select(_ => _random.Below(Relays)).Prepend((number + 1) % Relays).Where(other => other != number).Distinct().Select(other => Nodes[other])];

    private void Publish(SimulatedNode node, string title)
    {
        if (node.IsUp)
        {
            Simulation.Trace(node.Number, TraceKind.Publish);
            node.Process!.Run(() => node.Parts!.Publish(title));
        }
    }

    private void Look()
    {
        Departures.Look();
        // A tenth of them each second: counting all records of all nodes costs more than what the nodes do.
        var second = (int)Simulation.Elapsed.TotalSeconds;
        foreach (var node in Nodes.Where(node => node.IsUp && node.Number % 10 == second % 10))
        {
            CheckBounds(node, node.Parts!);
        }

        if (Simulation.Elapsed < Settings.Settled)
        {
            return;
        }

        if (Unreachable() is { } lonely)
        {
            Fail($"node {lonely} is cut off from others, {(Simulation.Elapsed - Settings.FaultsEnd).TotalSeconds:0} s after the last fault", lonely);
        }

    }

    private void CheckBounds(SimulatedNode node, NodeParts parts)
    {
        var (links, sessions, halfOpen, records) = (parts.Links.Snapshot.Count, parts.Sessions.Sessions().Length, parts.Sessions.HalfOpen, parts.RecordCount);
        if (links > MaxLinks || sessions > SessionTable.MaxSessions || halfOpen > SessionTable.MaxHalfOpen || records > Nodes.Length)
        {
            Fail($"node {node.Number} holds {links} links, {sessions} sessions, {halfOpen} half-open ones and {records} records", node.Number);
        }
    }

    // The first honest node that can't be reached from the first over links that are up.
    private int? Unreachable()
    {
        var seen = new bool[Nodes.Length];
        var open = new Stack<int>([Honest[0].Number]);
        seen[Honest[0].Number] = true;
        while (open.TryPop(out var number))
        {
            foreach (var link in Nodes[number].Parts?.Links.Snapshot ?? [])
            {
                var other = NumberOf(link.Remote);
                if (!seen[other] && Nodes[other].IsUp && !Nodes[other].IsByzantine)
                {
                    seen[other] = true;
                    open.Push(other);
                }
            }
        }

        return Honest.FirstOrDefault(node => node.IsUp && !seen[node.Number])?.Number;
    }

    private void CheckEnd()
    {
        Calls.Check();
        var steady = TimeSpan.FromSeconds(Settings.Seconds) - _steadySince;
        BytesPerSecondAndNode = steady > TimeSpan.Zero ? (Network.Bytes - _steadyBytes) / steady.TotalSeconds / Nodes.Length : 0;
        if (Convergence.Overdue() is [var (at, of), ..] overdue)
        {
            Fail($"{overdue.Count} records are missing in tables at the end, such as node {of}'s at node {at}", at, of);
        }

        if (Convergence.Unproven() is [var (where, whose), ..] unproven)
        {
            Fail($"{unproven.Count} proofs that a key is used twice are missing at the end, such as node {whose}'s at node {where}", where, whose);
        }

        foreach (var node in Honest.Where(node => node.IsUp))
        {
            if (Honest.FirstOrDefault(other => other.IsUp && node.Parts!.Peers.Find(other.Id) is { Health: PeerHealth.Dead }) is { } lost)
            {
                Fail($"node {node.Number} takes node {lost.Number} for dead at the end, {(Simulation.Elapsed - Settings.FaultsEnd).TotalSeconds:0} s after the last fault", node.Number, lost.Number);
            }
        }
    }
}
