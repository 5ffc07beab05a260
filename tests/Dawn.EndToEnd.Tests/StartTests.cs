using Xunit;

namespace Dawn.EndToEnd;

/// <summary>Starts that fail say why, all at once, and harm nothing.</summary>
public sealed class StartTests : IDisposable
{
    private readonly string _data = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;

    public void Dispose() => Directory.Delete(_data, recursive: true);

    private Task<Outcome> RunAsync(params string[] settings) => Dawn.RunAsync(["run", "--data", _data, .. DawnNode.Quiet.Concat(settings).Select(s => "--Dawn:" + s)]);

    [Fact]
    public async Task UnknownKeysAndBadValuesAreAllNamed()
    {
        var outcome = await RunAsync("Moed=hybrid", "Mode=Side ways", "McpServers:x:Comand=y", "Gateway:Url=http://0.0.0.0:0");
        Assert.Equal(2, outcome.Exit);
        foreach (var word in new[] { "Moed", "Side ways", "Comand", "0.0.0.0" })
        {
            Assert.Contains(word, outcome.Err, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task ASettingOfAnAbsentPluginIsAWarning()
    {
        await using var node = await DawnNode.StartAsync("Plugins:no-such-plugin:Enabled=true");
        await node.StopAsync();
        Assert.Contains("no-such-plugin", node.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ASecondStartOnADataDirectoryIsRefused()
    {
        await using var node = await DawnNode.StartOnAsync(_data);
        var outcome = await RunAsync();
        Assert.Equal(2, outcome.Exit);
        Assert.Contains(_data, outcome.Err, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Gateway:Url=http://127.0.0.1:{0}", "Dawn:Gateway:Url")]
    [InlineData("Listen:0=ws://127.0.0.1:{0}", "Dawn:Listen")]
    [InlineData("Listen:0=tcp://127.0.0.1:{0}", "Dawn:Listen")]
    public async Task APortInUseIsNamedWithItsSetting(string setting, string key)
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var port = ((System.Net.IPEndPoint)taken.LocalEndpoint).Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        var outcome = await RunAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, setting, port));
        Assert.Equal(2, outcome.Exit);
        Assert.Contains(port, outcome.Err, StringComparison.Ordinal);
        Assert.Contains(key, outcome.Err, StringComparison.Ordinal);
        Assert.Contains("--data", outcome.Err, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ASchemeWithoutATransportIsNamed()
    {
        var outcome = await RunAsync("Listen:0=quic://127.0.0.1:1");
        Assert.Equal(2, outcome.Exit);
        Assert.Contains("quic", outcome.Err, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ADamagedKeyIsNamed()
    {
        File.WriteAllText(Path.Combine(_data, "identity.key"), "nonsense");
        File.SetUnixFileMode(Path.Combine(_data, "identity.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var outcome = await RunAsync();
        Assert.Equal(2, outcome.Exit);
        Assert.Contains("identity.key", outcome.Err, StringComparison.Ordinal);
    }

    [Fact]
    public async Task IdWorksWithoutANode()
    {
        string id;
        await using (var node = await DawnNode.StartOnAsync(_data))
        {
            id = node.Id;
        }

        var outcome = await Dawn.RunAsync(["id", "--data", _data]);
        Assert.Equal(id, outcome.Out.Trim());
    }

    [Fact]
    public async Task WithoutANodeAVerbSaysHowToStartOne()
    {
        var outcome = await Dawn.RunAsync(["agents", "--data", _data]);
        Assert.Equal(1, outcome.Exit);
        Assert.Contains("dawn run", outcome.Err, StringComparison.Ordinal);
    }

    [Fact]
    public async Task APrivateKeyIsNeverLogged()
    {
        await using var node = await DawnNode.StartOnAsync(_data, "McpServers:broken:Command=no-such-program");
        string[] secrets = [.. new[] { "identity.key", "network.json", "owner.token" }.Select(f => Path.Combine(_data, f)).Where(File.Exists).Select(File.ReadAllText)];
        await node.StopAsync();
        foreach (var word in secrets.SelectMany(s => s.Split(' ', '"', '\n')).Where(w => w.Length >= 32 && w != node.Id))
        {
            // The network's public key is no secret, but nobody needs it in a log either.
            Assert.DoesNotContain(word, node.Log, StringComparison.Ordinal);
        }
    }
}
