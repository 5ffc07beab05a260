using Dawn.Agents;
using Dawn.Plugins;
using Microsoft.AspNetCore.Connections;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using Xunit;

namespace Dawn.Tests.Plugins;

/// <summary>Plugins really built against other versions than the host's: of the MCP SDK, and of Dawn's contract.</summary>
public sealed class VersionSkewTests : IAsyncDisposable
{
    private const int Limit = 60_000;

    private readonly PluginSandbox _sandbox = new();

    public ValueTask DisposeAsync() => _sandbox.DisposeAsync();

    [Theory(Timeout = Limit)]
    [InlineData("AgentOlder", "2.0.0")]
    [InlineData("AgentNewer", "2.4.0")]
    public async Task An_agent_of_another_SDK_runs_with_the_hosts(string fixture, string built)
    {
        var folder = _sandbox.Install(fixture, "agents/skewed");
        var carried = System.Reflection.AssemblyName.GetAssemblyName(Path.Combine(folder, "ModelContextProtocol.Core.dll")).Version!;
        Assert.Equal(built, carried.ToString(3));
        Assert.NotEqual(typeof(McpServerTool).Assembly.GetName().Version, carried);
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal((PluginState.Active, null), (_sandbox.Status("agents/skewed").State, _sandbox.Status("agents/skewed").Problem));
        await using var client = await ConnectAsync();
        var heard = (await client.CallToolAsync("hear", new Dictionary<string, object?> { ["text"] = "well" }, cancellationToken: TestContext.Current.CancellationToken)).StructuredContent!.Value;
        Assert.Equal("well", heard.GetProperty("text").GetString());
        Assert.Equal(typeof(McpServerTool).Assembly.GetName().Version!.ToString(3), heard.GetProperty("sdk").GetString());
    }

    [Fact(Timeout = Limit)]
    public async Task What_the_hosts_SDK_lacks_fails_where_it_is_used_and_nowhere_else()
    {
        _sandbox.Install("AgentNewer", "agents/skewed");
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        await using var client = await ConnectAsync();
        Assert.True((await client.CallToolAsync("newest", cancellationToken: TestContext.Current.CancellationToken)).IsError);
        var heard = await client.CallToolAsync("hear", new Dictionary<string, object?> { ["text"] = "still well" }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Contains("still well", Assert.IsType<TextContentBlock>(heard.Content[0]).Text, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task Another_major_of_the_contract_is_refused_before_it_is_loaded()
    {
        _sandbox.Install("NextMajor", "next");
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var status = _sandbox.Status("next");
        Assert.Equal(PluginState.NotSupported, status.State);
        Assert.Equal("It is made for version 2 of Dawn's contract; this program has 1.", status.Cause);
        Assert.Equal("Install the plugin's release for this version of Dawn.", status.Cure);
        Assert.DoesNotContain(AppDomain.CurrentDomain.GetAssemblies(), a => a.GetName().Name == "Dawn.Fixtures.NextMajor");
    }

    [Fact(Timeout = Limit)]
    public async Task A_later_minor_of_the_contract_is_well_while_it_uses_nothing_new()
    {
        _sandbox.Install("NextMinor", "next");
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal((PluginState.Active, null), (_sandbox.Status("next").State, _sandbox.Status("next").Problem));
        Assert.Equal(["next"], _sandbox.Host.Schemes);
    }

    [Fact(Timeout = Limit)]
    public async Task A_member_that_the_host_lacks_is_named_where_the_start_needs_it()
    {
        _sandbox.Install("NextMinor", "next");
        _sandbox.Install("transport-tcp", "transport-tcp");
        _sandbox["next:Use"] = "start";
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var status = _sandbox.Status("next");
        Assert.Equal(PluginState.NotSupported, status.State);
        Assert.Contains("Dawn.IDawnPlugin.Revision", status.Cause, StringComparison.Ordinal);
        Assert.StartsWith("Install", status.Cure, StringComparison.Ordinal);
        Assert.Equal(["tcp"], _sandbox.Host.Schemes);
    }

    [Fact(Timeout = Limit)]
    public async Task A_member_that_the_host_lacks_fails_the_dial_that_needs_it()
    {
        _sandbox.Install("NextMinor", "next");
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<MissingMethodException>(async () => await _sandbox.Host.FindTransport("next")!.ConnectAsync(new UriEndPoint(new Uri("next://x:1")), TestContext.Current.CancellationToken));
        Assert.Contains("Revision", error.Message, StringComparison.Ordinal);
        Assert.Equal(PluginState.Active, _sandbox.Status("next").State);
    }

    [Fact(Timeout = Limit)]
    public async Task A_library_that_an_agent_carries_and_lost_is_named()
    {
        // Its .deps.json still lists the library: what counts is what lies there.
        var folder = _sandbox.Install("Misbehaving", "agents/lost");
        File.Delete(Path.Combine(folder, "Dawn.Fixtures.Dependency.dll"));
        await _sandbox.Host.StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal("Dawn.Fixtures.Dependency.dll is missing.", _sandbox.Status("agents/lost").Cause);
        Assert.Contains("dotnet publish", _sandbox.Status("agents/lost").Cure, StringComparison.Ordinal);
    }

    private async Task<McpClient> ConnectAsync()
    {
        var channel = await _sandbox.Agents.DialAsync(new(FakeAgentHost.Node, "skewed"), "tester", TestContext.Current.CancellationToken);
        return await McpClient.CreateAsync(new ChannelClientTransport("skewed", channel), null, null, TestContext.Current.CancellationToken);
    }
}
