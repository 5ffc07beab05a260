using System.Text.Json.Nodes;
using Xunit;

namespace Dawn.Tests.Agents.External;

/// <summary>Many callers on one server, here in the test's process.</summary>
public sealed class MultiplexerTests : MultiplexerFixture
{
    [Fact]
    public async Task Initialize_is_answered_as_the_server_answered_it_and_only_once_asked()
    {
        await using var first = await OpenAsync();
        await using var second = await OpenAsync(Callers.Member);
        var answer = await second.InitializeAsync();
        Assert.Equal("2025-11-25", (string?)answer["result"]!["protocolVersion"]);
        Assert.Equal("[1,\"two\"]", answer["result"]!["x-unknown"]!.ToJsonString());
        Assert.Single(Server.Log, "initialize");
        Assert.Single(Server.Log, "notifications/initialized");
    }

    [Fact]
    public async Task A_server_of_an_older_version_is_served_in_that_version()
    {
        Options = ["--version", "2025-03-26"];
        await using var client = await OpenAsync();
        Assert.Equal("2025-03-26", (string?)(await client.InitializeAsync())["result"]!["protocolVersion"]);
    }

    [Fact]
    public async Task Callers_share_the_servers_state()
    {
        await using var one = await OpenAsync();
        await using var other = await OpenAsync(Callers.Member);
        Assert.Equal("1", await one.CallAsync("bump"));
        Assert.Equal("2", await other.CallAsync("bump"));
        Assert.Equal("2", await one.CallAsync("value"));
    }

