using System.Text.Json;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>Ordinary MCP clients, over stdio by <c>dawn mcp</c> and over HTTP.</summary>
public sealed class ClientsTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task DawnMcpIsAnMcpServerForAllAgentsAndForOne()
    {
        await using var node = await DawnNode.StartAsync();
        await using (var all = await StdioAsync(node))
        {
            Assert.Contains(await all.ListToolsAsync(cancellationToken: Stop), t => t.Name == "first__echo");
            var echo = await all.CallToolAsync("first__echo", new Dictionary<string, object?> { ["message"] = "all" }, cancellationToken: Stop);
            Assert.Contains("all", Assert.IsType<TextContentBlock>(echo.Content[0]).Text, StringComparison.Ordinal);
        }

        await using (var one = await StdioAsync(node, "first"))
        {
            Assert.Contains(await one.ListToolsAsync(cancellationToken: Stop), t => t.Name == "echo");
            var echo = await one.CallToolAsync("echo", new Dictionary<string, object?> { ["message"] = "one" }, cancellationToken: Stop);
            Assert.Contains("one", Assert.IsType<TextContentBlock>(echo.Content[0]).Text, StringComparison.Ordinal);
        }

        // As the gateway, unless its user wants more.
        await using var tools = await StdioAsync(node, "node");
        Assert.DoesNotContain(await tools.ListToolsAsync(cancellationToken: Stop), t => t.Name == "stop");
        await using var owner = await StdioAsync(node, "node", "--owner");
        Assert.Contains(await owner.ListToolsAsync(cancellationToken: Stop), t => t.Name == "stop");
    }

    [Fact]
    public async Task ALineThatIsNotJsonIsAnsweredAndEndsNothing()
    {
        await using var node = await DawnNode.StartAsync();
        var outcome = await Dawn.RunAsync(["mcp", "--data", node.Data], "not json\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n");
        Assert.True(outcome.Exit == 0, outcome.Err);
        var answers = outcome.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(-32700, answers[0].GetProperty("error").GetProperty("code").GetInt32());
        Assert.Equal(1, answers[1].GetProperty("id").GetInt32());
    }

    [Fact]
    public async Task AnHttpClientHearsOfAnAgentThatIsDroppedIn()
    {
        var plugins = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        try
        {
            Dawn.Copy(Dawn.Plugins, plugins);
            await using var a = await DawnNode.StartAsync(DawnNode.Secret, $"PluginDirectory={plugins}");
            await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={a.At}");
            await DawnNode.EventuallyAsync("linked", () => b.SeesAsync("first", a));
            await using var client = await b.ConnectAsync(options: new() { ProtocolVersion = "2025-11-25" });
            await client.ListToolsAsync(cancellationToken: Stop);
            var offered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var heard = client.RegisterNotificationHandler(NotificationMethods.ToolListChangedNotification, async (_, cancellationToken) =>
            {
                if ((await client.ListToolsAsync(cancellationToken: cancellationToken)).Any(t => t.Name == "dropped__greet"))
                {
                    offered.TrySetResult();
                }
            });
            Dawn.Copy(Dawn.FixtureAgent, Path.Combine(plugins, "agents", "dropped"));
            await offered.Task.WaitAsync(Dawn.Patience, Stop);
        }
        finally
        {
            Directory.Delete(plugins, recursive: true);
        }
    }

    [Fact]
    public async Task WhoeverFollowsANodeThatStopsIsToldSo()
    {
        await using var node = await DawnNode.StartAsync();
        var watching = node.CliAsync("agents", "--watch");
        var following = node.CliAsync("logs", "--follow");
        await DawnNode.EventuallyAsync("both are there", async () => (await node.CliAsync("call", "node", "id")).Exit == 0);
        Assert.Equal(0, await node.StopAsync());
        foreach (var outcome in new[] { await watching, await following })
        {
            Assert.Equal(1, outcome.Exit);
            Assert.Matches("stopping|no node is running", outcome.Err);
        }
    }

    private static Task<McpClient> StdioAsync(DawnNode node, params string[] arguments) =>
        McpClient.CreateAsync(new StdioClientTransport(new() { Command = Dawn.Program, Arguments = ["mcp", .. arguments, "--data", node.Data] }), cancellationToken: Stop);
}
