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

    /// <summary>On a machine where programs watch all that may be watched, as in a user's namespace without any watch.</summary>
    [Fact]
    public async Task WhatCannotBeWatchedIsLookedAt()
    {
        string[] unwatched = ["unshare", "--user", "--map-root-user", "sh", "-c", "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$0\" \"$@\""];
        Assert.SkipUnless(await CanRunAsync([.. unwatched, "true"]), "needs user namespaces (unshare) and their limits, as Linux has them");
        var root = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        try
        {
            var (plugins, data) = (Path.Combine(root, "plugins"), Path.Combine(root, "data"));
            Directory.CreateDirectory(data);
            Dawn.Copy(Dawn.Plugins, plugins);
            await using var node = await DawnNode.StartByAsync(unwatched, data, $"PluginDirectory={plugins}");
            await DawnNode.EventuallyAsync("it says so", () => Task.FromResult(node.Log.Contains("is not watched but looked at", StringComparison.Ordinal)));
            Dawn.Copy(SampleAgent(), Path.Combine(plugins, "agents", "dropped"));
            await File.WriteAllTextAsync(
                Path.Combine(data, "appsettings.json"), $$$"""{ "Dawn": { "McpServers": { "added": { "Command": "{{{Dawn.StdioServer}}}" } } } }""", TestContext.Current.CancellationToken);
            await DawnNode.EventuallyAsync("a folder and a setting are seen", async () => await node.SeesAsync("dropped", node) && await node.SeesAsync("added", node));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static async Task<bool> CanRunAsync(string[] command)
    {
        try
        {
            using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
            await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Dawn.Patience, TestContext.Current.CancellationToken);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
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
