using System.Text.Json;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>Two processes, linked: what a newcomer does first.</summary>
public sealed class TwoNodesTests(TwoNodes nodes) : IClassFixture<TwoNodes>
{
    private DawnNode A => nodes.A;

    private DawnNode B => nodes.B;

    [Fact]
    public async Task AFarAgentIsCalledByEveryFormOfItsAddress()
    {
        foreach (var address in new[] { $"{B.Id}:first", $"{B.Id[..10]}:first" })
        {
            var outcome = await A.CliAsync("call", address, "echo", """{"message":"dawn"}""");
            Assert.True(outcome.Exit == 0, outcome.Err);
            Assert.Contains("dawn", outcome.Out, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task CallPrintsItsResultAsJson()
    {
        var outcome = await A.CliAsync("call", $"{B.Id}:first", "ping", "--json");
        Assert.True(outcome.Json.GetProperty("elapsedMs").GetDouble() >= 0);
        Assert.Equal(JsonValueKind.Object, outcome.Json.GetProperty("result").ValueKind);
    }

    [Theory]
    [InlineData(1, "call", "nobody", "x")]
    [InlineData(1, "call", "first", "no-such-tool")]
    [InlineData(2, "call", "first", "echo", "{not json")]
    [InlineData(2, "frobnicate")]
    [InlineData(1, "call", "aaaaaaaa:first", "ping")]
    public async Task AMistakeIsOneClearLine(int exit, params string[] arguments)
    {
        var outcome = await A.CliAsync(arguments);
        Assert.Equal(exit, outcome.Exit);
        Assert.InRange(outcome.Err.Trim().Split('\n').Length, 1, 2);
        Assert.True(outcome.Err.Length > 10, outcome.Err);
    }

    [Fact]
    public async Task TheGatewayOffersEveryAgentUnderPrefixedNames()
    {
        await using var client = await A.ConnectAsync();
        var tools = await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.Contains(tools, t => t.Name.StartsWith("first__", StringComparison.Ordinal) && t.Name.EndsWith("echo", StringComparison.Ordinal));
        Assert.All(tools, t => Assert.Matches("^[a-zA-Z0-9_-]{1,64}$", t.Name));
        // Both nodes host `first`: each has its own names.
        Assert.Equal(2, tools.Count(t => t.Name.EndsWith("__roll", StringComparison.Ordinal)));
        Assert.Equal(tools.Count, tools.Select(t => t.Name).Distinct().Count());
    }

    [Fact]
    public async Task TheGatewayOffersOneAgentUnprefixed()
    {
        await using var client = await A.ConnectAsync($"/{B.Id}:first");
        var result = await client.CallToolAsync("echo", new Dictionary<string, object?> { ["message"] = "over the mesh" }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Contains("over the mesh", Assert.IsType<TextContentBlock>(result.Content[0]).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheAgentLearnsWhoCalls()
    {
        var outcome = await A.CliAsync("call", $"{B.Id}:first", "ping");
        Assert.Contains(A.Id, outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheNodeIsAnAgentAndItsAdminToolsAreNotForStrangers()
    {
        await using var client = await A.ConnectAsync($"/{B.Id}:node");
        Assert.True((await client.ListResourcesAsync(cancellationToken: TestContext.Current.CancellationToken)).Count >= 3);
        var tools = (await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken)).Select(t => t.Name).ToList();
        Assert.Contains("status", tools);
        Assert.DoesNotContain("stop", tools);
        var refused = await A.CliAsync("call", $"{B.Id}:node", "stop");
        Assert.Equal(1, refused.Exit);
        Assert.True(await A.SeesAsync("first", B));
    }

    [Fact]
    public async Task AToolErrorIsTheCallersToSee()
    {
        var outcome = await A.CliAsync("call", $"{B.Id}:first", "roll", """{"dice":"nonsense"}""");
        Assert.Equal(1, outcome.Exit);
        Assert.NotEmpty(outcome.Err.Trim());
    }

    [Fact]
    public async Task PeersShowTheLink()
    {
        var peer = Assert.Single(await A.ListAsync("peers"));
        Assert.Equal(B.Id, peer.GetProperty("node").GetString());
        Assert.Equal("connected", peer.GetProperty("state").GetString());
        Assert.Equal("ws", peer.GetProperty("transport").GetString());
    }

    [Fact]
    public async Task HealthAndMetricsAreServed()
    {
        using var http = new HttpClient();
        var root = new Uri(A.Mcp).GetLeftPart(UriPartial.Authority);
        foreach (var path in new[] { "/healthz", "/readyz", "/metrics", "/" })
        {
            using var response = await http.GetAsync(root + path, TestContext.Current.CancellationToken);
            Assert.True(response.IsSuccessStatusCode, $"{path}: {response.StatusCode}");
        }
    }
}

/// <summary>A and B, linked by B's bootstrap list.</summary>
public sealed class TwoNodes : IAsyncLifetime
{
    public DawnNode A { get; private set; } = null!;

    public DawnNode B { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        A = await DawnNode.StartAsync(DawnNode.Secret);
        B = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={A.At}");
        await DawnNode.EventuallyAsync("A sees B's agent", () => A.SeesAsync("first", B));
    }

    public async ValueTask DisposeAsync()
    {
        await B.DisposeAsync();
        await A.DisposeAsync();
    }
}
