using Dawn.Commands;
using Xunit;

namespace Dawn.Tests.Commands;

public sealed class MigrationTests
{
    // Two hubs and two leaves, all in one mode; one of the leaves is reached over the other as well.
    private static MigrationView Network(string mode, params string[] hubs) => new("a", [Leaf("a", mode, hubs) with { Relays = ["h", "i", "b"] }, Leaf("b", mode, hubs), Hub("h", mode, hubs), Hub("i", mode, hubs)]);

    private static MigrationNode Leaf(string name, string? mode, params string[] hubs) => new(name, [], true, ["h", "i"]) { Mode = mode, Hubs = mode is null ? null : hubs, Available = mode is null ? null : Migration.Modes };

    private static MigrationNode Hub(string name, string? mode, params string[] hubs) => Leaf(name, mode, hubs) with { Addresses = [$"ws://{name}:1"], Relays = [] };

    private static readonly string[] Both = ["ws://i:1#i", "ws://h:1#h"];

    [Theory]
    // Hubs in the order of the settings, and all of a mode before the first of the next.
    [InlineData("centralized", "hybrid", "i:hybrid h:hybrid a:hybrid b:hybrid")]
    [InlineData("hybrid", "decentralized", "i:decentralized h:decentralized a:decentralized b:decentralized")]
    [InlineData("hybrid", "centralized", "i:centralized h:centralized a:centralized b:centralized")]
    [InlineData("decentralized", "hybrid", "i:hybrid h:hybrid a:hybrid b:hybrid")]
    [InlineData("centralized", "decentralized", "i:hybrid h:hybrid a:hybrid b:hybrid i:decentralized h:decentralized a:decentralized b:decentralized")]
    [InlineData("decentralized", "centralized", "i:hybrid h:hybrid a:hybrid b:hybrid i:centralized h:centralized a:centralized b:centralized")]
    [InlineData("centralized", "centralized", "")]
    [InlineData("hybrid", "hybrid", "")]
    [InlineData("decentralized", "decentralized", "")]
    public void Every_way_goes_through_hybrid_and_begins_at_the_hubs(string from, string to, string steps)
    {
        var plan = Migration.Plan(Network(from, Both), to);
        Assert.Equal(steps, Steps(plan));
        Assert.Equal((from, to), (plan.From, plan.To));
        Assert.Equal(Enumerable.Range(1, plan.Steps.Count), plan.Steps.Select(s => s.Number));
        Assert.Empty(plan.Problems);
    }

    [Theory]
    [InlineData("centralized", "hybrid")]
    [InlineData("hybrid", "decentralized")]
    [InlineData("decentralized", "hybrid")]
    [InlineData("another", "hybrid")]
    public void Without_a_target_the_usual_one_is_meant(string from, string to) => Assert.Equal(to, Migration.Next(from));

    [Fact]
    public void A_walk_that_was_interrupted_is_finished()
    {
        var view = new MigrationView("a", [Leaf("a", "hybrid", Both), Leaf("b", "centralized", Both), Leaf("c", "decentralized", Both), Hub("h", "hybrid", Both), Hub("i", "hybrid", Both)]);
        Assert.Equal("b:hybrid i:decentralized h:decentralized a:decentralized b:decentralized", Steps(Migration.Plan(view, "decentralized")));
        Assert.Equal("c:hybrid i:centralized h:centralized a:centralized c:centralized", Steps(Migration.Plan(view, "centralized")));
    }

    [Fact]
    public void A_step_says_what_to_run_what_to_write_and_how_to_go_back()
    {
        var plan = Migration.Plan(Network("centralized", Both), "decentralized");
        var (own, other) = (plan.Steps.Single(s => s is { Node: "a", Mode: "decentralized" }), plan.Steps[0]);
        Assert.Equal(["dawn mode decentralized"], own.Commands);
        Assert.Null(own.Remote);
        Assert.Equal("""{"Dawn":{"Mode":"decentralized"}}""", own.Settings.ToJsonString());
        Assert.Equal(["dawn mode hybrid"], own.Back);
        Assert.Equal("""{"Dawn":{"Mode":"hybrid"}}""", own.BackSettings!.ToJsonString());
        Assert.Equal("""dawn call i:node set_mode '{"name":"hybrid"}'""", other.Remote);
        Assert.Equal(["dawn mode centralized"], other.Back);
        Assert.True(other.IsHub && !own.IsHub);
    }

    [Fact]
    public void Where_nobody_names_a_hub_some_are_proposed_and_the_others_restart_with_them()
    {
        var plan = Migration.Plan(Network("decentralized"), "centralized");
        Assert.Equal(["ws://h:1#h", "ws://i:1#i"], plan.Hubs);
        Assert.Contains("takes h and i", Assert.Single(plan.Problems), StringComparison.Ordinal);
        Assert.Equal("h:hybrid i:hybrid a:hybrid b:hybrid h:centralized i:centralized a:centralized b:centralized", Steps(plan));
        Assert.All(plan.Steps.Take(4), step =>
        {
            Assert.Equal(["dawn stop", "dawn run"], step.Commands);
            Assert.Equal("""{"Dawn":{"Mode":"hybrid","Hubs":["ws://h:1#h","ws://i:1#i"]}}""", step.Settings.ToJsonString());
            Assert.Contains(step.Risks, risk => risk.Contains("not-executed or outcome-unknown", StringComparison.Ordinal));
        });
        Assert.All(plan.Steps.Skip(4), step => Assert.False(step.Restarts));
    }

