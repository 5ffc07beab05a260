using Dawn.Agents;
using Dawn.Agents.Node;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Node;
using Dawn.Plugins;
using Dawn.Routing;
using Dawn.Routing.Modes;
using Dawn.Sessions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Node;

public sealed class SettingsWatchTests : IAsyncLifetime
{
    private readonly TempDirectory _temp = new();
    private readonly FakeTimeProvider _time = new();
    private readonly LogRing _log;
    private readonly NodeOwners _owners = new(new HashSet<NodeId>());
    private readonly IConfigurationRoot _configuration;
    private readonly AgentHost _agents;
    private readonly PluginHost _plugins;
    private readonly SettingsWatch _watch;

    public SettingsWatchTests()
    {
        _log = new(_time);
        Edit("""{ "Dawn": { "Network": { "Name": "one" }, "McpServers": { "files": { "Command": "x" } } } }""", reload: false);
        _configuration = DawnConfiguration.Build(_temp.Path, ["--Dawn:Gateway:Url="]);
        _agents = new(NullLogger<AgentHost>.Instance, _time);
        _plugins = new(
            new(Path.Combine(_temp.Path, "plugins")), _agents,
            new(_configuration, NullLoggerFactory.Instance, _time, new(() => throw new InvalidOperationException()), new(() => throw new InvalidOperationException())));
        var modes = new RoutingModes(NullLogger<RoutingModes>.Instance);
        modes.Use([new CentralizedMode(), new DecentralizedMode(), new HybridMode()], "decentralized");
        _watch = new(_configuration, _owners, _plugins, modes, _time, LoggerFactory.Create(l => l.AddProvider(_log)).CreateLogger<SettingsWatch>());
    }

    public async ValueTask InitializeAsync() => await _watch.StartAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _watch.StopAsync(CancellationToken.None);
        await _plugins.DisposeAsync();
        await _agents.DisposeAsync();
        _temp.Dispose();
    }

    [Theory]
    [InlineData("""{ "Dawn": { "Mode": "sideways", "McpServers": { "files": { "Command": "y" } } } }""", "Dawn:Mode is 'sideways'; installed: centralized, decentralized, hybrid")]
    [InlineData("""{ "Dawn": { "McpServers": { "files": { "Command": "y", "Share": "nobody knows" } } } }""", "Dawn:McpServers:files:Share")]
    [InlineData("""{ "Dawn": { "Netwrok": {} , "Netwrok2": 1 } }""", "Dawn:Netwrok2 is no setting")]
    [InlineData("""{ "Dawn": { "Plugins": { "first": { "Enabled": "perhaps" } } } }""", "Dawn:Plugins:first:Enabled is 'perhaps'; allowed: true, false")]
    [InlineData("""{ "Logging": { "LogLevel": { "Default": "Loud" } } }""", "Logging:LogLevel:Default is 'Loud'; allowed: Trace")]
    [InlineData("""{ "Dawn": { """, "can't be read")]
    public void ABadEditChangesNothingAndIsSaidWithFileAndKey(string json, string expected)
    {
        Edit(json);
        Assert.Equal("x", _configuration["Dawn:McpServers:files:Command"]);
        Assert.Equal("one", _configuration["Dawn:Network:Name"]);
        var problem = _configuration.Providers.OfType<EditedJsonProvider>().Last().Problem!;
        Assert.Contains(expected, problem, StringComparison.Ordinal);
        Assert.Contains(Path.Combine(_temp.Path, "appsettings.json"), problem, StringComparison.Ordinal);
        Assert.Equal(problem, Assert.Single(Lines()));

        _configuration.Reload();
        Assert.Single(Lines());
        Edit("""{ "Dawn": { "Network": { "Name": "one" }, "McpServers": { "files": { "Command": "z" } } } }""");
        Assert.Equal("z", _configuration["Dawn:McpServers:files:Command"]);
        Assert.Null(_configuration.Providers.OfType<EditedJsonProvider>().Last().Problem);
        Assert.Single(Lines());
    }

    [Fact]
    public void WhatNeedsARestartIsNamedOnceAndNoLongerOnceItIsAsBefore()
    {
        _time.Advance(TimeSpan.FromSeconds(5));
        Edit("""{ "Dawn": { "Network": { "Name": "two" }, "Listen": ["ws://127.0.0.1:1", "ws://127.0.0.1:2"] } }""");
        Assert.Equal(["Dawn:Listen", "Dawn:Network:Name"], _watch.Restart);
        Assert.Equal(["Dawn:Listen was edited; it takes effect at the next start of this node ('dawn stop', then 'dawn run')", "Dawn:Network:Name was edited; it takes effect at the next start of this node ('dawn stop', then 'dawn run')"], Lines());
        Assert.Equal(_time.GetUtcNow(), _watch.LastRead);

        _configuration.Reload();
        Assert.Equal(2, Lines().Count);
        Edit("""{ "Dawn": { "Network": { "Name": "one" } } }""");
        Assert.Empty(_watch.Restart);
    }

    [Fact]
    public void WhatAppliesAtRunTimeNeedsNoRestart()
    {
        Edit("""{ "Dawn": { "Network": { "Name": "one" }, "McpServers": { "more": { "Command": "x" } }, "Plugins": { "first": { "Share": "owner" } } }, "Logging": { "LogLevel": { "Default": "Debug" } } }""");
        Assert.Empty(_watch.Restart);
        Assert.Empty(Lines());
    }

    [Fact]
    public void OwnersComeAndGo()
    {
        var node = FakeNode.Id(7);
        Caller caller = new(node, AgentId.Owner, CertificateRole.Member, false);
        Assert.NotNull(_owners.Refuse(caller));
        Edit($$"""{ "Dawn": { "Network": { "Name": "one" }, "Security": { "Owners": ["{{node}}"] } } }""");
        Assert.Null(_owners.Refuse(caller));
        Edit("""{ "Dawn": { "Network": { "Name": "one" } } }""");
        Assert.NotNull(_owners.Refuse(caller));
        Assert.Empty(_watch.Restart);
    }

    private List<string> Lines() => [.. _log.Read(LogLevel.Warning, 0, 100).Entries.Select(e => e.Message)];

    private void Edit(string json, bool reload = true)
    {
        File.WriteAllText(Path.Combine(_temp.Path, "appsettings.json"), json);
        if (reload)
        {
            _configuration.Reload();
        }
    }
}
