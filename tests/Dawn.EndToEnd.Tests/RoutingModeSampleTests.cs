using Xunit;

namespace Dawn.EndToEnd;

/// <summary>A stranger's routing mode, built against packages alone, in force on real nodes.</summary>
public sealed class RoutingModeSampleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;

    private static string Sample => Path.Combine(Dawn.RepoRoot, "samples/routing-mode/bin/Release/net10.0");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task CallsGoOverTheRelayAlthoughTheOtherCouldBeDialled()
    {
        await using var relay = await DawnNode.StartAsync(DawnNode.Secret, $"PluginDirectory={PluginDirectory("relay")}");
        var plugins = PluginDirectory("pinned");
        Dawn.Copy(Sample, Path.Combine(plugins, "routing-pinned"));
        string[] settings = [DawnNode.Secret, $"PluginDirectory={plugins}", "Mode=pinned", $"Plugins:routing-pinned:Relay={relay.Id}", $"Bootstrap:0={relay.At}"];
        await using var a = await DawnNode.StartAsync(settings);
        await using var b = await DawnNode.StartAsync(settings);
        Assert.Contains("pinned", (await a.CliAsync("mode")).Out, StringComparison.Ordinal);
        await DawnNode.EventuallyAsync("both see the other's agents", async () => await a.SeesAsync("first", b) && await b.SeesAsync("first", a));
        await CallAsync(a, b);
        await CallAsync(b, a);
        Assert.Equal([relay.Id], await ConnectedAsync(a));
        Assert.Equal([relay.Id], await ConnectedAsync(b));
    }

    [Fact]
    public async Task WithoutItsRelayItIsNamedWithTheCause()
    {
        var plugins = PluginDirectory("unset");
        Dawn.Copy(Sample, Path.Combine(plugins, "routing-pinned"));
        await using var node = await DawnNode.StartAsync($"PluginDirectory={plugins}");
        Assert.Matches("routing-pinned .*failed .*Relay must be a NodeId", (await node.CliAsync("plugins")).Out);
    }

    private static async Task<IEnumerable<string?>> ConnectedAsync(DawnNode node) =>
        (await node.ListAsync("peers")).Where(p => p.GetProperty("state").GetString() == "connected").Select(p => p.GetProperty("node").GetString());

    private static async Task CallAsync(DawnNode from, DawnNode to)
    {
        var outcome = await from.CliAsync("call", $"{to.Id}:first", "echo", """{"message":"over the relay"}""");
        Assert.True(outcome.Exit == 0, outcome.Err);
        Assert.Contains("over the relay", outcome.Out, StringComparison.Ordinal);
    }

    private string PluginDirectory(string name)
    {
        var directory = Path.Combine(_folder, name);
        foreach (var plugin in new[] { "agents/first", "transport-websocket", "routing-modes" })
        {
            Dawn.Copy(Path.Combine(Dawn.Plugins, plugin), Path.Combine(directory, plugin));
        }

        return directory;
    }
}