    [Fact]
    public void A_node_that_names_no_hub_restarts_even_where_its_mode_is_right_already()
    {
        var view = new MigrationView("a", [Leaf("a", "centralized", Both), Leaf("b", "centralized"), Hub("h", "centralized"), Hub("i", "centralized", "ws://h:1#h")]);
        var plan = Migration.Plan(view, "centralized");
        // The hub that another names need name none itself.
        Assert.Equal("b:hybrid b:centralized", Steps(plan));
        Assert.True(plan.Steps[0].Restarts);
        Assert.Empty(plan.Problems);
    }

    private static readonly (string To, MigrationNode Node, string Text)[] Risky =
    [
        ("decentralized", Leaf("b", "hybrid", Both) with { Relays = [] }, "linked to no relay that answers: nobody could reach it"),
        ("decentralized", Leaf("b", "hybrid", Both) with { Relays = ["gone"] }, "no relay that answers: nobody could reach it"),
        ("decentralized", Leaf("b", "hybrid", Both) with { Relays = ["h"] }, "reached over h alone. Keep that hub running"),
        ("decentralized", Leaf("b", "hybrid", Both), "reached over h and i alone. Keep one of these hubs running"),
        ("decentralized", Leaf("b", "hybrid", Both) with { Relays = ["h", "a"] }, "reached over h and a: one of them must run"),
        ("hybrid", Hub("h", "centralized", Both) with { IsRelay = false }, "It forwards nothing for others, so it is no hub. Set Dawn:Relay:Enabled"),
        ("hybrid", Hub("h", "centralized", Both) with { Addresses = [] }, "nobody can dial it. Set Dawn:Listen"),
        ("hybrid", Leaf("b", null) with { Silence = "There is no way" }, "It did not answer (There is no way)"),
        ("hybrid", Leaf("b", "centralized", Both) with { Available = ["centralized"] }, "The mode hybrid is not installed there"),
        ("hybrid", Leaf("b", "sideways", Both), "Its mode is sideways, of a plugin"),
        ("centralized", Leaf("b", "hybrid", Both) with { Relays = ["a"] }, "linked to none of its hubs now"),
    ];

    public static TheoryData<string> Risks => [.. Risky.Select(row => row.Text)];

    [Theory]
    [MemberData(nameof(Risks))]
    public void What_could_go_wrong_is_said_at_the_step_of_the_node(string risk)
    {
        var (to, node, _) = Risky.Single(row => row.Text == risk);
        var view = Network(to == "hybrid" ? "centralized" : "hybrid", Both);
        var plan = Migration.Plan(view with { Nodes = [.. view.Nodes.Select(n => n.Node == node.Node ? node : n)] }, to);
        var step = Assert.Single(plan.Steps, s => s.Node == node.Node && s.Mode == to);
        Assert.Contains(step.Risks, r => r.Contains(risk, StringComparison.Ordinal));
        Assert.DoesNotContain(plan.Steps.Where(s => s.Node != node.Node).SelectMany(s => s.Risks), r => r.Contains(risk, StringComparison.Ordinal));
    }

    [Fact]
    public void A_silent_node_gets_its_steps_and_nothing_to_go_back_to()
    {
        var view = Network("hybrid", Both);
        var plan = Migration.Plan(view with { Nodes = [.. view.Nodes.Select(n => n.Node == "b" ? Leaf("b", null) : n)] }, "decentralized");
        Assert.Equal("b:hybrid i:decentralized h:decentralized a:decentralized b:decentralized", Steps(plan));
        Assert.Empty(plan.Steps[0].Back);
        Assert.Contains("1 node did not answer", Assert.Single(plan.Problems), StringComparison.Ordinal);
    }

    private static readonly (string To, MigrationView View, string Text)[] Troubled =
    [
        ("centralized", new("a", [Leaf("a", "hybrid", "ws://h:1#h"), Hub("h", "hybrid")]), "There is one hub, h"),
        ("centralized", new("a", [Leaf("a", "hybrid", Both), Hub("h", "hybrid", "ws://h:1#h"), Hub("i", "hybrid", "ws://i:1#i")]), "The hubs h and i don't name each other"),
        ("hybrid", new("a", [Leaf("a", "centralized", "ws://z:1#z")]), "The hub z is named by a, and nothing else is known of it"),
        ("hybrid", new("a", [Leaf("a", "centralized", "ws://z:1")]), "The hub at ws://z:1 has never answered"),
        ("hybrid", new("a", [Leaf("a", "decentralized")]), "none is known that could be one"),
    ];

    public static TheoryData<string> Problems => [.. Troubled.Select(row => row.Text)];

    [Theory]
    [MemberData(nameof(Problems))]
    public void What_stands_in_the_way_is_said_first(string problem)
    {
        var (to, view, _) = Troubled.Single(row => row.Text == problem);
        Assert.Contains(Migration.Plan(view, to).Problems, p => p.Contains(problem, StringComparison.Ordinal));
    }

    private static string Steps(MigrationPlan plan) => string.Join(' ', plan.Steps.Select(s => $"{s.Node}:{s.Mode}"));
}
