using System.Diagnostics;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>Nodes and agents that come, go and come back.</summary>
public sealed class LifeTests
{
    [Fact]
    public async Task AKilledNodesAgentsGoAndComeBackUnderTheSameId()
    {
        var data = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        await using var a = await DawnNode.StartAsync(DawnNode.Secret);
        try
        {
            string id;
            await using (var b = await DawnNode.StartOnAsync(data, DawnNode.Secret, $"Bootstrap:0={a.At}"))
            {
                id = b.Id;
                await DawnNode.EventuallyAsync("seen", () => a.SeesAsync("first", b));
                await b.KillAsync();
                await DawnNode.EventuallyAsync("gone", async () => !await a.SeesAsync("first", b));
            }

            await using var again = await DawnNode.StartOnAsync(data, DawnNode.Secret, $"Bootstrap:0={a.At}");
            Assert.Equal(id, again.Id);
            await DawnNode.EventuallyAsync("back", () => a.SeesAsync("first", again));
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    [Fact]
    public async Task AnAgentsFolderIsDroppedInReplacedAndTakenOut()
    {
        var plugins = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        try
        {
            Dawn.Copy(Dawn.Plugins, plugins);
            await using var a = await DawnNode.StartAsync(DawnNode.Secret, $"PluginDirectory={plugins}");
            await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"Bootstrap:0={a.At}");
            await DawnNode.EventuallyAsync("linked", () => b.SeesAsync("first", a));
            var dropped = Path.Combine(plugins, "agents", "dropped");
            for (var round = 0; round < 2; round++)
            {
                Dawn.Copy(SampleAgent(), dropped);
                await DawnNode.EventuallyAsync("appears", () => b.SeesAsync("dropped", a));
                await using (var client = await b.ConnectAsync($"/{a.Id}:dropped"))
                {
                    Assert.NotEmpty(await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken));
                }

                Directory.Delete(dropped, recursive: true);
                await DawnNode.EventuallyAsync("goes", async () => !await b.SeesAsync("dropped", a));
            }
        }
        finally
        {
            Directory.Delete(plugins, recursive: true);
        }
    }

    [Fact]
    public async Task ABrokenServerIsReportedByNameAndHarmsNobody()
    {
        await using var node = await DawnNode.StartAsync("McpServers:broken:Command=no-such-program", "McpServers:silent:Command=sleep", "McpServers:silent:Args:0=600");
        await DawnNode.EventuallyAsync("its problem shows", async () => (await node.CliAsync("status", "--json")).Out.Contains("no-such-program", StringComparison.Ordinal));
        Assert.True(await node.SeesAsync("first", node));
        string[] children = [.. Directory.GetDirectories($"/proc/{node.ProcessId}/task").SelectMany(t => File.ReadAllText(t + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        Assert.NotEmpty(children);
        Assert.Equal(0, await node.StopAsync());
        foreach (var pid in children)
        {
            Assert.False(Directory.Exists($"/proc/{pid}") && !File.ReadAllText($"/proc/{pid}/status").Contains("State:\tZ", StringComparison.Ordinal), $"child {pid} outlived its node");
        }
    }

    [Fact]
    public async Task AfterAStopTheDirectoryIsFree()
    {
        var data = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        try
        {
            await using var first = await DawnNode.StartOnAsync(data);
            var stop = await first.CliAsync("stop");
            Assert.True(stop.Exit == 0, stop.Err);
            await using var second = await DawnNode.StartOnAsync(data);
            Assert.Equal(first.Id, second.Id);
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    [Fact]
    public async Task AStopIsCleanAndQuick()
    {
        await using var node = await DawnNode.StartAsync();
        var began = Stopwatch.StartNew();
        Assert.Equal(0, await node.StopAsync());
        Assert.True(began.Elapsed < TimeSpan.FromSeconds(10), $"{began.Elapsed}");
    }

    private static string SampleAgent() => Path.Combine(Dawn.RepoRoot, "samples/agent/bin/Release/net10.0");
}
