using CsCheck;
using Dawn.Routing.Modes;
using Dawn.Testing.Routing;
using Xunit;

namespace Dawn.Routing.Tests;

/// <summary>What holds in any network whose records are true, for each mode.</summary>
public sealed class ModePropertyTests
{
    private static readonly IRoutingMode[] Modes = [new CentralizedMode(), new DecentralizedMode(), new HybridMode()];

    private static readonly Gen<TestNetwork> Network =
        Gen.Select(Gen.Int[0, int.MaxValue], Gen.Int[2, 12], (seed, nodes) => TestNetwork.Random(new(seed), nodes));

    public static TheoryData<string> Names => [.. Modes.Select(mode => mode.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Next_hops_are_neighbours_and_what_is_dialled_is_none(string mode) => InEachView(mode, (view, _, plan) =>
    {
        Assert.All(plan.NextHops, node => Assert.Contains(view.Neighbours, neighbour => neighbour.Node == node));
        Assert.All(plan.Dial, node => Assert.True(view.Find(node) is { IsDialable: true, IsLinked: false }));
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void Nobody_is_named_twice_and_never_this_node(string mode) => InEachView(mode, (view, _, plan) =>
    {
        Assert.Equal(plan.NextHops.Distinct(), plan.NextHops);
        Assert.Equal(plan.Dial.Distinct(), plan.Dial);
        Assert.DoesNotContain(view.Self, plan.NextHops.Concat(plan.Dial));
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void The_same_view_gives_the_same_plan(string mode) => InEachView(mode, (view, target, plan) =>
    {
        var again = Named(mode).Plan(view, target);
        Assert.Equal(plan.NextHops, again.NextHops);
        Assert.Equal(plan.Dial, again.Dial);
        Assert.Equal(plan.MayFlood, again.MayFlood);
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void No_way_leads_to_oneself(string mode) => Network.Sample(network => Assert.All(network.Nodes, self =>
    {
        var plan = Named(mode).Plan(network.ViewOf(self), TestNetwork.NodeOf(self));
        Assert.Empty(plan.NextHops);
        Assert.Empty(plan.Dial);
    }));

    [Theory]
    [MemberData(nameof(Names))]
    public void An_unknown_node_is_no_error(string mode) => Network.Sample(network => Assert.All(network.Nodes, self =>
    {
        var plan = Named(mode).Plan(network.ViewOf(self), TestNetwork.NodeOf('~'));
        // At most the hubs may know more.
        Assert.All(TestNetwork.LettersOf(plan.NextHops.Concat(plan.Dial)), letter => Assert.Contains(letter, network.Hubs));
    }));

    [Theory]
    [MemberData(nameof(Names))]
    public void Nothing_goes_round_in_circles(string mode) => InEachPair(mode, (network, self, target, plan) =>
    {
        if (plan.NextHops is [var first, ..])
        {
            var passed = Pass(network, TestNetwork.LetterOf(first), target);
            Assert.Equal(passed.Distinct(), passed);
        }
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void Where_a_link_or_one_relay_that_is_named_leads_there_one_of_the_next_hops_does(string mode) => InEachPair(mode, (network, self, target, plan) =>
    {
        var heard = network.AreLinked(self, target) || !network.Unheard.Contains(target);
        var leads = network.AreLinked(self, target) || heard && network.RelaysOf(target).Any(relay => relay != self && network.AreLinked(self, relay));
        if (leads)
        {
            Assert.Contains(plan.NextHops, next => Pass(network, TestNetwork.LetterOf(next), target)[^1] == target);
        }
    });

    [Theory]
    [InlineData("decentralized")]
    [InlineData("hybrid")]
    public void Who_can_be_dialled_or_whose_relay_can_is_dialled_where_nothing_is_linked(string mode) => InEachPair(mode, (network, self, target, plan) =>
    {
        if (!network.Unheard.Contains(target) && plan.NextHops.IsEmpty)
        {
            var can = $"{target}{network.RelaysOf(target)}".Any(node => node != self && network.Dialable.Contains(node) && !network.Unheard.Contains(node));
            Assert.True(!can || plan.Dial.Length > 0);
        }
    });

    [Fact]
    public void Centralized_nodes_reach_each_other_over_a_hub_that_both_are_linked_with() => InEachPair("centralized", (network, self, target, plan) =>
    {
        var hubs = network.Hubs.Where(hub => hub != target && network.AreLinked(self, hub) && network.AreLinked(hub, target)).ToArray();
        if (!network.Hubs.Contains(self) && !network.Hubs.Contains(target) && !network.Unheard.Contains(target) && hubs.Intersect(network.RelaysOf(target)).Any())
        {
            // However short other ways are.
            Assert.Contains(TestNetwork.LetterOf(plan.NextHops[0]), hubs);
            Assert.Equal(target, Pass(network, TestNetwork.LetterOf(plan.NextHops[0]), target)[^1]);
        }
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void While_a_network_changes_its_mode_nodes_of_all_modes_reach_each_other_over_the_hub(string mode)
    {
        // Only the one that sends asks its mode: whichever the others have, both ways lead over H.
        var network = new TestNetwork("s-h h-t") { Hubs = "h", Relays = "s:h t:h" };
        foreach (var (from, to) in new[] { ('s', 't'), ('t', 's') })
        {
            var plan = Named(mode).Plan(network.ViewOf(from), TestNetwork.NodeOf(to));
            Assert.Equal("h", TestNetwork.LettersOf(plan.NextHops));
            Assert.Equal(['h', to], Pass(network, 'h', to));
        }
    }

    /// <summary>The nodes that an envelope passes from its first hop on; the last is the target, or where it is dropped.</summary>
    /// <remarks>In the middle no mode is asked: to the target, else to a relay that it names, else where a flood found it.</remarks>
    private static List<char> Pass(TestNetwork network, char first, char target)
    {
        List<char> passed = [first];
        // One more than there are nodes is a circle.
        while (passed[^1] != target && passed.Count <= network.Nodes.Length)
        {
            var view = network.ViewOf(passed[^1]);
            var record = view.Find(TestNetwork.NodeOf(target));
            NodeId? next = record is null ? null
                : record.IsLinked ? record.Node
                : record.Relays.Where(relay => view.Find(relay) is { IsLinked: true }).Select(relay => (NodeId?)relay).FirstOrDefault() ?? record.FoundOver;
            if (next is null)
            {
                break;
            }

            passed.Add(TestNetwork.LetterOf(next.Value));
        }

        return passed;
    }

    private static IRoutingMode Named(string name) => Modes.Single(mode => mode.Name == name);

    private static void InEachView(string mode, Action<NetworkView, NodeId, RoutePlan> check) => Network.Sample(network =>
    {
        foreach (var view in network.Nodes.Select(network.ViewOf))
        {
            foreach (var target in network.Nodes.Select(TestNetwork.NodeOf))
            {
                check(view, target, Named(mode).Plan(view, target));
            }
        }
    });

    private static void InEachPair(string mode, Action<TestNetwork, char, char, RoutePlan> check) => Network.Sample(network =>
    {
        foreach (var self in network.Nodes)
        {
            var view = network.ViewOf(self);
            foreach (var target in network.Nodes.Where(target => target != self))
            {
                check(network, self, target, Named(mode).Plan(view, TestNetwork.NodeOf(target)));
            }
        }
    });
}
