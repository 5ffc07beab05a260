using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>
/// Knows every record that was ever signed, and counts, for all pairs of honest live nodes, who lacks whose newest one:
/// so that the moment in which all tables are alike is seen to the microsecond, and a record that nobody signed is seen at once.
/// </summary>
internal sealed class Convergence(World world, int nodes)
{
    private readonly Dictionary<(int Node, ulong Sequence), List<byte[]>> _signed = [];
    // What was signed a moment ago is on its way: a suspicion that was wrong, say, is refuted at any time.
    private static readonly TimeSpan OnItsWay = TimeSpan.FromSeconds(5);

    // What a liar says twice in different words: tidings name no hashes, so that a round of summaries may be needed.
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(15);

    private readonly Dictionary<(int Of, ulong Sequence, int Which), TimeSpan> _believed = [];
    private readonly ulong[] _newest = new ulong[nodes];
    private readonly TimeSpan[] _newestAt = new TimeSpan[nodes];
    private readonly ulong[,] _known = new ulong[nodes, nodes];
    private readonly byte[,] _hops = new byte[nodes, nodes];
    private int _watched = -1;
    private long _watchedAt;
    private int _watchedMissing;

    /// <summary>The neighbour whose frame is being handled; negative where there is none.</summary>
    public int From { get; set; } = -1;

    /// <summary>Pairs of a node and a record that it lacks.</summary>
    public long Missing { get; private set; }

    /// <summary>Sequences of which honest nodes believed two records: each was to agree on one.</summary>
    public int Equivocations { get; private set; }

    /// <summary>When the last pair was complete for the first time after the last fault.</summary>
    public TimeSpan? HealedAt { get; private set; }

    /// <summary>How long the watched change took to be known everywhere, and over how many links at most it went.</summary>
    public (TimeSpan Took, int Rounds)? Watched { get; private set; }

    /// <summary>Measures the next change of this node.</summary>
    public void Watch(int node) => _watched = node;

    public void OnSigned(SimulatedNode node, NodeRecord record)
    {
        if (!_signed.TryGetValue((node.Number, record.Sequence), out var known))
        {
            _signed.Add((node.Number, record.Sequence), known = []);
        }

        known.Add(record.Encoded.ToArray());
        if (node.IsByzantine || record.Sequence <= _newest[node.Number])
        {
            return;
        }

        // Every other that had the newest lacks one now.
        foreach (var other in world.Honest.Where(other => other.IsUp && node.IsUp))
        {
            Missing += _known[other.Number, node.Number] == _newest[node.Number] ? 1 : 0;
        }

        (_newest[node.Number], _newestAt[node.Number]) = (record.Sequence, world.Simulation.Elapsed);
        if (_watched == node.Number)
        {
            (_watched, _watchedAt) = (-node.Number - 2, world.Simulation.Now);
            _watchedMissing = world.Honest.Count(other => other.IsUp);
            Array.Clear(_hops);
        }
    }

    /// <summary>A node begins a life: it knows nothing, and others must come to know it.</summary>
    public void OnStart(SimulatedNode node)
    {
        if (node.IsByzantine)
        {
            return;
        }

        for (var i = 0; i < nodes; i++)
        {
            _known[node.Number, i] = 0;
        }

        Recount();
    }

    public void OnCrash() => Recount();

