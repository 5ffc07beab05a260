using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Agents.External;
using Dawn.Sessions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol.AspNetCore;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using Xunit;

namespace Dawn.Tests.Agents.External;

/// <summary>A server behind a URL, on loopback.</summary>
public sealed class HttpAgentTests : IAsyncLifetime
{
    private readonly ObservedTime _time = new();
    private readonly AgentHost _host;
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WebApplication _server = null!;
    private volatile int _status;
    private int _requests;

    public HttpAgentTests() => _host = new(NullLogger<AgentHost>.Instance, _time);

    private string Url => _server.Urls.Single() + "/mcp";

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.AddMcpServer(options => options.ServerInfo = new() { Name = "web", Version = "1" })
            .WithHttpTransport(options => options.SessionMode = HttpServerSessionMode.StatefulForInitializeClients)
            .WithTools([
                McpServerTool.Create((string text) => "echo " + text, new() { Name = "echo" }),
                McpServerTool.Create(async (McpServer server, CancellationToken token) => (await server.ElicitAsync(new() { Message = "?", RequestedSchema = new() }, token)).Action, new() { Name = "ask" }),
                McpServerTool.Create(WaitAsync, new() { Name = "wait" }),
            ]);
        _server = builder.Build();
        _server.Use(async (context, next) =>
        {
            Interlocked.Increment(ref _requests);
            if (_status != 0 || context.Request.Headers["X-Key"] != "secret")
            {
                context.Response.StatusCode = _status != 0 ? _status : 401;
                return;
            }

            await next(context);
        });
        _server.MapMcp("/mcp");
        await _server.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Fact(Timeout = 60_000)]
    public async Task Its_card_is_read_and_callers_each_have_a_session()
    {
        var agent = await AddAsync();
        Assert.Equal("web", agent.Card!.Title);
        Assert.Equal(["ask", "echo", "wait"], agent.Card.Tools.Order());
        await using var one = _host.Open("web", Callers.Gateway);
        await using var other = _host.Open("web", Callers.Member);
        foreach (var client in new[] { one, other })
        {
            Assert.Equal("2025-11-25", (string?)(await client.InitializeAsync("elicitation"))["result"]!["protocolVersion"]);
            await client.NotifyAsync("notifications/initialized", null);
            Assert.Equal("echo hello", await client.CallAsync("echo", ("text", "hello")));
        }

        var asking = other.StartCall("ask", 1);
        var question = await other.NextAsync();
        Assert.Equal("elicitation/create", (string?)question["method"]);
        await other.SendAsync(new() { ["jsonrpc"] = "2.0", ["id"] = question["id"]!.DeepClone(), ["result"] = new JsonObject { ["action"] = "decline" } });
        Assert.Equal("decline", RawClient.TextOf(await asking.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken)));
        Assert.False(one.HasUnasked);
    }

    [Fact(Timeout = 60_000)]
    public async Task The_SDKs_own_client_is_served_in_the_newest_era()
    {
        await AddAsync();
        var (near, far) = LocalChannel.CreatePair();
        _ = _host.AcceptAsync("web", far, Callers.Member);
        await using var client = await McpClient.CreateAsync(new ChannelClientTransport("web", near), cancellationToken: TestContext.Current.CancellationToken);
        var answer = await client.CallToolAsync("echo", new Dictionary<string, object?> { ["text"] = "x" }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("echo x", ((TextContentBlock)answer.Content[0]).Text);
    }

    [Theory(Timeout = 60_000)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_call_is_cancelled_when_the_caller_says_so_or_leaves(bool leaves)
    {
        await AddAsync();
        var client = _host.Open("web", Callers.Gateway);
        await client.InitializeAsync();
        await client.NotifyAsync("notifications/initialized", null);
        _ = client.StartCall("wait", 1);
        await _reached.Task.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        if (leaves)
        {
            await client.Channel.CloseAsync();
        }
        else
        {
            await client.NotifyAsync("notifications/cancelled", new JsonObject { ["requestId"] = 1 });
        }

        await _cancelled.Task.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_refused_key_names_the_setting_and_mending_heals()
    {
        _status = 401;
        var agent = Add();
        await agent.UntilAsync(() => agent.Problem is not null);
        Assert.Equal($"{Url} answered 401; check Dawn:McpServers:web:Headers", agent.Problem);
        _status = 0;
        _time.Advance(await _time.JitteredAsync());
        await agent.UntilAsync(() => agent.Card is not null);
        Assert.Null(agent.Problem);

        // Each minute it is asked whether it is well.
        _status = 503;
        var before = Volatile.Read(ref _requests);
        await _time.ArmedAsync(TimeSpan.FromSeconds(60));
        _time.Advance(TimeSpan.FromSeconds(60));
        await agent.UntilAsync(() => agent.Card is null);
        Assert.True(Volatile.Read(ref _requests) > before);
        Assert.Contains("answered 503", agent.Problem);
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 60_000)]
    public async Task A_failing_request_is_answered_with_what_is_known_of_it()
    {
        await AddAsync();
        await using var client = _host.Open("web", Callers.Gateway);
        await client.InitializeAsync();
        foreach (var (status, outcome) in new[] { (403, "not-executed"), (500, "outcome-unknown") })
        {
            _status = status;
            var error = (await client.RequestAsync("tools/call", RawClient.Call("echo", ("text", "x"))))["error"]!;
            Assert.Contains($"answered {status}", (string?)error["message"]);
            Assert.Equal(outcome, (string?)error["data"]!["dawn"]);
        }

        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
    }

    [Fact(Timeout = 60_000)]
    public async Task A_server_that_is_not_there_is_a_problem_that_names_the_setting()
    {
        var url = Url;
        await _server.StopAsync(TestContext.Current.CancellationToken);
        var agent = Add(url);
        await agent.UntilAsync(() => agent.Problem is not null);
        Assert.Contains("can't be reached", agent.Problem);
        Assert.Contains("check Dawn:McpServers:web:Url", agent.Problem);
    }

    private HttpAgent Add(string? url = null)
    {
        var settings = new ExternalServerSettings("web")
        {
            Url = new(url ?? Url),
            Headers = ImmutableDictionary<string, string>.Empty.Add("X-Key", "secret"),
            Policy = AgentPolicy.Members,
        };
        var agent = new HttpAgent(settings, NullLogger.Instance, _time, new SeededEntropy());
        Assert.True(_host.TryAdd(agent));
        agent.Start();
        return agent;
    }

    private async Task<HttpAgent> AddAsync()
    {
        var agent = Add();
        await agent.UntilAsync(() => agent.Card is not null);
        return agent;
    }

    private async Task<string> WaitAsync(CancellationToken token)
    {
        _reached.TrySetResult();
        try
        {
            await Task.Delay(Timeout.Infinite, token);
        }
        catch (OperationCanceledException)
        {
            _cancelled.TrySetResult();
            throw;
        }

        return "";
    }
}
