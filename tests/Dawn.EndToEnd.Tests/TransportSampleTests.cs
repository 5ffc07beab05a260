using System.Text.Json;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>A stranger's transport, built against packages alone, between real nodes.</summary>
public sealed class TransportSampleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;

    private static string Sample => Path.Combine(Dawn.RepoRoot, "samples/transport/bin/Release/net10.0");

    private string Socket => Path.Combine(_folder, "a.sock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task TwoNodesAreLinkedByIt()
    {
        var plugins = PluginDirectory("both");
        Dawn.Copy(Sample, Path.Combine(plugins, "transport-unix"));
        // No other way leads from one to the other.
        await using var a = await DawnNode.StartAsync(DawnNode.Secret, $"PluginDirectory={plugins}", $"Listen:0=unix://{Socket}");
        Assert.Equal($"unix://{Socket}", a.Listen);
        await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"PluginDirectory={plugins}", "Listen:0=", $"Bootstrap:0={a.At}");
        await DawnNode.EventuallyAsync("both see the other's agents", async () => await b.SeesAsync("first", a) && await a.SeesAsync("first", b));
        await CallAsync(b, a);
        await CallAsync(a, b);
        Assert.Equal("unix", Assert.Single(await b.ListAsync("peers")).GetProperty("transport").GetString());
        // The file is of this machine alone: no record tells others of it.
        var record = await b.CliAsync("registry", "show", a.Id, "--json");
        Assert.Empty(Assert.Single(record.Json.EnumerateArray().ToArray()).GetProperty("addresses").EnumerateArray());
        Assert.Equal(0, await a.StopAsync());
        Assert.False(File.Exists(Socket));
    }

    [Fact]
    public async Task ARunningNodeDialsItOnceItsFolderIsThereAndNoMoreOnceItIsGone()
    {
        var (ofA, ofB) = (PluginDirectory("a"), PluginDirectory("b"));
        Dawn.Copy(Sample, Path.Combine(ofA, "transport-unix"));
        await using var a = await DawnNode.StartAsync(DawnNode.Secret, $"PluginDirectory={ofA}", $"Listen:0=unix://{Socket}");
        await using var b = await DawnNode.StartAsync(DawnNode.Secret, $"PluginDirectory={ofB}", "Listen:0=");
        var refused = await ConnectAsync(b, a);
        Assert.Equal(1, refused.Exit);
        Assert.Contains("unix", refused.Err, StringComparison.Ordinal);

        Dawn.Copy(Sample, Path.Combine(ofB, "transport-unix"));
        await DawnNode.EventuallyAsync("it is active", async () => (await b.ListAsync("plugins")).Any(p => p.GetProperty("name").GetString() == "transport-unix" && p.GetProperty("status").GetString() == "active"));
        var connected = await ConnectAsync(b, a);
        Assert.True(connected.Exit == 0, connected.Err);
        await DawnNode.EventuallyAsync("A's agent is seen", () => b.SeesAsync("first", a));
        await CallAsync(b, a);

        Directory.Delete(Path.Combine(ofB, "transport-unix"), recursive: true);
        await DawnNode.EventuallyAsync("the link has ended", async () => (await b.ListAsync("peers")).All(p => p.GetProperty("state").GetString() != "connected"));
        Assert.Equal(1, (await ConnectAsync(b, a)).Exit);
    }

    private static Task<Outcome> ConnectAsync(DawnNode from, DawnNode to) =>
        from.CliAsync("call", "node", "connect", JsonSerializer.Serialize(new { address = to.At }));

    private static async Task CallAsync(DawnNode from, DawnNode to)
    {
        var outcome = await from.CliAsync("call", $"{to.Id}:first", "echo", """{"message":"through a file"}""");
        Assert.True(outcome.Exit == 0, outcome.Err);
        Assert.Contains("through a file", outcome.Out, StringComparison.Ordinal);
    }

    private string PluginDirectory(string name)
    {
        var directory = Path.Combine(_folder, name);
        foreach (var plugin in new[] { "agents/first", "routing-modes" })
        {
            Dawn.Copy(Path.Combine(Dawn.Plugins, plugin), Path.Combine(directory, plugin));
        }

        return directory;
    }
}
