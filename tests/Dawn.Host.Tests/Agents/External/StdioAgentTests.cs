using System.Collections.Immutable;
using System.Diagnostics;
using Dawn.Agents;
using Dawn.Agents.External;
using Dawn.Identity;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Agents.External;

/// <summary>Real child processes.</summary>
public sealed class StdioAgentTests : IAsyncDisposable
{
    private readonly AgentHost _host = new(NullLogger<AgentHost>.Instance, TimeProvider.System);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task A_child_serves_several_callers_and_ends_with_its_agent()
    {
        var agent = Add(Fixtures.Settings());
        await agent.UntilAsync(() => agent.Card is not null);
        await using var one = await OpenAsync(Callers.Gateway);
        await using var other = await OpenAsync(Callers.Member);
        await one.CallAsync("bump");
        Assert.Equal("1", await other.CallAsync("value"));
        Assert.Equal("hello", await one.CallAsync("echo", ("text", "hello")));
        await one.CallAsync("garbage");
        using var child = Process.GetProcessById(int.Parse(await one.CallAsync("pid")));
        await _host.RemoveAsync(agent);
        Assert.True(child.HasExited);
        Assert.NotNull(await one.Ended);
    }

    [Theory(Timeout = 60_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stopping_ends_children_of_the_child_too_within_seconds(bool lingers)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no sleep to start.");
        var agent = Add(Fixtures.Settings(args: lingers ? ["--linger"] : []));
        await agent.UntilAsync(() => agent.Card is not null);
        await using var client = await OpenAsync(Callers.Gateway);
        using var child = Process.GetProcessById(int.Parse(await client.CallAsync("pid")));
        using var grandchild = Process.GetProcessById(int.Parse(await client.CallAsync("spawn")));
        Assert.False(grandchild.HasExited);
        var started = Stopwatch.StartNew();
        await _host.RemoveAsync(agent);
        Assert.InRange(started.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(6));
        await child.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        await grandchild.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_child_that_dies_in_mid_call_leaves_the_outcome_unknown_takes_its_children_along_and_is_started_again()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no sleep to start.");
        var agent = Add(Fixtures.Settings());
        await agent.UntilAsync(() => agent.Card is not null);
        await using var client = await OpenAsync(Callers.Gateway);
        var first = await client.CallAsync("pid");
        using var grandchild = Process.GetProcessById(int.Parse(await client.CallAsync("spawn")));
        await client.CallAsync("bump");
        var error = (await client.RequestAsync("tools/call", RawClient.Call("die", ("code", "7"))))["error"]!;
        Assert.Equal("outcome-unknown", (string?)error["data"]!["dawn"]);
        Assert.Contains("exited with code 7", (string?)error["message"]);
        await agent.UntilAsync(() => agent.Card is null);
        await grandchild.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        await agent.UntilAsync(() => agent.Card is not null);
        Assert.NotEqual(first, await client.CallAsync("pid"));
        Assert.Equal("0", await client.CallAsync("value"));
    }

    [Fact]
    public async Task A_child_that_ends_at_once_says_so_with_the_settings_to_check()
    {
        var agent = Add(Fixtures.Settings("broken", null, "--exit", "9"));
        await agent.UntilAsync(() => agent.Problem is not null);
        Assert.Contains("exited with code 9 before it answered", agent.Problem);
        Assert.Contains("Dawn:McpServers:broken:Args", agent.Problem);
        Assert.Null(agent.Card);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_missing_command_is_named_and_tried_again_rarely()
    {
        var time = new FakeTimeProvider();
        var log = new ListLogger();
        await using var agent = new StdioAgent(new("broken") { Command = "no-such-program" }, log, time, new SeededEntropy());
        agent.Start();
        await agent.UntilAsync(() => agent.Problem is not null);
        Assert.Equal("command 'no-such-program' was not found; check Dawn:McpServers:broken:Command", agent.Problem);
        Assert.Contains(log.Lines, line => line.Contains("next try in 60 s"));
        Assert.Single(log.Lines);
        await using var lost = new StdioAgent(new("lost") { Command = "true", WorkingDirectory = "/no/such/directory" }, log, time, new SeededEntropy());
        lost.Start();
        await lost.UntilAsync(() => lost.Problem is not null);
        Assert.Equal("the directory '/no/such/directory' does not exist; check Dawn:McpServers:lost:WorkingDirectory", lost.Problem);
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 60_000)]
    public async Task The_child_gets_its_settings()
    {
        var log = new ListLogger();
        var agent = new StdioAgent(
            Fixtures.Settings() with { Env = ImmutableDictionary<string, string>.Empty.Add("GREETING", "hello there") }, log, TimeProvider.System, new SeededEntropy());
        _host.TryAdd(agent);
        agent.Start();
        await agent.UntilAsync(() => agent.Card is not null);
        await using var client = await OpenAsync(Callers.Gateway);
        Assert.Equal("hello there", await client.CallAsync("env", ("name", "GREETING")));
        await _host.RemoveAsync(agent);
        Assert.Contains(log.Lines, line => line.StartsWith("Debug fixture: fixture: started with", StringComparison.Ordinal));
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    // On a dictionary: a variable of this process would be a setting of every node that other tests start meanwhile.
    [Fact]
    public void The_child_gets_none_of_the_nodes_settings()
    {
        var environment = new Dictionary<string, string?> { ["Dawn__Network__Secret"] = "secret", ["DAWN__Network__Name"] = "home", ["PATH"] = "/bin", ["GREETING"] = "hi" };
        ServerProcess.SetEnvironment(environment, Fixtures.Settings() with { Env = ImmutableDictionary<string, string>.Empty.Add("GREETING", "hello there") }, "mark");
        Assert.Equal(["GREETING", "PATH"], environment.Keys.Where(name => environment[name] != "mark").Order(StringComparer.Ordinal));
        Assert.Equal("hello there", environment["GREETING"]);
    }

    private StdioAgent Add(ExternalServerSettings settings)
    {
        var agent = new StdioAgent(settings, NullLogger.Instance, TimeProvider.System, Entropy.System);
        Assert.True(_host.TryAdd(agent));
        agent.Start();
        return agent;
    }

    private async Task<RawClient> OpenAsync(Caller caller)
    {
        var client = _host.Open("fixture", caller);
        await client.InitializeAsync();
        return client;
    }
}