    [Fact(Timeout = 60_000)]
    public async Task Answers_find_their_callers_though_all_use_the_same_ids()
    {
        var clients = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => OpenAsync()));
        var calls = clients.SelectMany((client, who) => new JsonNode[] { 1, "1", 2 }.Select((id, index) => (Gate: $"{who}.{index}", Answer: client.StartCall("wait", id, ("gate", $"{who}.{index}"))))).ToArray();
        foreach (var (gate, _) in calls)
        {
            await Server.ReachedAsync(gate).WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        }

        foreach (var (gate, answer) in calls.Reverse())
        {
            Assert.False(answer.IsCompleted);
            await clients[0].CallAsync("open", ("gate", gate));
            Assert.Equal("passed " + gate, RawClient.TextOf(await answer.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken)));
        }
    }

    [Fact]
    public async Task What_Dawn_does_not_know_passes_as_it_is_in_both_directions()
    {
        await using var client = await OpenAsync();
        var odd = """{"n":1.50,"big":123456789012345678901234567890,"deep":{"ä":[null,true,"\u2028"]},"_meta":{"traceparent":"00-1","progressToken":"mine","x/y":{}}}""";
        var echoed = (await client.RequestAsync("fixture/echo", JsonNode.Parse(odd)))["result"]!["params"]!;
        Assert.NotEqual("mine", (string?)echoed["_meta"]!["progressToken"]?.ToString());
        echoed["_meta"]!["progressToken"] = "mine";
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(odd), echoed));
        Assert.Contains("1.50", echoed.ToJsonString());
        var error = (await client.RequestAsync("fixture/fail", new JsonObject { ["why"] = new JsonArray(1, 2.50) }))["error"]!;
        Assert.Equal("""{"code":-32099,"message":"on demand","data":{"why":[1,2.5]}}""", error.ToJsonString());
    }

    [Fact]
    public async Task Progress_reaches_its_caller_under_its_own_token()
    {
        await using var one = await OpenAsync();
        await using var other = await OpenAsync();
        foreach (var (client, token) in new (RawClient, JsonNode)[] { (one, "t"), (other, "t"), (one, 7) })
        {
            var call = RawClient.Call("wait", ("gate", "g"));
            call["_meta"] = new JsonObject { ["progressToken"] = token.DeepClone() };
            var answer = client.RequestAsync("tools/call", call);
            var progress = await client.NextAsync();
            Assert.Equal("notifications/progress", (string?)progress["method"]);
            Assert.True(JsonNode.DeepEquals(token, progress["params"]!["progressToken"]));
            Assert.True((bool?)progress["params"]!["x-kept"]);
            await client.CallAsync("open", ("gate", "g"));
            await answer;
        }

        Assert.False(one.HasUnasked);
        Assert.False(other.HasUnasked);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_cancelled_call_is_cancelled_at_the_server_and_no_other()
    {
        await using var one = await OpenAsync();
        await using var other = await OpenAsync();
        _ = one.StartCall("wait", 1, ("gate", "mine"));
        var kept = other.StartCall("wait", 1, ("gate", "theirs"));
        await Server.ReachedAsync("mine").WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        await Server.ReachedAsync("theirs").WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        await one.NotifyAsync("notifications/cancelled", new JsonObject { ["requestId"] = 1, ["reason"] = "enough" });
        await one.NotifyAsync("notifications/cancelled", new JsonObject { ["requestId"] = 99 });
        Assert.Equal("mine", await one.CallAsync("cancelled", ("gate", "mine")));
        await one.CallAsync("open", ("gate", "theirs"));
        Assert.Equal("passed theirs", RawClient.TextOf(await kept));

        // The id is free again, and its late answer finds nobody.
        Assert.Equal("passed mine", RawClient.TextOf(await OpenThenWaitAsync(one, "mine")));
    }

    [Fact(Timeout = 60_000)]
    public async Task Whoever_leaves_in_mid_call_has_its_calls_cancelled()
    {
        await using var other = await OpenAsync();
        var leaver = await OpenAsync();
        _ = leaver.StartCall("wait", 1, ("gate", "left"));
        await Server.ReachedAsync("left").WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        await leaver.Channel.CloseAsync();
        Assert.Equal("left", await other.CallAsync("cancelled", ("gate", "left")));
    }

    [Fact(Timeout = 60_000)]
    public async Task The_server_asks_whom_it_is_serving()
    {
        await using var idle = await OpenAsync(null, "sampling", "elicitation");
        await using var busy = await OpenAsync(Callers.Member, "sampling", "elicitation");
        foreach (var method in new[] { "sampling/createMessage", "elicitation/create" })
        {
            var call = busy.StartCall("ask", 1, ("method", method), ("params", new JsonObject { ["x"] = 1.50 }));
            var question = await busy.NextAsync();
            Assert.Equal(method, (string?)question["method"]);
            Assert.Equal("1.5", question["params"]!["x"]!.ToJsonString());
            await busy.SendAsync(new() { ["jsonrpc"] = "2.0", ["id"] = question["id"]!.DeepClone(), ["result"] = new JsonObject { ["action"] = "accept", ["x-kept"] = true } });
            Assert.Equal("""{"action":"accept","x-kept":true}""", RawClient.TextOf(await call.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken)));
        }

        Assert.False(idle.HasUnasked);
    }

    [Fact(Timeout = 60_000)]
    public async Task Of_several_the_server_asks_the_most_recent_that_can_be_asked()
    {
        await using var able = await OpenAsync(null, "elicitation");
        await using var unable = await OpenAsync();
        var waiting = able.StartCall("wait", 1, ("gate", "g"));
        await Server.ReachedAsync("g").WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        var asking = unable.StartCall("ask", 1, ("method", "elicitation/create"), ("params", new JsonObject()));
        var question = await able.NextAsync();

        // Nobody but who was asked may answer.
        await unable.SendAsync(new() { ["jsonrpc"] = "2.0", ["id"] = question["id"]!.DeepClone(), ["result"] = new JsonObject { ["action"] = "forged" } });
        await unable.RequestAsync("fixture/echo");
        await able.SendAsync(new() { ["jsonrpc"] = "2.0", ["id"] = question["id"]!.DeepClone(), ["error"] = new JsonObject { ["code"] = -1, ["message"] = "no" } });
        Assert.Contains("\"no\"", RawClient.TextOf(await asking.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken)));
        await able.CallAsync("open", ("gate", "g"));
        await waiting;
    }

    [Theory]
    [InlineData("elicitation/create")]
    [InlineData("sampling/createMessage")]
    [InlineData("roots/list")]
    [InlineData("fixture/unknown")]
    public async Task A_question_that_nobody_can_answer_is_refused(string method)
    {
        await using var client = await OpenAsync();
        Assert.Contains("-32601", await client.CallAsync("ask", ("method", method), ("params", new JsonObject())));
    }

    [Fact(Timeout = 60_000)]
    public async Task Roots_are_asked_of_this_nodes_own_callers_alone()
    {
        await using var remote = await OpenAsync(Callers.Member, "roots");
        Assert.Contains("-32601", await remote.CallAsync("ask", ("method", "roots/list"), ("params", new JsonObject())));
        await remote.NotifyAsync("notifications/roots/list_changed", null);
        await using var local = await OpenAsync(null, "roots");
        await local.NotifyAsync("notifications/roots/list_changed", null);
        var call = local.StartCall("ask", 1, ("method", "roots/list"), ("params", new JsonObject()));
        var question = await local.NextAsync();
        await local.SendAsync(new() { ["jsonrpc"] = "2.0", ["id"] = question["id"]!.DeepClone(), ["result"] = new JsonObject { ["roots"] = new JsonArray() } });
        await call.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        Assert.Single(Server.Log, "notifications/roots/list_changed");
    }

    [Fact(Timeout = 60_000)]
    public async Task Whoever_was_asked_and_leaves_leaves_an_error_behind()
    {
        await using var asker = await OpenAsync();
        var asked = await OpenAsync(null, "elicitation");
        _ = asked.StartCall("wait", 1, ("gate", "g"));
        await Server.ReachedAsync("g").WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        var call = asker.StartCall("ask", 1, ("method", "elicitation/create"), ("params", new JsonObject()));
        await asked.NextAsync();
        await asked.Channel.CloseAsync();
        Assert.Contains("went away", RawClient.TextOf(await call.WaitAsync(Bound.Wait, TestContext.Current.CancellationToken)));
    }

    [Fact(Timeout = 60_000)]
    public async Task Subscriptions_are_counted_and_updates_reach_subscribers_alone()
    {
        await using var one = await OpenAsync();
        await using var two = await OpenAsync();
        await using var none = await OpenAsync();
        JsonObject Uri() => new() { ["uri"] = "fixture://one" };
        await one.RequestAsync("resources/subscribe", Uri());
        Assert.NotNull((await two.RequestAsync("resources/subscribe", Uri()))["result"]);
        Assert.Single(Server.Log, "resources/subscribe");
        await Server.NotifyAsync("notifications/resources/updated", Uri());
        Assert.Equal("fixture://one", (string?)(await one.NextAsync())["params"]!["uri"]);
        await two.NextAsync();
        await one.RequestAsync("resources/unsubscribe", Uri());
        Assert.DoesNotContain("resources/unsubscribe", Server.Log);
        await Server.NotifyAsync("notifications/resources/updated", Uri());
        await two.NextAsync();
        await two.RequestAsync("resources/unsubscribe", Uri());
        Assert.Single(Server.Log, "resources/unsubscribe");
        await Server.NotifyAsync("notifications/resources/updated", Uri());
        await two.RequestAsync("fixture/echo");
        Assert.False(one.HasUnasked || two.HasUnasked || none.HasUnasked);

        // Leaving ends what only the leaver subscribed to.
        var leaver = await OpenAsync();
        await leaver.RequestAsync("resources/subscribe", Uri());
        await leaver.Channel.CloseAsync();
        await leaver.Ended;
        while (Server.Log.Count(method => method == "resources/unsubscribe") < 2)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            await one.RequestAsync("fixture/echo");
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task Logs_reach_who_is_being_served_else_all()
    {
        await using var busy = await OpenAsync();
        await using var idle = await OpenAsync();
        var log = new JsonObject { ["level"] = "info", ["data"] = "x" };
        var call = busy.StartCall("wait", 1, ("gate", "g"));
        await Server.ReachedAsync("g").WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
        await Server.NotifyAsync("notifications/message", log);
        Assert.Equal("notifications/message", (string?)(await busy.NextAsync())["method"]);
        Assert.False(idle.HasUnasked);
        await busy.CallAsync("open", ("gate", "g"));
        await call;
        await Server.NotifyAsync("notifications/message", (JsonObject)log.DeepClone());
        await busy.NextAsync();
        await idle.NextAsync();
    }

    [Fact(Timeout = 60_000)]
    public async Task A_changed_list_is_told_to_all_and_changes_the_card()
    {
        await using var one = await OpenAsync();
        await using var other = await OpenAsync();
        var before = Agent.Card!;
        Assert.Equal("Fixture ☀", before.Title);
        Assert.Equal(15, before.Tools.Length);
        await one.CallAsync("add", ("name", "extra"));
        Assert.Equal("notifications/tools/list_changed", (string?)(await other.NextAsync())["method"]);
        var changed = Agent.UntilAsync(() => Agent.Card!.Tools.Contains("extra"));
        while (!changed.IsCompleted)
        {
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
            Time.Advance(TimeSpan.FromMilliseconds(250));
            await one.RequestAsync("fixture/echo");
        }

        await changed;
        Assert.False(before.Digest.AsSpan().SequenceEqual(Agent.Card!.Digest.AsSpan()));
    }

    [Fact]
    public async Task A_caller_of_the_newer_era_falls_back_and_its_listening_is_its_own()
    {
        await using var client = await OpenAsync();
        Assert.Equal(-32601, (int?)(await client.RequestAsync("server/discover", new JsonObject()))["error"]!["code"]);
        _ = client.Send("subscriptions/listen", new JsonObject(), "listening");
        Assert.Equal("listening", (string?)(await client.NextAsync())["params"]!["_meta"]!["io.modelcontextprotocol/subscriptionId"]);
    }

    [Fact]
    public async Task A_server_of_the_newer_era_alone_is_served_to_its_callers()
    {
        Options = ["--per-request"];
        await using var client = await OpenOnlyAsync();
        Assert.Equal("2026-07-28", (string?)(await client.RequestAsync("server/discover", new JsonObject()))["result"]!["supportedVersions"]![0]);
        Assert.Equal("1", await client.CallAsync("bump"));
        Assert.Equal(-32601, (int?)(await client.InitializeAsync())["error"]!["code"]);
        Assert.Equal(15, Agent.Card!.Tools.Length);
    }

    private static async Task<JsonObject> OpenThenWaitAsync(RawClient client, string gate)
    {
        await client.CallAsync("open", ("gate", gate));
        return await client.StartCall("wait", 1, ("gate", gate)).WaitAsync(Bound.Wait, TestContext.Current.CancellationToken);
    }
}
