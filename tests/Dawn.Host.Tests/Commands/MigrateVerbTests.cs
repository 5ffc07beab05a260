using System.Text.Json.Nodes;
using Dawn.Identity;
using Dawn.Tests.Node;
using Xunit;

namespace Dawn.Tests.Commands;

public sealed class MigrateVerbTests
{
    private static readonly TestNetwork Network = new();

    [Fact(Timeout = 30_000)]
    public async Task The_plan_is_printed_for_people_and_for_programs_and_nothing_is_changed()
    {
        await using var node = await RunningNode.StartAsync();
        var text = await node.RunAsync("migrate", "--plan").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((0, ""), (text.Code, text.Error));
        Assert.StartsWith("To hybrid, from decentralized on this node: 1 step.", text.Out, StringComparison.Ordinal);
        Assert.Contains($"1. hybrid, a hub: on {FakeNode.Self} (this node)\n     dawn mode hybrid\n", text.Out.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Contains("""     back      dawn mode decentralized   {"Dawn":{"Mode":"decentralized"}}""", text.Out, StringComparison.Ordinal);

        var json = await node.RunAsync("migrate", "--plan", "--to", "centralized", "--json");
        CommandRunner.AssertOneLine(json.Out);
        var plan = JsonNode.Parse(json.Out)!.AsObject();
        Assert.Equal(["from", "to", "hubs", "problems", "steps"], plan.Select(f => f.Key));
        Assert.Equal(["hybrid", "centralized"], plan["steps"]!.AsArray().Select(s => s!["mode"]!.GetValue<string>()));
        Assert.Equal(
            ["number", "node", "isHub", "mode", "restarts", "commands", "settings", "changes", "risks", "back", "backSettings"],
            plan["steps"]![0]!.AsObject().Select(f => f.Key));
        Assert.Empty(node.Node.Actions);
        Assert.Equal("decentralized", node.Node.Mode.Mode);
        Assert.StartsWith("Nothing to do", (await node.RunAsync("migrate", "--plan", "--to", "decentralized")).Out, StringComparison.Ordinal);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_node_that_does_not_answer_is_in_the_plan_with_its_reason()
    {
        await using var node = await RunningNode.StartAsync();
        var now = TimeProvider.System.GetUtcNow();
        // A program with an agent 'node' that nothing leads to, and one that is none of these programs.
        node.Node.Records.Put(NodeRecord.Sign(Network.Node(2), 1, now, EncryptionMode.Required, [], [new AgentCard(AgentId.Node, "The node", [], [])], out _), out _);
        node.Node.Records.Put(NodeRecord.Sign(Network.Node(3), 1, now, EncryptionMode.Required, [], [], out _), out _);
        var plan = JsonNode.Parse((await node.RunAsync("migrate", "--plan", "--json").WaitAsync(TestContext.Current.CancellationToken)).Out)!;
        var steps = plan["steps"]!.AsArray();
        Assert.Equal([FakeNode.Self.ToString(), Network.Node(2).Id.ToString()], steps.Select(s => s!["node"]!.GetValue<string>()));
        Assert.Contains("It did not answer (No agent is called", steps[1]!["risks"]![0]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("'dawn migrate --plan' prints the steps to take", "migrate")]
    [InlineData("sideways", "migrate", "--plan", "--to", "sideways")]
    public async Task What_is_wrong_is_said_in_one_line(string error, params string[] arguments)
    {
        await using var node = await RunningNode.StartAsync();
        var outcome = await node.RunAsync(arguments).WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((2, ""), (outcome.Code, outcome.Out));
        CommandRunner.AssertOneLine(outcome.Error);
        Assert.Contains(error, outcome.Error, StringComparison.Ordinal);
    }
}
