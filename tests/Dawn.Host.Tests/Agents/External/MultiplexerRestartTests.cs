using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Agents.External;
using Dawn.Sessions;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.Tests.Agents.External;

/// <summary>Garbage, deaths, new lives; and the SDK's own client.</summary>
public sealed class MultiplexerRestartTests : MultiplexerFixture
{
    [Fact]
    public async Task Garbage_on_stdout_harms_nothing()
    {
        Options = ["--garbage"];
        await using var client = await OpenAsync();
        await Lives[^1].PrintAsync("more of it {\"jsonrpc\":\"2.0\"}\n{\"jsonrpc\":\"2.0\",\"method\":1}\n\0\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"a\":1,\"a\":2}}\n");
        Assert.Equal("hello", await client.CallAsync("echo", ("text", "hello")));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_caller_that_sends_garbage_ends_its_own_conversation_alone()
    {
        await using var good = await OpenAsync();
        await using var bad = await OpenAsync();
        await bad.Channel.SendAsync("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":1,\"_meta\":2}}"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal(MeshError.Protocol, (await bad.Ended)!.Error);
        Assert.Equal("1", await good.CallAsync("bump"));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_caller_that_does_not_read_is_sent_away_and_holds_up_nobody()
    {
        await using var good = await OpenAsync();
        var (near, far) = LocalChannel.CreatePair();
        var serving = Host.AcceptAsync("fixture", far, Callers.Member);
        var error = await Assert.ThrowsAsync<MeshException>(async () =>
        {
            for (var id = 0; ; id++)
            {
                await near.SendAsync(System.Text.Encoding.UTF8.GetBytes($$"""{"jsonrpc":"2.0","id":{{id}},"method":"ping"}"""), TestContext.Current.CancellationToken);
            }
        });
        Assert.Equal(MeshError.Limit, error.Error);
        await serving.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        Assert.Equal("1", await good.CallAsync("bump"));
    }

    [Fact]
    public async Task One_id_can_be_in_flight_only_once_and_in_flight_are_bounded()
    {
        await using var client = await OpenAsync();
        _ = client.StartCall("wait", 0, ("gate", "g"));
        Assert.Equal(-32600, (int?)(await client.StartCall("bump", 0))["error"]!["code"]);
        for (var id = 1; id < Conversation.MaxInFlight; id++)
        {
            _ = client.StartCall("wait", id, ("gate", "g"));
        }

        var error = (await client.StartCall("bump", "one more"))["error"]!;
        Assert.Contains("1024", (string?)error["message"]);
        Assert.Equal("not-executed", (string?)error["data"]!["dawn"]);
        Assert.Equal(0, Server.Value);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_death_in_mid_call_leaves_the_outcome_unknown_and_the_conversation_alive()
    {
        await using var client = await OpenAsync();
        await client.RequestAsync("resources/subscribe", new JsonObject { ["uri"] = "fixture://one" });
        var call = client.StartCall("wait", 1, ("gate", "g"));
        await Server.ReachedAsync("g").WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        Lives[^1].Die();
        var error = (await call.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken))["error"]!;
        Assert.Equal("outcome-unknown", (string?)error["data"]!["dawn"]);
        Assert.Contains("exited with code 3", (string?)error["message"]);
        await Agent.UntilAsync(() => Agent.Card is null && Agent.Problem is not null);
        Assert.Contains("exited with code 3", Agent.Problem);

        var refused = (await client.RequestAsync("tools/call", RawClient.Call("bump")))["error"]!;
        Assert.Equal("not-executed", (string?)refused["data"]!["dawn"]);

        Time.Advance(await Time.JitteredAsync());
        await Agent.UntilAsync(() => Agent.Card is not null);
        Assert.Null(Agent.Problem);
        string[] told = [(string)(await client.NextAsync())["method"]!, (string)(await client.NextAsync())["method"]!];
        Assert.Equal(["notifications/tools/list_changed", "notifications/resources/list_changed"], told);
        Assert.Equal("1", await client.CallAsync("bump"));
        Assert.Contains("resources/subscribe", Server.Log);
    }

    [Fact]
    public async Task The_wait_between_lives_grows_and_begins_anew_after_a_healthy_one()
    {
        await using var client = await OpenAsync();
        var waits = new List<double>();
        for (var i = 0; i < 8; i++)
        {
            waits.Add(await RestartAsync());
        }

        for (var i = 0; i < waits.Count; i++)
        {
            Assert.InRange(waits[i], Math.Min(60, Math.Pow(2, i)) * 0.749, Math.Min(60, Math.Pow(2, i)));
        }

        Time.Advance(TimeSpan.FromSeconds(60));
        Assert.InRange(await RestartAsync(), 0.749, 1);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_server_that_never_answers_is_a_problem_after_thirty_seconds()
    {
        Options = ["--silent", "--garbage"];
        Start();
        while (Lives.Count == 0 || !Server.Log.Contains("initialize"))
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        // All that it wrote, in one go, has been taken before the time is over: its reader came for more.
        await Eventually.HoldsAsync(() => Lives[0].Reads >= 2);
        Time.Advance(TimeSpan.FromSeconds(30));
        await Agent.UntilAsync(() => Agent.Problem is not null);
        Assert.Contains("did not answer initialize within 30 s", Agent.Problem);
        Assert.Contains("lines that are not JSON-RPC", Agent.Problem);
        Assert.Contains("Dawn:McpServers:fixture:Command", Agent.Problem);
        Assert.True(Lives[0].Exited.IsCompleted);
    }

    [Fact(Timeout = 60_000)]
    public async Task The_SDKs_own_client_is_served()
    {
        Start();
        await Agent.UntilAsync(() => Agent.Card is not null);
        var (near, far) = LocalChannel.CreatePair();
        _ = Host.AcceptAsync("fixture", far, Callers.Member);
        await using var client = await McpClient.CreateAsync(
            new ChannelClientTransport("fixture", near),
            new()
            {
                Handlers = new()
                {
                    ElicitationHandler = (request, _) => ValueTask.FromResult(new ElicitResult { Action = "decline" }),
                },
            },
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("Fixture ☀", client.ServerInfo?.Title);
        Assert.Equal(15, (await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken)).Count);
        var progress = new TaskCompletionSource<ProgressNotificationValue>(TaskCreationOptions.RunContinuationsAsynchronously);
        var waiting = client.CallToolAsync(
            "wait", new Dictionary<string, object?> { ["gate"] = "g" }, new Reporter(progress), cancellationToken: TestContext.Current.CancellationToken).AsTask();
        Assert.Equal("waiting at g", (await progress.Task.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken)).Message);
        await client.CallToolAsync("open", new Dictionary<string, object?> { ["gate"] = "g" }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("passed g", ((TextContentBlock)(await waiting).Content[0]).Text);
        var asked = await client.CallToolAsync(
            "ask",
            new Dictionary<string, object?> { ["method"] = "elicitation/create", ["params"] = new { message = "?", requestedSchema = new { type = "object", properties = new { } } } },
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Contains("decline", ((TextContentBlock)asked.Content[0]).Text);
    }

    private async Task<double> RestartAsync()
    {
        Lives[^1].Die();
        var wait = await Time.JitteredAsync();
        var lives = Lives.Count;
        Assert.NotNull(Agent.Problem);
        Time.Advance(wait - TimeSpan.FromMilliseconds(1));
        Assert.Equal(lives, Lives.Count);
        Time.Advance(TimeSpan.FromMilliseconds(1));
        await Agent.UntilAsync(() => Agent.Card is not null);
        Assert.Equal(lives + 1, Lives.Count);
        return wait.TotalSeconds;
    }

    private sealed class Reporter(TaskCompletionSource<ProgressNotificationValue> reported) : IProgress<ProgressNotificationValue>
    {
        public void Report(ProgressNotificationValue value) => reported.TrySetResult(value);
    }
}
