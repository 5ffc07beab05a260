using CsCheck;
using Dawn.Registries.OrSet;
using Xunit;

namespace Dawn.Registries.Tests;

public class OrSetTests
{
    private const int Replicas = 4;

    private enum Kind
    {
        Add,
        Remove,
        Sync,
        Delta,
        Partition,
    }

    // Elements few, so that replicas add and remove the same ones; a partition stops the syncs of one replica until the next one.
    private static readonly Gen<(Kind Kind, int Replica, int Other)> Step =
        Gen.Select(Gen.Enum<Kind>(), Gen.Int[0, Replicas - 1], Gen.Int[0, 5], (kind, replica, other) => (kind, replica, other));

    private static readonly Gen<(Kind Kind, int Replica, int Other)[]> History = Step.Array[0, 60];

    [Fact]
    public void Every_history_gives_what_a_set_with_tombstones_gives() => History.Sample(history =>
    {
        var (sets, models) = Run(history, (set, model) => Assert.Equal(model.Alive, Alive(set)));
        // Heal: all learn of all.
        for (var round = 0; round < 2; round++)
        {
            for (var i = 1; i < Replicas; i++)
            {
                sets[0].Merge(sets[i]);
                sets[i].Merge(sets[0]);
                models[0].Merge(models[i]);
                models[i].Merge(models[0]);
            }
        }

        Assert.All(sets, set => Assert.Equal(State(sets[0]), State(set)));
        Assert.Equal(models[0].Alive, Alive(sets[0]));
        Assert.All(sets, set => Assert.Equal(0, set.Context.Beyond));
    });

    [Fact]
    public void Merge_is_commutative_associative_and_idempotent() => History.Sample(history =>
    {
        var (sets, _) = Run(history, (_, _) => { });
        Assert.Equal(State(Merged(sets[0], sets[1])), State(Merged(sets[1], sets[0])));
        Assert.Equal(State(Merged(Merged(sets[0], sets[1]), sets[2])), State(Merged(sets[0], Merged(sets[1], sets[2]))));
        Assert.Equal(State(Merged(sets[0], sets[1])), State(Merged(Merged(sets[0], sets[1]), sets[1])));
        Assert.Equal(State(sets[0]), State(Merged(sets[0], sets[0])));
    });

    [Fact]
    public void A_delta_since_a_version_vector_merges_as_the_state_does() => History.Sample(history =>
    {
        var (sets, _) = Run(history, (_, _) => { });
        var byDelta = Copy(sets[1]);
        byDelta.Merge(sets[0].Since(sets[1].Context.Compact));
        Assert.Equal(State(Merged(sets[1], sets[0])), State(byDelta));
    });

    [Fact]
    public void Deltas_may_come_in_any_order_and_twice() =>
        Gen.Select(Step.Array[0, 40], Gen.Int[0, 1_000_000]).Sample((history, seed) =>
        {
            var (set, deltas) = (new OrSet<int, int>(), new List<OrSetDelta<int, int>>());
            foreach (var (kind, replica, element) in history)
            {
                deltas.Add(kind == Kind.Remove ? set.Remove(element) : set.Add(replica, element));
            }

            OrSetDelta<int, int>[] shuffled = [.. deltas, .. deltas.Take(deltas.Count / 2)];
            new Random(seed).Shuffle(shuffled);
            var other = new OrSet<int, int>();
            foreach (var delta in shuffled)
            {
                other.Merge(delta);
            }

            Assert.Equal(State(set), State(other));
            Assert.Equal(0, other.Context.Beyond);
        });

    [Fact]
    public void An_addition_wins_over_a_removal_that_has_not_seen_it()
    {
        var (one, two) = (new OrSet<int, string>(), new OrSet<int, string>());
        one.Add(1, "a");
        two.Merge(one);
        one.Remove("a");
        two.Add(2, "a");
        one.Merge(two);
        two.Merge(one);
        Assert.Equal([(new(2, 1), "a")], one.Alive.Select(birth => (birth.Key, birth.Value)));
        Assert.Equal(1, two.Count);
    }

    [Fact]
    public void A_removal_is_not_undone_by_who_has_not_heard_of_it()
    {
        var (one, two) = (new OrSet<int, string>(), new OrSet<int, string>());
        one.Add(1, "a");
        two.Merge(one);
        one.Remove("a");
        one.Merge(two);
        Assert.Equal(0, one.Count);
        two.Merge(one);
        Assert.Equal(0, two.Count);
    }

