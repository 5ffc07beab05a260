using Dawn.Routing.Modes;
using Dawn.Testing.Routing;
using Xunit;

namespace Dawn.Routing.Tests;

/// <summary>The kit finds what it is there for: modes that break one promise each.</summary>
public sealed class KitTests
{
    private static readonly HybridMode Good = new();

    [Theory]
    [InlineData("")]
    [InlineData("Nearest")]
    [InlineData("the nearest")]
    [InlineData("a-name-that-is-longer-than-thirty-two")]
    [InlineData("two\n")]
    public void A_name_that_cannot_be_configured(string name) => Fails(kit => kit.Its_name_can_stand_in_the_settings(), () => new Broken { Name = name });

    [Fact]
    public void A_name_that_another_instance_does_not_have()
    {
        var instances = 0;
        Fails(kit => kit.Its_name_never_changes(), () => new Broken { Name = $"mode-{instances++}" });
    }

    [Fact]
    public void Somebody_twice() => Fails(kit => kit.A_plan_names_nobody_twice(), Planning((plan, _) => plan with { NextHops = [.. plan.NextHops, .. plan.NextHops] }));

    [Fact]
    public void The_node_itself() => Fails(kit => kit.A_plan_never_names_who_asks(), Planning((plan, view) => plan with { Dial = [view.Self] }));

    [Fact]
    public void No_list() => Fails(kit => kit.A_plan_has_both_lists(), Planning((plan, _) => plan with { Dial = default }));

    [Fact]
    public void An_exception_for_strangers() => Fails(
        kit => kit.A_node_of_which_nothing_is_known_is_no_error(),
        () => new Broken { Planning = (view, target) => view.Find(target) is null ? throw new KeyNotFoundException() : Good.Plan(view, target) });

    [Fact]
    public void An_exception_where_there_are_no_neighbours() => Fails(
        kit => kit.A_node_that_is_alone_is_no_error(), Planning((plan, view) => view.Neighbours[0] is null ? plan : plan));

    [Fact]
    public void Chance()
    {
        var random = new Random(1);
        Fails(kit => kit.The_same_view_gives_the_same_answer(), Planning((plan, _) => plan with { MayFlood = random.Next(2) > 0 }));
    }

    [Fact]
    public void Each_instance_another_opinion()
    {
        var instances = 0;
        Fails(kit => kit.Another_instance_gives_the_same_answer(), () => instances++ == 0 ? Good : new DecentralizedMode());
    }

    [Fact]
    public void Keeping_to_what_was_said_before() => Fails(kit => kit.What_was_asked_before_changes_nothing(), () =>
    {
        var said = new Dictionary<NodeId, RoutePlan>();
        return new Broken { Planning = (view, target) => said.TryGetValue(target, out var plan) ? plan : said[target] = Good.Plan(view, target) };
    });

    private static Func<IRoutingMode> Planning(Func<RoutePlan, NetworkView, RoutePlan> change) =>
        () => new Broken { Planning = (view, target) => change(Good.Plan(view, target), view) };

    private static void Fails(Action<RoutingModeTestKit> fact, Func<IRoutingMode> create)
    {
        fact(new Kit(() => Good));
        Assert.ThrowsAny<Exception>(() => fact(new Kit(create)));
    }

    private sealed class Kit(Func<IRoutingMode> create) : RoutingModeTestKit
    {
        protected override IRoutingMode CreateMode() => create();
    }

    private sealed class Broken : IRoutingMode
    {
        public string Name { get; init; } = "broken";

        public Func<NetworkView, NodeId, RoutePlan> Planning { get; init; } = Good.Plan;

        public RoutePlan Plan(NetworkView network, NodeId target) => Planning(network, target);

        public bool MayLink(NetworkView network, NodeId node) => true;
    }
}
