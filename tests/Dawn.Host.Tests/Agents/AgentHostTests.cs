using System.Collections.Immutable;
using System.Text;
using Dawn.Agents;
using Dawn.Agents.External;
using Dawn.Identity;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Agents;

public sealed class AgentHostTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly AgentHost _host;

    public AgentHostTests() => _host = new(NullLogger<AgentHost>.Instance, _time);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Theory(Timeout = 30_000)]
    [InlineData("owner", "gateway", true)]
    [InlineData("owner", "owner", true)]
    [InlineData("owner", "agent", true)]
    [InlineData("owner", "member", false)]
    [InlineData("owner", "guest", false)]
    [InlineData("members", "gateway", true)]
    [InlineData("members", "member", true)]
    [InlineData("members", "guest", true)]
    [InlineData("guest", "guest", true)]
    [InlineData("guest", "member", false)]
    [InlineData("guest", "gateway", true)]
    [InlineData("<member>", "member", true)]
    [InlineData("<member>", "other", false)]
    [InlineData("<member>, guest", "guest", true)]
    [InlineData("", "member", false)]
    public async Task The_policy_decides_who_gets_in(string share, string who, bool allowed)
    {
        var caller = who switch
        {
            "gateway" => Callers.Gateway,
            "owner" => Callers.Owner,
            "agent" => Callers.HostedAgent,
            "member" => Callers.Member,
            "other" => Callers.OtherMember,
            _ => Callers.Guest,
        };
        Assert.True(Audience.TryParse(share.Replace("<member>", Callers.Member.Node.ToString()), out var audience, out _));
        _host.TryAdd(new EchoAgent("echo", new(audience, ImmutableDictionary<string, Audience>.Empty)));
        var (near, far) = LocalChannel.CreatePair();
        var serving = _host.AcceptAsync("echo", far, caller);
        if (allowed)
        {
            await near.SendAsync("hello"u8.ToArray(), TestContext.Current.CancellationToken);
            using var echo = (await near.ReceiveAsync(TestContext.Current.CancellationToken))!.Value;
            Assert.Equal("hello", Encoding.UTF8.GetString(echo.Span));
            await near.CloseAsync();
        }
        else
        {
            var refused = await Assert.ThrowsAsync<MeshException>(async () => await near.ReceiveAsync(TestContext.Current.CancellationToken));
            Assert.Equal(MeshError.Refused, refused.Error);
            Assert.Contains("Dawn:McpServers:echo:Share", refused.Message);
        }

        await serving.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("ws", "'ws' is reserved: /mcp/ws is the gateway's address for WebSocket clients")]
    [InlineData("owner", "'owner' is reserved")]
    [InlineData("gateway", "'gateway' is reserved")]
    [InlineData("Not Valid", "no name of an agent")]
    public void Names_that_stand_for_something_else_are_refused(string id, string expected)
    {
        Assert.Contains(expected, Assert.Throws<ArgumentException>(() => _host.TryAdd(new EchoAgent(id, AgentPolicy.Members))).Message);
        Assert.Empty(_host.Agents);
        Assert.True(_host.TryAdd(new EchoAgent("node", AgentPolicy.Members)));
    }

    [Fact]
    public async Task An_unknown_agent_is_answered_with_those_that_the_caller_may_call()
    {
        _host.TryAdd(new EchoAgent("public", AgentPolicy.Members));
        _host.TryAdd(new EchoAgent("private", AgentPolicy.OwnNode));
        var error = await RefusedAsync("nobody", Callers.Member);
        Assert.Equal(MeshError.UnknownAgent, error.Error);
        Assert.Contains("'nobody'", error.Message);
        Assert.Contains("public", error.Message);
        Assert.DoesNotContain("private", error.Message);
        Assert.Contains("private", (await RefusedAsync("nobody", Callers.Owner)).Message);
    }

    [Fact]
    public async Task A_reason_fits_into_a_close_frame()
    {
        for (var i = 0; i < 100; i++)
        {
            Assert.True(_host.TryAdd(new EchoAgent($"agent-with-a-long-name-{i}", AgentPolicy.Members)));
        }

        var error = await RefusedAsync(new string('x', 500), Callers.Member);
        Assert.InRange(Encoding.UTF8.GetByteCount(error.Message), 1, 255);
    }

    [Fact]
    public async Task An_agent_that_does_not_run_says_why()
    {
        _host.TryAdd(new EchoAgent("down", AgentPolicy.Members) { Card = null, Problem = "command 'x' was not found" });
        _host.TryAdd(new EchoAgent("young", AgentPolicy.Members) { Card = null });
        var error = await RefusedAsync("down", Callers.Member);
        Assert.Equal(MeshError.AgentUnavailable, error.Error);
        Assert.Contains("command 'x' was not found", error.Message);
        Assert.Contains("starting", (await RefusedAsync("young", Callers.Member)).Message);
    }

    [Fact(Timeout = 30_000)]
    public async Task Conversations_of_one_agent_are_bounded_and_their_end_makes_room()
    {
        _host.TryAdd(new EchoAgent("echo", AgentPolicy.Members));
        var open = Enumerable.Range(0, AgentHost.MaxPerAgent).Select(_ => Open("echo", Callers.Gateway)).ToArray();
        Assert.Equal(MeshError.Limit, (await RefusedAsync("echo", Callers.Gateway)).Error);
        await open[0].Near.CloseAsync();
        await open[0].Serving.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        await AssertEchoesAsync(Open("echo", Callers.Gateway).Near);
    }

    [Fact]
    public async Task Conversations_of_one_node_are_bounded_and_other_nodes_are_not_touched()
    {
        for (var i = 0; i < 3; i++)
        {
            _host.TryAdd(new EchoAgent($"echo{i}", AgentPolicy.Members));
        }

        for (var i = 0; i < AgentHost.MaxPerNode; i++)
        {
            Open($"echo{i % 2}", Callers.Member);
        }

        var error = await RefusedAsync("echo2", Callers.Member);
        Assert.Equal(MeshError.Limit, error.Error);
        await AssertEchoesAsync(Open("echo2", Callers.OtherMember).Near);
        await AssertEchoesAsync(Open("echo2", Callers.Gateway).Near);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_conversation_that_throws_ends_alone_and_says_why()
    {
        _host.TryAdd(new EchoAgent("echo", AgentPolicy.Members));
        var (good, bad) = (Open("echo", Callers.Member), Open("echo", Callers.Member));
        await bad.Near.SendAsync("throw"u8.ToArray(), TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<MeshException>(async () => await bad.Near.ReceiveAsync(TestContext.Current.CancellationToken));
        Assert.Equal(MeshError.Lost, error.Error);
        Assert.Contains("on demand", error.Message);
        await AssertEchoesAsync(good.Near);
    }

    [Fact(Timeout = 30_000)]
    public async Task Removing_an_agent_ends_its_conversations_then_the_agent_and_frees_the_name()
    {
        var agent = new EchoAgent("echo", AgentPolicy.Members);
        _host.TryAdd(agent);
        Assert.False(_host.TryAdd(new EchoAgent("echo", AgentPolicy.Members)));
        var conversation = Open("echo", Callers.Member);
        await AssertEchoesAsync(conversation.Near);
        await _host.RemoveAsync(agent);
        Assert.True(agent.IsDisposed);
        Assert.True(conversation.Serving.IsCompleted);
        Assert.Equal(0, agent.ConversationsAtDispose);
        var error = await Assert.ThrowsAsync<MeshException>(async () => await conversation.Near.ReceiveAsync(TestContext.Current.CancellationToken));
        Assert.Equal(MeshError.Stopping, error.Error);
        Assert.Empty(_host.Agents);
        Assert.True(_host.TryAdd(new EchoAgent("echo", AgentPolicy.Members)));
    }

    [Fact(Timeout = 30_000)]
    public async Task Removing_waits_no_longer_than_a_bound_for_a_conversation_that_does_not_end()
    {
        var agent = new EchoAgent("stubborn", AgentPolicy.Members);
        _host.TryAdd(agent);
        var conversation = Open("stubborn", Callers.Member);
        await conversation.Near.SendAsync("hang"u8.ToArray(), TestContext.Current.CancellationToken);
        await agent.Hanging.Task.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        var removing = _host.RemoveAsync(agent).AsTask();
        Assert.False(removing.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(10));
        await removing.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        Assert.True(agent.IsDisposed);
        agent.LetGo.SetResult();
    }

    [Fact]
    public async Task A_stopped_host_takes_nothing_more()
    {
        _host.TryAdd(new EchoAgent("echo", AgentPolicy.Members));
        await _host.DisposeAsync();
        Assert.Equal(MeshError.Stopping, (await RefusedAsync("echo", Callers.Gateway)).Error);
        Assert.False(_host.TryAdd(new EchoAgent("late", AgentPolicy.Members)));
    }

    [Fact]
    public async Task Changes_of_agents_are_changes_of_the_host()
    {
        var changes = 0;
        _host.Changed += () => changes++;
        var agent = new EchoAgent("echo", AgentPolicy.Members);
        _host.TryAdd(agent);
        agent.Raise();
        await _host.RemoveAsync(agent);
        Assert.Equal(3, changes);
        agent.Raise();
        Assert.Equal(3, changes);
        Assert.Throws<ArgumentException>(() => _host.TryAdd(new EchoAgent("Not A Name", AgentPolicy.Members)));
    }

    private (MeshChannel Near, Task Serving) Open(string agent, Caller caller)
    {
        var (near, far) = LocalChannel.CreatePair();
        return (near, _host.AcceptAsync(agent, far, caller));
    }

    private async Task<MeshException> RefusedAsync(string agent, Caller caller)
    {
        var (near, serving) = Open(agent, caller);
        await serving.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        return await Assert.ThrowsAsync<MeshException>(async () => await near.ReceiveAsync(TestContext.Current.CancellationToken));
    }

    private static async Task AssertEchoesAsync(MeshChannel near)
    {
        await near.SendAsync("x"u8.ToArray(), TestContext.Current.CancellationToken);
        using var echo = (await near.ReceiveAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Bound.Wait, TestContext.Current.CancellationToken))!.Value;
        Assert.Equal("x"u8, echo.Span);
    }

    private sealed class EchoAgent(string id, AgentPolicy policy) : IHostedAgent
    {
        private int _conversations;

        public string Id => id;

        public string Origin => "test";

        public AgentPolicy Policy => policy;

        public string PolicySetting => new ExternalServerSettings(id).Key("Share");

        public AgentCard? Card { get; init; } = new(id, id, [], []);

        public string? Problem { get; init; }

        public bool IsDisposed { get; private set; }

        public int ConversationsAtDispose { get; private set; } = -1;

        public TaskCompletionSource Hanging { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource LetGo { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public event Action? Changed;

        public void Raise() => Changed?.Invoke();

        public async Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _conversations);
            try
            {
                while (await channel.ReceiveAsync(cancellationToken) is { } message)
                {
                    using (message)
                    {
                        switch (Encoding.UTF8.GetString(message.Span))
                        {
                            case "throw":
                                throw new InvalidOperationException("on demand");
                            case "hang":
                                Hanging.SetResult();
                                await LetGo.Task;
                                break;
                        }

                        await channel.SendAsync(message.Memory, cancellationToken);
                    }
                }
            }
            finally
            {
                Interlocked.Decrement(ref _conversations);
            }
        }

        public ValueTask DisposeAsync()
        {
            (IsDisposed, ConversationsAtDispose) = (true, _conversations);
            return ValueTask.CompletedTask;
        }
    }
}
