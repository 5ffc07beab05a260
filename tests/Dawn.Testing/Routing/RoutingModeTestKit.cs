using System.Collections.Immutable;
using System.Diagnostics;
using System.Text.RegularExpressions;
using Xunit;

namespace Dawn.Testing.Routing;

/// <summary>What every <see cref="IRoutingMode"/> promises, as tests: derive from it, say how to create yours, and run.</summary>
/// <remarks>Which ways a mode prefers is its own affair; draw networks with <see cref="TestNetwork"/> to test that.</remarks>
public abstract partial class RoutingModeTestKit
{
    private const int Limit = 60_000;
    private const int Networks = 150;

    private IRoutingMode? _mode;

    /// <summary>Creates the mode, each time another instance of the same.</summary>
    protected abstract IRoutingMode CreateMode();

    /// <summary>The mode under test.</summary>
    protected IRoutingMode Mode => _mode ??= CreateMode();

    [Fact]
    public void Its_name_can_stand_in_the_settings() => Assert.Matches(Name(), Mode.Name);

    [Fact]
    public void Its_name_never_changes()
    {
        var name = Mode.Name;
        _ = Answers(Mode, TestNetwork.Random(new(1), 5)).ToArray();
        Assert.Equal(name, Mode.Name);
        Assert.Equal(name, CreateMode().Name);
    }

    [Fact]
    public void A_plan_names_nobody_twice() => InEachPlan((plan, _, _) =>
    {
        Assert.Equal(plan.NextHops.Distinct(), plan.NextHops);
        Assert.Equal(plan.Dial.Distinct(), plan.Dial);
    });

    [Fact]
    public void A_plan_never_names_who_asks() => InEachPlan((plan, view, _) =>
    {
        Assert.DoesNotContain(view.Self, plan.NextHops);
        Assert.DoesNotContain(view.Self, plan.Dial);
    });

    [Fact]
    public void A_plan_has_both_lists() => InEachPlan((plan, _, _) =>
    {
        Assert.False(plan.NextHops.IsDefault, "NextHops is default; RoutePlan.None and [] are empty.");
        Assert.False(plan.Dial.IsDefault, "Dial is default; RoutePlan.None and [] are empty.");
    });

    [Fact]
    public void A_node_of_which_nothing_is_known_is_no_error()
    {
        foreach (var network in Drawn().Select(drawn => drawn.Network))
        {
            foreach (var view in network.Nodes.Select(network.ViewOf))
            {
                var stranger = TestNetwork.NodeOf('~');
                Assert.Null(view.Find(stranger));
                Assert.NotNull(Mode.Plan(view, stranger));
                Mode.MayLink(view, stranger);
            }
        }
    }

    [Fact]
    public void A_node_that_is_alone_is_no_error()
    {
        var view = new NetworkView(TestNetwork.NodeOf('s'), [], [], _ => null);
        Assert.NotNull(Mode.Plan(view, TestNetwork.NodeOf('t')));
        Mode.MayLink(view, TestNetwork.NodeOf('t'));
    }

    [Fact]
    public void The_same_view_gives_the_same_answer() => InEach(network =>
        Assert.Equal(Answers(Mode, network), Answers(Mode, network)));

    [Fact]
    public void Another_instance_gives_the_same_answer() => InEach(network =>
        Assert.Equal(Answers(Mode, network), Answers(CreateMode(), network)));

    [Fact]
    public void What_was_asked_before_changes_nothing()
    {
        // For the one each network is the first that it sees; the other has seen those after it.
        var fresh = Drawn().Select(drawn => Answers(CreateMode(), drawn.Network).ToArray()).ToList();
        var used = Drawn().Reverse().Select(drawn => Answers(Mode, drawn.Network).ToArray()).ToList();
        used.Reverse();
        Assert.Equal(fresh, used);
    }

