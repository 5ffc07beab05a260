using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Tests.Assistant;

/// <summary>What is long, large, slow or cut short.</summary>
public sealed class AssistantLimitTests
{
    private const int Patience = 30_000;

    [Fact(Timeout = Patience)]
    public async Task What_is_too_large_to_keep_is_sent_once()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Says("A photo.").Says("Large.").Says("Yes.");
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync();
        object photo = new { type = "image", data = Convert.ToBase64String(new byte[5 * 1024 * 1024]), mimeType = "image/png" };
        await conversation.CallAsync("chat", ("message", "What is it?"), ("attachments", new[] { photo }));
        Assert.True(endpoint.Last.ToJsonString().Length > 5 * 1024 * 1024);
        await conversation.CallAsync("chat", ("message", "How large?"));
        Assert.True(endpoint.Last.ToJsonString().Length < 100_000);
        Assert.Contains("What is it?", endpoint.Last.ToJsonString());
    }

    [Fact(Timeout = Patience)]
    public async Task A_turn_of_long_texts_is_cut_before_it_is_kept()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Says("Long.").Says("Yes.");
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync();
        object text = new { type = "text", text = new string('x', 90_000) };
        await conversation.CallAsync("chat", ("message", "Read this"), ("attachments", Enumerable.Repeat(text, 10).ToArray()));
        await conversation.CallAsync("chat", ("message", "All of it?"));
        Assert.InRange(endpoint.Last.ToJsonString().Length, 0, 250_000);
        Assert.Contains("Read this", endpoint.Last.ToJsonString());
    }

    [Fact(Timeout = Patience)]
    public async Task A_reply_that_ends_before_its_end_is_no_reply_and_what_came_of_it_stays()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Then(context => FakeEndpoint.StreamAsync(context, [new JsonObject { ["content"] = "The answer is" }], "stop", whole: false));
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync();
        var error = (await conversation.CallAsync("chat", ("message", "Tell me"))).Error();
        Assert.StartsWith("The answer is\n\n", error);
        Assert.Contains("broke off", error);
    }

    [Fact(Timeout = Patience)]
    public async Task Why_a_reply_is_short_is_said()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Then(context => FakeEndpoint.StreamAsync(context, [new JsonObject { ["content"] = "The answer is" }], "length"));
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync();
        Assert.Contains("no room for more", (await conversation.CallAsync("chat", ("message", "Tell me"))).Text());
    }

    [Fact(Timeout = Patience)]
    public async Task Long_silence_shows_signs_of_life()
    {
        var (asked, go) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource());
        await using var endpoint = (await FakeEndpoint.StartAsync()).Then(async context =>
        {
            asked.SetResult();
            await go.Task;
            await FakeEndpoint.StreamAsync(context, [new JsonObject { ["content"] = "Done" }], "stop");
        });
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync();
        var alive = new TaskCompletionSource<JsonNode>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var hearing = conversation.Client.RegisterNotificationHandler(NotificationMethods.ProgressNotification, (notification, _) =>
        {
            alive.TrySetResult(notification.Params!);
            return default;
        });
        var saying = conversation.Client.CallToolAsync("chat", new Dictionary<string, object?> { ["message"] = "Think" }, new Progress<ProgressNotificationValue>(), cancellationToken: TestContext.Current.CancellationToken);
        await asked.Task.WaitAsync(TestContext.Current.CancellationToken);
        network.Time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal("", (string?)(await alive.Task.WaitAsync(TestContext.Current.CancellationToken))["message"]);
        go.SetResult();
        Assert.Equal("Done", (await saying).Text());
    }

    [Fact(Timeout = Patience)]
    public async Task It_does_not_claim_to_be_harmless()
    {
        await using var network = new FakeNetwork();
        await using var conversation = await network.OpenAsync();
        var chat = Assert.Single(await conversation.Client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken));
        // What it calls may do anything.
        Assert.NotEqual(false, chat.ProtocolTool.Annotations?.DestructiveHint);
    }

    private static FakeNetwork With(FakeEndpoint endpoint) => new(("Endpoint", endpoint.Url), ("Model", "fake"));
}
