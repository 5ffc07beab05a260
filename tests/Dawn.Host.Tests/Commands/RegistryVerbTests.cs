using System.Text.Json.Nodes;
using Dawn.Identity;
using Xunit;

namespace Dawn.Tests.Commands;

public sealed class RegistryVerbTests
{
    private static readonly TestNetwork Network = new();

    [Fact]
    public async Task The_log_and_the_records_are_listed_page_by_page()
    {
        await using var node = await RunningNode.StartAsync();
        var now = TimeProvider.System.GetUtcNow();
        for (var i = 2; i < 602; i++)
        {
            node.Node.Records.Put(Sign(i, 1, now), out _);
        }

        node.Node.Records.Put(Sign(5, 2, now), out _);
        var records = await ListAsync(node, "registry", "show", "--json");
        Assert.Equal(600, records.Count);
        Assert.Equal(
            ["node", "state", "sequence", "issued", "notAfter", "role", "encryption", "addresses", "agents", "isRelay", "relays", "bytes", "sha256"], records[0]!.AsObject().Select(f => f.Key));
        var id = Network.Node(5).Id.ToString();
        Assert.Equal(2, Assert.Single(await ListAsync(node, "registry", "show", id[..12], "--json"))!["sequence"]!.GetValue<int>());

        var log = await ListAsync(node, "registry", "log", "--json", "--limit", "1000", "--since", "1h");
        Assert.Equal(601, log.Count);
        Assert.Equal(("changed", id), (log[^1]!["kind"]!.GetValue<string>(), log[^1]!["node"]!.GetValue<string>()));
        Assert.Equal(["added", "changed"], (await ListAsync(node, "registry", "log", "--json", "--node", id)).Select(e => e!["kind"]!.GetValue<string>()));
        Assert.Single(await ListAsync(node, "registry", "log", "--json", "--limit", "1"));

        Assert.Equal(600, (await ListAsync(node, "registry", "at", now.AddHours(1).ToString("O"), "--json")).Count);
        var early = await node.RunAsync("registry", "at", "2020-01-01T00:00").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, early.Code);
        Assert.Contains("log begins at", early.Error, StringComparison.Ordinal);
        Assert.StartsWith("TIME", (await node.RunAsync("registry", "log")).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conflicts_are_listed_with_their_proof_and_the_cure()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        await using var node = await RunningNode.StartAsync();
        Assert.Equal(new Outcome(0, "[]\n", ""), await node.RunAsync("registry", "conflicts", "--json").WaitAsync(TestContext.Current.CancellationToken));
        var now = TimeProvider.System.GetUtcNow();
        var (one, other) = (Sign(2, 5, now), Sign(2, 5, now.AddSeconds(-1)));
        node.Node.Records.Put(one, out _);
        node.Node.Records.Put(other, out _);
        var conflict = Assert.Single(await ListAsync(node, "registry", "conflicts", "--json"))!;
        Assert.Equal(Network.Node(2).Id.ToString(), conflict["node"]!.GetValue<string>());
        var proof = new[] { "counts", "other" }.Select(f => conflict[f]!["encoded"]!.GetValue<string>()).Order(StringComparer.Ordinal);
        Assert.Equal(new[] { one, other }.Select(r => Convert.ToBase64String(r.Encoded.Span)).Order(StringComparer.Ordinal), proof);
        Assert.Contains("dawn join", (await node.RunAsync("registry", "conflicts")).Out, StringComparison.Ordinal);
        Assert.Equal("conflict", Assert.Single(await ListAsync(node, "registry", "show", "--json"))!["state"]!.GetValue<string>());
    }

    [Theory]
    [InlineData(2, "--since yesterday is no time", "registry", "log", "--since", "yesterday")]
    [InlineData(2, "is no time", "registry", "at", "5x")]
    [InlineData(1, "No known node's id begins with 'zzzzzz'", "registry", "show", "zzzzzz")]
    public async Task What_is_wrong_is_said_in_one_line(int code, string error, params string[] arguments)
    {
        await using var node = await RunningNode.StartAsync();
        var outcome = await node.RunAsync(arguments).WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((code, ""), (outcome.Code, outcome.Out));
        CommandRunner.AssertOneLine(outcome.Error);
        Assert.Contains(error, outcome.Error, StringComparison.Ordinal);
    }

    private static NodeRecord Sign(int node, ulong sequence, DateTimeOffset at) =>
        NodeRecord.Sign(Network.Node(node), sequence, at, EncryptionMode.Required, [], [], out _);

    private static async Task<JsonArray> ListAsync(RunningNode node, params string[] arguments)
    {
        var outcome = await node.RunAsync(arguments).WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((0, ""), (outcome.Code, outcome.Error));
        CommandRunner.AssertOneLine(outcome.Out);
        return Assert.IsType<JsonArray>(JsonNode.Parse(outcome.Out));
    }
}