    /// <summary>The record of a node came, changed or went in another's table.</summary>
    public void OnChanged(SimulatedNode at, int of, NodeRecord? record)
    {
        if (record is null)
        {
            return;
        }

        world.Simulation.Trace(at.Number, TraceKind.Record, of, record.Encoded.Length);
        var which = of < 0 ? -1 : Which(of, record);
        if (which < 0)
        {
            world.Fail($"node {at.Number} believes a record of node {of} that node never signed", at.Number, From);
            return;
        }

        var node = world.Nodes[of];
        if (at.IsByzantine || node.IsByzantine)
        {
            if (!at.IsByzantine && _believed.TryAdd((of, record.Sequence, which), world.Simulation.Elapsed) && _believed.ContainsKey((of, record.Sequence, which ^ 1)))
            {
                Equivocations++;
            }

            return;
        }

        if (record.Sequence < _known[at.Number, of])
        {
            world.Fail($"node {at.Number} went back to an older record of node {of}", at.Number, of);
        }

        _known[at.Number, of] = record.Sequence;
        if (record.Sequence == _newest[of] && node.IsUp && at.IsUp)
        {
            Missing--;
            OnMoment();
        }

        if (_watched == -of - 2 && record.Sequence == _newest[of])
        {
            _hops[at.Number, of] = From >= 0 ? (byte)(_hops[From, of] + 1) : (byte)0;
            if (--_watchedMissing == 0)
            {
                Watched = (TimeSpan.FromTicks(world.Simulation.Now - _watchedAt), Enumerable.Range(0, nodes).Max(i => _hops[i, of]));
                _watched = -1;
            }
        }
    }

    /// <summary>To be called when the last fault ends.</summary>
    public void OnMoment()
    {
        if (Missing == 0 && HealedAt is null && world.Simulation.Elapsed >= world.Settings.FaultsEnd)
        {
            HealedAt = world.Simulation.Elapsed;
        }
    }

    /// <summary>Pairs of a node and a record that it lacks, and that should have come by now.</summary>
    public List<(int At, int Of)> Overdue()
    {
        var of = world.Honest.Where(node => node.IsUp && _newestAt[node.Number] + OnItsWay <= world.Simulation.Elapsed).ToArray();
        return
        [
            .. from node in world.Honest where node.IsUp from other in of where _known[node.Number, other.Number] != _newest[other.Number] select (node.Number, other.Number),
            .. world.Nodes.Where(node => node.IsByzantine).SelectMany(Divided),
        ];
    }

    /// <summary>Pairs of a node and a liar whose two records with one sequence honest nodes have seen, and it has no proof.</summary>
    public List<(int At, int Of)> Unproven()
    {
        var liars = _believed.Where(one => one.Key.Which == 1 && one.Value + Settling <= world.Simulation.Elapsed && _believed.GetValueOrDefault(one.Key with { Which = 0 }, TimeSpan.MaxValue - Settling) + Settling <= world.Simulation.Elapsed)
            .Select(one => one.Key.Of).Distinct().Order().ToArray();
        return [.. from node in world.Honest where node.IsUp from liar in liars where node.Parts!.Records.Conflicts.Find(world.Nodes[liar].Id) is null select (node.Number, liar)];
    }

    // Who believes something of a liar that counts for less than what another has believed for a while.
    private IEnumerable<(int At, int Of)> Divided(SimulatedNode liar)
    {
        var held = world.Honest.Where(node => node.IsUp).Select(node => (node.Number, Record: node.Parts!.Records.Find(liar.Id))).ToArray();
        var best = held.Select(one => one.Record).OfType<NodeRecord>().Where(record => _believed[(liar.Number, record.Sequence, Which(liar.Number, record))] + Settling <= world.Simulation.Elapsed)
            .Distinct().Aggregate((NodeRecord?)null, (most, record) => CountsLess(most, record) ? record : most);
        return best is null ? [] : held.Where(one => CountsLess(one.Record, best)).Select(one => (one.Number, liar.Number));
    }

    private int Which(int of, NodeRecord record) => _signed.TryGetValue((of, record.Sequence), out var signed) ? signed.FindIndex(one => record.Encoded.Span.SequenceEqual(one)) : -1;

    private static bool CountsLess(NodeRecord? record, NodeRecord than) => record is null || record.Sequence < than.Sequence
        || (record.Sequence == than.Sequence && SHA256.HashData(record.Encoded.Span).AsSpan().SequenceCompareTo(SHA256.HashData(than.Encoded.Span)) < 0);

    private void Recount()
    {
        var up = world.Honest.Where(node => node.IsUp).Select(node => node.Number).ToArray();
        Missing = 0;
        foreach (var at in up)
        {
            foreach (var of in up)
            {
                Missing += _known[at, of] != _newest[of] ? 1 : 0;
            }
        }
    }
}