    [Fact(Timeout = Limit)]
    public async Task Many_threads_may_ask_at_once()
    {
        var networks = Drawn().Select(drawn => drawn.Network).ToArray();
        var expected = networks.SelectMany(network => Answers(CreateMode(), network)).ToArray();
        using var start = new Barrier(4);
        var answers = await Task.WhenAll(Enumerable.Range(0, start.ParticipantCount).Select(_ => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait(TestContext.Current.CancellationToken);
                return networks.SelectMany(network => Answers(Mode, network)).ToArray();
            },
            TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        Assert.All(answers, actual => Assert.Equal(expected, actual));
    }

    [Fact]
    public void A_large_network_is_no_more_work()
    {
        // Whoever looks at all nodes for each one takes minutes for this: the limit is far off, for machines that are busy.
        var view = Large(nodes: 10_000, neighbours: 40);
        var started = Stopwatch.GetTimestamp();
        for (var i = 1; i < 10_000; i++)
        {
            Mode.Plan(view, Numbered(i));
            Mode.MayLink(view, Numbered(i));
        }

        Assert.InRange(Stopwatch.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    private static IEnumerable<(int Seed, TestNetwork Network)> Drawn() =>
        Enumerable.Range(0, Networks).Select(seed => (seed, TestNetwork.Random(new(seed), 1 + seed % 10))).Concat(Odd().Select(network => (-1, network)));

    /// <summary>What records say need not make sense: their owners may be wrong, or lie.</summary>
    private static IEnumerable<TestNetwork> Odd()
    {
        yield return new() { Relays = "t:t", Dialable = "t", Hubs = "s" };
        yield return new("s-t") { Relays = "t:t s:s", Hubs = "sts" };
        yield return new("s-t:5") { Relays = "t:s", Flooded = "st", Hubs = "tttt" };
        yield return new("s-r r-t") { Relays = "t:rrrr", Hubs = "rr" };
        yield return new("s-r") { Relays = "t:rx", Unheard = "rx", Hubs = "xr" };
        yield return new("s-a s-b a-b") { Relays = "t:ab a:tb b:ta", Dialable = "stab", Refusing = "ab" };
        yield return new("s-a") { Relays = "t:abcdefgh", Unheard = "t", Flooded = "t" };
    }

    private static NetworkView Large(int nodes, int neighbours)
    {
        var views = Enumerable.Range(1, nodes).Select(i => new NodeView(Numbered(i))
        {
            IsLinked = i <= neighbours,
            IsDialable = i % 3 == 0,
            IsRelay = true,
            Relays = [.. Enumerable.Range(0, 8).Select(relay => Numbered(1 + (i * 7 + relay * 5) % neighbours)).Where(relay => relay != Numbered(i))],
            Cost = i <= neighbours && i % 4 != 0 ? TimeSpan.FromMilliseconds(i % 5) : null,
        }).ToDictionary(view => view.Node);
        return new(Numbered(0), [Numbered(1), Numbered(2)], [.. Enumerable.Range(1, neighbours).Select(i => views[Numbered(i)])], views.GetValueOrDefault);
    }

    private static NodeId Numbered(int number)
    {
        Span<byte> bytes = stackalloc byte[NodeId.Size];
        bytes[0] = (byte)(number >> 8);
        bytes[1] = (byte)number;
        return new(bytes);
    }

    /// <summary>All that a mode says of a network, as text: one line for each two nodes.</summary>
    private static IEnumerable<string> Answers(IRoutingMode mode, TestNetwork network) => network.Nodes.SelectMany(self => Answers(mode, network, self));

    private static IEnumerable<string> Answers(IRoutingMode mode, TestNetwork network, char self)
    {
        var view = network.ViewOf(self);
        return network.Nodes.Where(target => target != self).Select(target =>
        {
            var (node, plan) = (TestNetwork.NodeOf(target), mode.Plan(view, TestNetwork.NodeOf(target)));
            return $"{self} to {target}: over {Letters(plan.NextHops)}, dial {Letters(plan.Dial)}, flood {plan.MayFlood}, link {mode.MayLink(view, node)}";
        }).ToArray();

        static string Letters(ImmutableArray<NodeId> nodes) => nodes.IsDefault ? "default" : TestNetwork.LettersOf(nodes);
    }

    private void InEachPlan(Action<RoutePlan, NetworkView, NodeId> check) => InEach(network =>
    {
        foreach (var self in network.Nodes)
        {
            var view = network.ViewOf(self);
            foreach (var target in network.Nodes.Where(target => target != self).Select(TestNetwork.NodeOf))
            {
                check(Mode.Plan(view, target), view, target);
            }
        }
    });

    private static void InEach(Action<TestNetwork> check)
    {
        foreach (var (seed, network) in Drawn())
        {
            try
            {
                check(network);
            }
            catch (Exception e)
            {
                // The drawing can be taken over into a test of its own.
                throw new InvalidOperationException($"In {network}, seed {seed}: {e.Message}", e);
            }
        }
    }

    [GeneratedRegex(@"\A[a-z0-9-]{1,32}\z")]
    private static partial Regex Name();
}
