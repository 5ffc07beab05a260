using System.Text.Json.Nodes;
using System.Threading.Channels;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Tests.Conformance;

public sealed class ChangeTests
{
    [Theory(Timeout = 10_000)]
    [InlineData(NotificationMethods.ToolListChangedNotification, "test_trigger_tool_change")]
    [InlineData(NotificationMethods.PromptListChangedNotification, "test_trigger_prompt_change")]
    public async Task A_change_in_one_conversation_is_heard_in_another(string notification, string trigger)
    {
        await using var agent = LoadedAgent.Conformance();
        await using var watching = await agent.OpenAsync(Protocols.Client(Protocols.Initialize));
        await using var calling = await agent.OpenAsync(Protocols.Client(Protocols.Initialize));
        var heard = Channel.CreateUnbounded<string>();
        await using var handler = watching.Client.RegisterNotificationHandler(notification, (message, ct) => heard.Writer.WriteAsync(message.Method, ct));
        Assert.StartsWith("Added", (await calling.CallAsync(trigger)).Text(), StringComparison.Ordinal);
        await heard.Reader.ReadAsync(TestContext.Current.CancellationToken);
        Assert.StartsWith("Took", (await calling.CallAsync(trigger)).Text(), StringComparison.Ordinal);
        await heard.Reader.ReadAsync(TestContext.Current.CancellationToken);
    }

    [Fact(Timeout = 10_000)]
    public async Task A_listener_of_the_newer_protocol_hears_what_it_asked_for_and_nothing_else()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var watching = await agent.OpenAsync(Protocols.Client(Protocols.PerRequest));
        await using var calling = await agent.OpenAsync(Protocols.Client(Protocols.PerRequest));
        var heard = Channel.CreateUnbounded<string>();
        foreach (var method in new[] { NotificationMethods.SubscriptionsAcknowledgedNotification, NotificationMethods.ToolListChangedNotification, NotificationMethods.PromptListChangedNotification })
        {
            watching.Client.RegisterNotificationHandler(method, (message, token) => heard.Writer.WriteAsync(message.Method, token));
        }

