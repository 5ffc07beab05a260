using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Tests.Conformance;

public sealed class NotifyingTests
{
    [Fact(Timeout = 10_000)]
    public async Task Progress_comes_before_the_answer_and_in_order()
    {
        var time = new FakeTimeProvider();
        await using var agent = LoadedAgent.Conformance(time);
        await using var conversation = await agent.OpenRawAsync();
        await WaitAsync(time, CallAsync(conversation, "test_tool_with_progress", """{ "progressToken": "p" }"""));
        Assert.Equal(["p 0/100", "p 50/100", "p 100/100"], conversation.Notifications.Select(n => $"{n.Params!["progressToken"]} {n.Params["progress"]}/{n.Params["total"]}"));

        await WaitAsync(time, CallAsync(conversation, "test_tool_with_progress", "{}"));
        Assert.Empty(conversation.Notifications);
    }

    [Fact(Timeout = 10_000)]
    public async Task Log_messages_come_with_requests_that_name_a_level()
    {
        var time = new FakeTimeProvider();
        await using var agent = LoadedAgent.Conformance(time);
        await using var conversation = await agent.OpenRawAsync();
        await WaitAsync(time, CallAsync(conversation, "test_tool_with_logging", """{ "io.modelcontextprotocol/logLevel": "info" }"""));
        Assert.Equal(["Tool execution started", "Tool processing data", "Tool execution completed"], conversation.Notifications.Select(n => (string?)n.Params!["data"]));

        foreach (var meta in new[] { "{}", """{ "io.modelcontextprotocol/logLevel": "warning" }""" })
        {
            await CallAsync(conversation, "test_logging_tool", meta);
            Assert.Empty(conversation.Notifications);
        }
    }

    [Fact(Timeout = 10_000)]
    public async Task Log_messages_come_once_an_older_client_has_set_a_level()
    {
        await using var agent = LoadedAgent.Conformance();
        await using var conversation = await agent.OpenAsync(Protocols.Client(Protocols.Initialize));
        var messages = Channel.CreateUnbounded<string?>();
        await using var handler = conversation.Client.RegisterNotificationHandler(
            NotificationMethods.LoggingMessageNotification, (notification, ct) => messages.Writer.WriteAsync((string?)notification.Params!["data"], ct));
        await conversation.Client.SetLoggingLevelAsync(LoggingLevel.Info, cancellationToken: TestContext.Current.CancellationToken);
        await conversation.CallAsync("test_logging_tool");
        Assert.Equal("Tool called", await messages.Reader.ReadAsync(TestContext.Current.CancellationToken));
    }

    private static Task<JsonRpcMessage> CallAsync(RawConversation conversation, string tool, string meta) =>
        conversation.SendAsync(RequestMethods.ToolsCall, new() { ["name"] = tool, ["_meta"] = JsonNode.Parse(meta) });

    /// <summary>Lets time pass for as long as the call waits for it.</summary>
    private static async Task WaitAsync(FakeTimeProvider time, Task<JsonRpcMessage> call)
    {
        while (!call.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(50));
            await Task.Yield();
        }

        Assert.IsType<JsonRpcResponse>(await call);
    }
}