    [Fact]
    public void Replacing_is_the_merge_of_a_delta_over_the_replicas_whole_past() =>
        Gen.Select(Gen.Int[0, 2], Gen.ULong[1, 6], Gen.Int[0, 3]).Array[0, 30].Sample(steps =>
        {
            var (direct, merged) = (new OrSet<int, int>(Math.Max), new OrSet<int, int>(Math.Max));
            foreach (var (replica, sequence, element) in steps)
            {
                var context = new CausalContext<int>();
                context.Advance(new(replica, sequence));
                direct.Replace(new(replica, sequence), element);
                merged.Merge(new OrSetDelta<int, int>(context, [new(new(replica, sequence), element)], []));
                Assert.Equal(State(merged), State(direct));
            }
        });

    [Fact]
    public void A_context_compacts_as_gaps_close()
    {
        var context = new CausalContext<string>();
        foreach (var sequence in new ulong[] { 5, 3, 2 })
        {
            context.Add(new("a", sequence));
        }

        Assert.Equal((0ul, 3), (context.Compact["a"], context.Beyond));
        context.Add(new("a", 1));
        Assert.Equal((3ul, 1), (context.Compact["a"], context.Beyond));
        Assert.False(context.Contains(new("a", 4)));
        context.Advance(new("a", 4));
        Assert.Equal((5ul, 0), (context.Compact["a"], context.Beyond));
    }

    private static (OrSet<int, int>[] Sets, Model[] Models) Run((Kind Kind, int Replica, int Other)[] history, Action<OrSet<int, int>, Model> check)
    {
        var sets = Enumerable.Range(0, Replicas).Select(_ => new OrSet<int, int>()).ToArray();
        var models = Enumerable.Range(0, Replicas).Select(_ => new Model()).ToArray();
        var alone = -1;
        foreach (var (kind, replica, other) in history)
        {
            var from = other % Replicas;
            switch (kind)
            {
                case Kind.Add:
                    var delta = sets[replica].Add(replica, other);
                    models[replica].Add(Assert.Single(delta.Alive).Key, other);
                    break;
                case Kind.Remove:
                    sets[replica].Remove(other);
                    models[replica].Remove(other);
                    break;
                case Kind.Partition:
                    alone = other < Replicas ? other : -1;
                    break;
                default:
                    if (replica != alone && from != alone)
                    {
                        sets[replica].Merge(kind == Kind.Sync ? sets[from].Since(new()) : sets[from].Since(sets[replica].Context.Compact));
                        models[replica].Merge(models[from]);
                    }

                    break;
            }

            check(sets[replica], models[replica]);
        }

        return (sets, models);
    }

    private static OrSet<int, int> Copy(OrSet<int, int> set)
    {
        var copy = new OrSet<int, int>();
        copy.Merge(set);
        return copy;
    }

    private static OrSet<int, int> Merged(OrSet<int, int> one, OrSet<int, int> two)
    {
        var merged = Copy(one);
        merged.Merge(two);
        return merged;
    }

    private static List<(int, ulong, int)> Alive(OrSet<int, int> set) =>
        [.. set.Alive.Select(birth => (birth.Key.Replica, birth.Key.Sequence, birth.Value)).Order()];

    private static string State(OrSet<int, int> set) => string.Join(' ', Alive(set)) + " | "
        + string.Join(' ', set.Context.Compact.Entries.OrderBy(entry => entry.Key)) + " | "
        + string.Join(' ', set.Context.DotsBeyond.OrderBy(dot => (dot.Replica, dot.Sequence)));

    // What an observed-remove set is by definition: births, and tombstones of those that are over.
    private sealed class Model
    {
        private readonly HashSet<(int Replica, ulong Sequence, int Element)> _born = [];
        private readonly HashSet<(int Replica, ulong Sequence, int Element)> _over = [];

        public List<(int, ulong, int)> Alive => [.. _born.Except(_over).Order()];

        public void Add(Dot<int> dot, int element)
        {
            Remove(element);
            _born.Add((dot.Replica, dot.Sequence, element));
        }

        public void Remove(int element) => _over.UnionWith(_born.Where(birth => birth.Element == element).ToList());

        public void Merge(Model other)
        {
            _born.UnionWith(other._born);
            _over.UnionWith(other._over);
        }
    }
}
