using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>Who may administrate a node, and who may not, whatever way they come.</summary>
public sealed class AdminTests(AdminNodes nodes) : IClassFixture<AdminNodes>
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private static readonly string[] AdminTools = ["set_mode", "invite", "ui", "connect", "disconnect", "reload", "stop", "logs", "log_levels", "set_log_level", "diagnosis"];

    [Fact]
    public async Task TheListIsComplete()
    {
        await using var owner = await OwnerAsync(nodes.A);
        await using var gateway = await nodes.A.ConnectAsync("/node");
        var reading = (await gateway.ListToolsAsync(cancellationToken: Stop)).Select(t => t.Name).ToHashSet();
        Assert.Equal(AdminTools.Order(), (await owner.ListToolsAsync(cancellationToken: Stop)).Select(t => t.Name).Where(name => !reading.Contains(name)).Order());
    }

    [Fact]
    public async Task AClientWithoutATokenIsRefused()
    {
        await using var client = await nodes.A.ConnectAsync("/node");
        await AllAreRefusedAsync(tool => client.CallToolAsync(tool, cancellationToken: Stop).AsTask());
        await using var byAddress = await nodes.A.ConnectAsync($"/{nodes.A.Id}:node");
        await AllAreRefusedAsync(tool => byAddress.CallToolAsync(tool, cancellationToken: Stop).AsTask());
    }

    [Fact]
    public async Task TheAggregateHasNone()
    {
        await using var client = await nodes.A.ConnectAsync();
        Assert.DoesNotContain(await client.ListToolsAsync(cancellationToken: Stop), t => t.Name.StartsWith("node", StringComparison.Ordinal));
        foreach (var tool in AdminTools)
        {
            await Assert.ThrowsAnyAsync<Exception>(() => client.CallToolAsync("node__" + tool, cancellationToken: Stop).AsTask());
        }
    }

    [Fact]
    public async Task AMemberFromAfarIsRefusedAlsoAsItsOwnNodesOwner()
    {
        await using var client = await nodes.B.ConnectAsync($"/{nodes.A.Id}:node");
        await AllAreRefusedAsync(tool => client.CallToolAsync(tool, cancellationToken: Stop).AsTask());
        await using var owner = await OwnerAsync(nodes.B, $"/{nodes.A.Id}:node");
        await AllAreRefusedAsync(tool => owner.CallToolAsync(tool, cancellationToken: Stop).AsTask(), "Dawn:Security:Owners");
    }

    [Fact]
    public async Task AHostedAgentIsRefused()
    {
        await using var client = await nodes.A.ConnectAsync("/fixture");
        foreach (var tool in AdminTools)
        {
            var result = await client.CallToolAsync("pass_on", new Dictionary<string, object?> { ["address"] = "node", ["tool"] = tool }, cancellationToken: Stop);
            Assert.StartsWith("error: Admin tools are for the node's owner", Text(result));
        }
    }

    [Fact]
    public async Task AnAgentCallsAnotherOnAnotherNode()
    {
        await using var client = await nodes.A.ConnectAsync("/fixture");
        var result = await client.CallToolAsync("pass_on", new Dictionary<string, object?> { ["address"] = $"{nodes.B.Id}:first", ["tool"] = "ping" }, cancellationToken: Stop);
        Assert.StartsWith("done: pong", Text(result));
        Assert.Contains($"{nodes.A.Id}:fixture", Text(result), StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheOwnersTokenOpensThemAndAWrongOneNothing()
    {
        await using (var owner = await OwnerAsync(nodes.A))
        {
            Assert.NotEqual(true, (await owner.CallToolAsync("reload", cancellationToken: Stop)).IsError);
        }

        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, nodes.A.Mcp + "/node") { Content = JsonContent.Create(PerRequestHttp.Request("tools/list")) };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", "guessed");
        using var response = await PerRequestHttp.SendAsync(http, request, "tools/list", null, Stop);
        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Contains("owner.token", await response.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ASessionThatIsNoneDoesNotLeadToAnotherAgent()
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, nodes.A.Mcp + "/node") { Content = JsonContent.Create(PerRequestHttp.Request("tools/list")) };
        request.Headers.Add("Mcp-Session-Id", "made-up");
        using var response = await PerRequestHttp.SendAsync(http, request, "tools/list", null, Stop);
        var body = await response.Content.ReadAsStringAsync(Stop);
        Assert.Contains("\"plugins\"", body, StringComparison.Ordinal);
        Assert.DoesNotContain("first__", body, StringComparison.Ordinal);
    }

    private static async Task AllAreRefusedAsync(Func<string, Task<CallToolResult>> call, string because = "")
    {
        foreach (var tool in AdminTools)
        {
            var result = await call(tool);
            Assert.True(result.IsError);
            Assert.StartsWith("Admin tools are for the node's owner", Text(result));
            Assert.Contains(because, Text(result), StringComparison.Ordinal);
        }
    }

    private static string Text(CallToolResult result) => Assert.IsType<TextContentBlock>(result.Content[0]).Text;

    private static async Task<McpClient> OwnerAsync(DawnNode node, string path = "/node") => await McpClient.CreateAsync(
        new HttpClientTransport(new()
        {
            Endpoint = new Uri(node.Mcp + path),
            TransportMode = HttpTransportMode.StreamableHttp,
            AdditionalHeaders = new Dictionary<string, string> { ["Authorization"] = "Bearer " + (await File.ReadAllTextAsync(Path.Combine(node.Data, "owner.token"), Stop)).Trim() },
        }), cancellationToken: Stop);
}

/// <summary>A hosts an agent that calls others; B is another member.</summary>
public sealed class AdminNodes : IAsyncLifetime
{
    private string _plugins = "";

    public DawnNode A { get; private set; } = null!;

    public DawnNode B { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        _plugins = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        Dawn.Copy(Dawn.Plugins, _plugins);
        Dawn.Copy(Dawn.FixtureAgent, Path.Combine(_plugins, "agents", "fixture"));
        A = await DawnNode.StartAsync(DawnNode.Secret, $"PluginDirectory={_plugins}");
        B = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={A.At}");
        await DawnNode.EventuallyAsync("A sees B", () => A.SeesAsync("first", B));
        await DawnNode.EventuallyAsync("B sees A", () => B.SeesAsync("fixture", A));
    }

    public async ValueTask DisposeAsync()
    {
        await B.DisposeAsync();
        await A.DisposeAsync();
        Directory.Delete(_plugins, recursive: true);
    }
}
