using Dawn.Agents.Node;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Node;

public sealed class LogRingTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly LogRing _ring;
    private readonly ILogger _log;

    public LogRingTests()
    {
        _ring = new(_time);
        _log = _ring.CreateLogger("Dawn.Test");
    }

    [Fact]
    public void KeepsTheNewestWithinItsBound()
    {
        for (var i = 1; i <= LogRing.Capacity + 5; i++)
        {
            _log.LogInformation("entry {Number}", i);
        }

        var page = _ring.Read(LogLevel.Trace, 0, int.MaxValue);
        Assert.Equal(LogRing.Capacity, page.Entries.Count);
        Assert.Equal("entry 6", page.Entries[0].Message);
        Assert.Equal(LogRing.Capacity + 5, page.Next);
        Assert.Equal($"entry {LogRing.Capacity + 5}", Assert.Single(_ring.Read(LogLevel.Trace, page.Next - 1, 10).Entries).Message);
    }

    [Fact]
    public void FiltersByLevelAndPutsEachEntryOnOneLine()
    {
        _log.LogDebug("quiet");
        _log.LogWarning(new IOException("no\nroom"), "odd\r\nthing");

        var entry = Assert.Single(_ring.Read(LogLevel.Information, 0, 10).Entries);
        Assert.Equal("odd thing: IOException: no room", entry.Message);
        Assert.Equal(("warning", "Dawn.Test", 2), (entry.Level, entry.Source, entry.Number));
    }

    [Theory]
    [InlineData("ticket dawn1abcdefghijklmnopqrstuvwxyz234567 given", "ticket … given")]
    [InlineData("Authorization: Bearer abc.def", "Authorization: Bearer …")]
    [InlineData("secret 6461776e6461776e6461776e6461776e6461776e6461776e6461776e6461776e", "secret …")]
    public void BlotsOutWhatLooksLikeASecret(string message, string expected)
    {
        _log.LogError("{Message}", message);
        Assert.Equal(expected, Assert.Single(_ring.Read(LogLevel.Trace, 0, 10).Entries).Message);
    }

    [Fact(Timeout = 30_000)]
    public async Task WaitsForNewsAndNoLongerThanAsked()
    {
        var cancelled = TestContext.Current.CancellationToken;
        var waiting = _ring.ReadAsync(LogLevel.Error, 0, 10, TimeSpan.FromSeconds(5), cancelled);
        _log.LogInformation("not severe");
        Assert.False(waiting.IsCompleted);
        _log.LogError("severe");
        Assert.Equal("severe", Assert.Single((await waiting.WaitAsync(cancelled)).Entries).Message);

        var inVain = _ring.ReadAsync(LogLevel.Critical, 0, 10, TimeSpan.FromSeconds(5), cancelled);
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Empty((await inVain.WaitAsync(cancelled)).Entries);
    }

    [Fact]
    public void ShownSettingsHoldNoSecrets()
    {
        var settings = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Dawn:Mode"] = "hybrid",
            ["Dawn:Network:Name"] = "home",
            ["Dawn:Network:Secret"] = "hunter2",
            ["Dawn:Gateway:Token"] = "hunter2",
            ["Dawn:Listen:0"] = "ws://0.0.0.0:1",
            ["Dawn:McpServers:files:Env:HARMLESS_NAME"] = "hunter2",
            ["Dawn:McpServers:files:Headers:X"] = "hunter2",
            ["Dawn:McpServers:files:Args:0"] = "--api-token=hunter2",
            ["Dawn:McpServers:files:Url"] = "https://user:hunter2@host/?key=hunter2",
            ["Dawn:Plugins:x:Tokens:0"] = "hunter2",
        }).Build();

        var shown = RedactedConfig.From(settings.GetSection("Dawn"));

        Assert.DoesNotContain("hunter2", shown.ToJsonString());
        Assert.Equal("hybrid", shown["Mode"]!.GetValue<string>());
        Assert.Equal("home", shown["Network"]!["Name"]!.GetValue<string>());
        Assert.Equal("ws://0.0.0.0:1", shown["Listen"]![0]!.GetValue<string>());
    }
}
