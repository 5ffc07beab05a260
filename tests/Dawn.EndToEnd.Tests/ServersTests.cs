using System.Net.Http.Json;
using System.Text.Json.Nodes;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>Existing MCP servers as agents: by configuration, which is edited while the node runs.</summary>
public sealed class ServersTests
{
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ServersComeChangeAndGoWithTheSettingsFile()
    {
        // A data directory that is new: its settings file comes later.
        var data = Path.Combine(Directory.CreateTempSubdirectory("dawn-e2e-").FullName, "new");
        try
        {
            await using var node = await DawnNode.StartOnAsync(data);
            var file = Path.Combine(data, "appsettings.json");
            await WriteAsync(file, Settings("one"));
            await DawnNode.EventuallyAsync("added", () => node.SeesAsync("one", node));
            await WriteAsync(file, Settings("two"));
            await DawnNode.EventuallyAsync("replaced", async () => await node.SeesAsync("two", node) && !await node.SeesAsync("one", node));

            // Half a file is not an empty one.
            await WriteAsync(file, """{ "Dawn": { "McpServers": { "tw""");
            await DawnNode.EventuallyAsync("the mistake shows", async () => (await node.CliAsync("status")).Out.Contains("can't be read", StringComparison.Ordinal));
            Assert.Equal(0, (await node.CliAsync("call", "node", "reload")).Exit);
            Assert.True(await node.SeesAsync("two", node));

            await WriteAsync(file, """{ "Dawn": { "McpServers": { "three": { "Command": "no-such-program" } } } }""");
            await DawnNode.EventuallyAsync("a broken one shows", async () => (await node.CliAsync("status")).Out.Contains("no-such-program", StringComparison.Ordinal));
            await DawnNode.EventuallyAsync("removed", async () => (await node.ListAsync("agents")).All(a => a.GetProperty("agent").GetString() != "two"));
            Assert.DoesNotContain("can't be read", (await node.CliAsync("status")).Out, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(data)!, recursive: true);
        }
    }

    [Fact]
    public async Task AServerThatPrintsGarbageWorksAndIsReportedOnce()
    {
        await using var node = await DawnNode.StartAsync($"McpServers:noisy:Command={Dawn.StdioServer}", "McpServers:noisy:Args:0=--garbage");
        await DawnNode.EventuallyAsync("it runs", () => node.SeesAsync("noisy", node));
        Assert.Equal(0, (await node.CliAsync("call", "noisy", "garbage")).Exit);
        var echo = await node.CliAsync("call", "noisy", "echo", """{"text":"clear"}""");
        Assert.Equal("clear", echo.Out.Trim());
        await node.StopAsync();
        Assert.Single(node.Log.Split('\n'), line => line.Contains("not JSON-RPC", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AServerBehindAUrlIsAnAgentOfTheNetwork()
    {
        await using var server = await DawnNode.StartAsync();
        await using var host = await DawnNode.StartAsync(DawnNode.Secret, $"McpServers:far:Url={server.Mcp}/first", "McpServers:far:Share=members", "McpServers:gone:Url=http://127.0.0.1:1/mcp");
        await using var user = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={host.At}");
        await DawnNode.EventuallyAsync("seen", () => user.SeesAsync("far", host));
        var echo = await user.CliAsync("call", $"{host.Id}:far", "echo", """{"message":"by HTTP"}""");
        Assert.True(echo.Exit == 0, echo.Err);
        Assert.Contains("by HTTP", echo.Out, StringComparison.Ordinal);
        await DawnNode.EventuallyAsync("the other is reported", async () => (await host.CliAsync("status")).Out.Contains("Dawn:McpServers:gone:Url", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AClientThatLeavesInMidCallCancelsItAtTheFarAgent()
    {
        await using var a = await DawnNode.StartAsync(DawnNode.Secret, $"McpServers:server:Command={Dawn.StdioServer}", "McpServers:server:Share=members");
        await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={a.At}");
        await DawnNode.EventuallyAsync("seen", () => b.SeesAsync("server", a));
        using (var http = new HttpClient())
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"{b.Mcp}/{a.Id}:server") { Content = JsonContent.Create(PerRequest("tools/call", "wait", new() { ["gate"] = "never" })) };
            using var response = await PerRequestHttp.SendAsync(http, request, "tools/call", "wait", Stop);
            using var stream = new StreamReader(await response.Content.ReadAsStreamAsync(Stop));
            string? line;
            do
            {
                // Its progress: the agent is at the gate.
                line = await stream.ReadLineAsync(Stop).AsTask().WaitAsync(Dawn.Patience, Stop);
            }
            while (line is not null && !line.Contains("waiting at never", StringComparison.Ordinal));
            Assert.NotNull(line);
        }

        await using var other = await b.ConnectAsync($"/{a.Id}:server");
        var cancelled = await other.CallToolAsync("cancelled", new Dictionary<string, object?> { ["gate"] = "never" }, cancellationToken: Stop).AsTask().WaitAsync(Dawn.Patience, Stop);
        Assert.Equal("never", Assert.IsType<TextContentBlock>(cancelled.Content[0]).Text);
    }

    private static JsonObject PerRequest(string method, string name, JsonObject arguments)
    {
        var request = PerRequestHttp.Request(method, new() { ["name"] = name, ["arguments"] = arguments });
        request["params"]!["_meta"]!["progressToken"] = "p";
        return request;
    }

    private static string Settings(string id) => new JsonObject
    {
        ["Dawn"] = new JsonObject { ["McpServers"] = new JsonObject { [id] = new JsonObject { ["Command"] = Dawn.StdioServer } } },
    }.ToJsonString();

    // As editors do it: whole or not at all.
    private static async Task WriteAsync(string file, string text)
    {
        await File.WriteAllTextAsync(file + ".new", text, Stop);
        File.Move(file + ".new", file, overwrite: true);
    }
}