        var ct = TestContext.Current.CancellationToken;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var listening = watching.Client.SendRequestAsync(
            new JsonRpcRequest { Method = RequestMethods.SubscriptionsListen, Params = JsonNode.Parse("""{ "notifications": { "promptsListChanged": true } }""") }, stop.Token);
        Assert.Equal(NotificationMethods.SubscriptionsAcknowledgedNotification, await heard.Reader.ReadAsync(ct));
        await calling.CallAsync("test_trigger_tool_change");
        await calling.CallAsync("test_trigger_prompt_change");
        Assert.Equal(NotificationMethods.PromptListChangedNotification, await heard.Reader.ReadAsync(ct));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => listening);
    }

    [Fact(Timeout = 10_000)]
    public async Task The_tool_that_came_can_be_called_and_once_gone_no_more()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync();
        await Assert.ThrowsAsync<McpProtocolException>(() => conversation.CallAsync("test_dynamic_tool"));
        await conversation.CallAsync("test_trigger_tool_change");
        Assert.Equal("I come and go.", (await conversation.CallAsync("test_dynamic_tool")).Text());
        await conversation.CallAsync("test_trigger_tool_change");
        await Assert.ThrowsAsync<McpProtocolException>(() => conversation.CallAsync("test_dynamic_tool"));
    }

    [Fact(Timeout = 10_000)]
    public async Task Resources_can_be_watched_up_to_a_limit_by_the_older_protocol()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(Protocols.Client(Protocols.Initialize));
        var ct = TestContext.Current.CancellationToken;
        Assert.True(conversation.Client.ServerCapabilities.Resources?.Subscribe);
        for (var i = 0; i < 64; i++)
        {
            await conversation.Client.SendRequestAsync(new JsonRpcRequest { Method = RequestMethods.ResourcesSubscribe, Params = new JsonObject { ["uri"] = $"test://{i}" } }, ct);
        }

        await Assert.ThrowsAsync<McpProtocolException>(() =>
            conversation.Client.SendRequestAsync(new JsonRpcRequest { Method = RequestMethods.ResourcesSubscribe, Params = new JsonObject { ["uri"] = "test://watched-resource" } }, ct));
        await conversation.Client.SendRequestAsync(new JsonRpcRequest { Method = RequestMethods.ResourcesUnsubscribe, Params = new JsonObject { ["uri"] = "test://0" } }, ct);
        await conversation.Client.SendRequestAsync(new JsonRpcRequest { Method = RequestMethods.ResourcesSubscribe, Params = new JsonObject { ["uri"] = "test://watched-resource" } }, ct);
    }

    [Fact(Timeout = 10_000)]
    public async Task Those_who_watch_a_resource_hear_of_it_in_both_eras_and_no_one_else()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var older = await agent.OpenAsync(Protocols.Client(Protocols.Initialize));
        await using var newer = await agent.OpenAsync(Protocols.Client(Protocols.PerRequest));
        await using var idle = await agent.OpenAsync(Protocols.Client(Protocols.Initialize));
        await using var calling = await agent.OpenAsync();
        var ct = TestContext.Current.CancellationToken;
        var heard = Channel.CreateUnbounded<string>();
        Hear(older, "older");
        Hear(newer, "newer");
        Hear(idle, "idle");
        var acknowledged = new TaskCompletionSource<JsonNode?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var handler = newer.Client.RegisterNotificationHandler(NotificationMethods.SubscriptionsAcknowledgedNotification, (message, _) =>
        {
            acknowledged.TrySetResult(message.Params);
            return ValueTask.CompletedTask;
        });

        await SubscribeAsync(RequestMethods.ResourcesSubscribe);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var listening = newer.Client.SendRequestAsync(
            new JsonRpcRequest
            {
                Method = RequestMethods.SubscriptionsListen,
                Params = JsonNode.Parse("""{ "notifications": { "resourceSubscriptions": ["test://watched-resource", "test://static-text"], "resourcesListChanged": true } }"""),
            },
            stop.Token);
        var acknowledgement = (await acknowledged.Task.WaitAsync(ct))!;
        Assert.Equal("""{"resourceSubscriptions":["test://watched-resource"]}""", acknowledgement["notifications"]!.ToJsonString());
        Assert.NotNull(acknowledgement["_meta"]?["io.modelcontextprotocol/subscriptionId"]);

        await calling.CallAsync("test_trigger_resource_change");
        Assert.Equal(["newer test://watched-resource", "older test://watched-resource"], new[] { await heard.Reader.ReadAsync(ct), await heard.Reader.ReadAsync(ct) }.Order());

        await SubscribeAsync(RequestMethods.ResourcesUnsubscribe);
        await calling.CallAsync("test_trigger_resource_change");
        Assert.Equal("newer test://watched-resource", await heard.Reader.ReadAsync(ct));

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => listening);
        Assert.False(heard.Reader.TryRead(out _));

        void Hear(Conversation conversation, string name) => conversation.Client.RegisterNotificationHandler(
            NotificationMethods.ResourceUpdatedNotification, (message, token) => heard.Writer.WriteAsync($"{name} {message.Params!["uri"]}", token));

        Task SubscribeAsync(string method) =>
            older.Client.SendRequestAsync(new JsonRpcRequest { Method = method, Params = new JsonObject { ["uri"] = "test://watched-resource" } }, ct);
    }

    [Fact(Timeout = 10_000)]
    public async Task A_conversation_that_ended_while_it_watched_disturbs_no_other()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var calling = await agent.OpenAsync();
        await using (var watching = await agent.OpenAsync(Protocols.Client(Protocols.Initialize)))
        {
            await watching.Client.SendRequestAsync(
                new JsonRpcRequest { Method = RequestMethods.ResourcesSubscribe, Params = new JsonObject { ["uri"] = "test://watched-resource" } }, TestContext.Current.CancellationToken);
        }

        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("Told those who watch.", (await calling.CallAsync("test_trigger_resource_change")).Text());
        }
    }
}
