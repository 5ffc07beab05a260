using System.Text.Json;
using System.Text.Json.Nodes;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Tests.Assistant;

public class AssistantTests
{
    private const int Patience = 30_000;

    [Fact(Timeout = Patience)]
    public async Task The_reply_comes_in_pieces_and_as_a_whole()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Says("Good ", "morning", "!");
        await using var network = With(endpoint, ("ApiKey", "secret-key"), ("Instructions", "Be kind."));
        await using var conversation = await network.OpenRawAsync();
        var answer = Assert.IsType<JsonRpcResponse>(await conversation.SendAsync(
            "tools/call", new() { ["name"] = "chat", ["arguments"] = new JsonObject { ["message"] = "Hello" }, ["_meta"] = new JsonObject { ["progressToken"] = "p" } }));
        Assert.Equal("Good morning!", answer.Result!["content"]![0]!["text"]!.ToString());
        Assert.Equal(["Good ", "morning", "!"], conversation.Notifications.Where(n => n.Method == "notifications/progress").Select(n => n.Params!["message"]!.ToString()));
        Assert.Equal("Bearer secret-key", Assert.Single(endpoint.Keys));
        var messages = endpoint.Last["messages"]!.AsArray();
        Assert.StartsWith("Be kind.", messages[0]!["content"]!.ToString());
        Assert.Equal("Hello", TextOf(messages[1]!));
        Assert.True(endpoint.Last["stream"]!.GetValue<bool>());
    }

    [Fact(Timeout = Patience)]
    public async Task What_was_said_is_remembered_by_conversation_and_caller_until_it_is_old()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Says("one").Says("two").Says("three").Says("four").Says("five");
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync();
        await conversation.CallAsync("chat", ("message", "My name is Eve"), ("conversation", "a"));
        await conversation.CallAsync("chat", ("message", "Who am I?"), ("conversation", "a"));
        Assert.Equal(["My name is Eve", "one", "Who am I?"], Said(endpoint));
        await conversation.CallAsync("chat", ("message", "Who am I?"), ("conversation", "b"));
        Assert.Equal(["Who am I?"], Said(endpoint));
        await using var other = await network.OpenAsync(FakeNetwork.Page);
        await other.CallAsync("chat", ("message", "Who am I?"), ("conversation", "a"));
        Assert.Equal(["Who am I?"], Said(endpoint));
        network.Time.Advance(TimeSpan.FromHours(13));
        await conversation.CallAsync("chat", ("message", "Still there?"), ("conversation", "a"));
        Assert.Equal(["Still there?"], Said(endpoint));
    }

    [Fact(Timeout = Patience)]
    public async Task Forgotten_is_forgotten()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Says("one").Says("two");
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync();
        await conversation.CallAsync("chat", ("message", "A secret"));
        Assert.Equal("Forgotten.", (await conversation.CallAsync("chat", ("message", "/forget"))).Text());
        await conversation.CallAsync("chat", ("message", "Hello"));
        Assert.Equal(["Hello"], Said(endpoint));
    }

    [Theory(Timeout = Patience)]
    [InlineData("once", 2)]
    [InlineData("always", 1)]
    public async Task A_tool_is_called_once_the_person_allows_it(string answer, int questions)
    {
        await using var endpoint = (await FakeEndpoint.StartAsync())
            .Calls("count", new { text = "a b c" }).Says("Three.").Calls("count", new { text = "a b" }).Says("Two.");
        await using var network = With(endpoint);
        var asked = new List<ElicitRequestParams>();
        await using var conversation = await network.OpenAsync(asked: question =>
        {
            asked.Add(question);
            return Accepts(answer);
        });
        var first = (await conversation.CallAsync("chat", ("message", "How many words has: a b c"))).Text();
        await conversation.CallAsync("chat", ("message", "And how many words has: a b"));
        Assert.Equal(questions, asked.Count);
        Assert.Contains("'count' of The text (text on bbbbbbbb)", asked[0].Message);
        Assert.Contains("""{"text":"a b c"}""", asked[0].Message);
        Assert.Equal(2, network.Called.Count);
        // Shown to the person, told to the model.
        Assert.Contains("> **count** of The text, text on bbbbbbbb", first);
        Assert.Contains("3 words", first);
        Assert.EndsWith("Three.", first);
        Assert.Contains(endpoint.Last["messages"]!.AsArray(), m => m!["role"]!.ToString() == "tool" && TextOf(m) == "2 words");
    }

    [Fact(Timeout = Patience)]
    public async Task What_was_allowed_in_one_conversation_is_asked_for_in_another()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Calls("count", new { text = "a" }).Says("One.").Calls("count", new { text = "a" }).Says("One.");
        await using var network = With(endpoint);
        var asked = 0;
        await using var conversation = await network.OpenAsync(asked: _ =>
        {
            asked++;
            return Accepts("always");
        });
        await conversation.CallAsync("chat", ("message", "count words"), ("conversation", "a"));
        await conversation.CallAsync("chat", ("message", "count words"), ("conversation", "b"));
        Assert.Equal(2, asked);
    }

    [Theory(Timeout = Patience)]
    [InlineData("no", "the person did not allow it")]
    [InlineData("decline", "the person did not allow it")]
    [InlineData("cannot ask", "can't ask them")]
    public async Task Nothing_is_called_that_the_person_has_not_allowed(string answer, string told)
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Calls("count", new { text = "a b c" }).Says("Then not.");
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync(asked: answer switch
        {
            "no" => _ => Accepts("no"),
            "decline" => _ => new() { Action = "decline" },
            _ => null,
        });
        var reply = (await conversation.CallAsync("chat", ("message", "count the words"))).Text();
        Assert.Empty(network.Called);
        Assert.Contains("Not called", reply);
        Assert.EndsWith("Then not.", reply);
        Assert.Contains(told, TextOf(endpoint.Last["messages"]!.AsArray()[^1]!));
    }

    [Fact(Timeout = Patience)]
    public async Task Who_is_served_from_elsewhere_reaches_only_what_is_open_to_it_unless_it_is_trusted()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Says("Hello").Says("Hello");
        await using var network = With(endpoint);
        await using var owner = await network.OpenAsync();
        await using var page = await network.OpenAsync(FakeNetwork.Page);
        Assert.Contains(@"read\_diary", (await owner.CallAsync("chat", ("message", "/tools"))).Text());
        Assert.DoesNotContain("diary", (await page.CallAsync("chat", ("message", "/tools"))).Text());
        Assert.DoesNotContain("diary", (await page.CallAsync("chat", ("message", "/tools diary"))).Text());
        await owner.CallAsync("chat", ("message", "Read the diary and tell the weather"));
        Assert.Contains("private_read_diary", FakeEndpoint.Offered(endpoint.Last));
        await page.CallAsync("chat", ("message", "Read the diary and tell the weather"));
        Assert.DoesNotContain("private_read_diary", FakeEndpoint.Offered(endpoint.Last));
        Assert.Contains("public_weather", FakeEndpoint.Offered(endpoint.Last));
        Assert.DoesNotContain("count", (await page.CallAsync("chat", ("message", "/tools count"))).Text());
        // Agents that talk are for people.
        Assert.DoesNotContain(FakeEndpoint.Offered(endpoint.Last), name => name.Contains("chat"));
    }

    [Theory(Timeout = Patience)]
    [InlineData("browser", true)]
    [InlineData("members", true)]
    [InlineData("guest,member", false)]
    [InlineData("owner", false)]
    public async Task Who_is_trusted_reaches_what_this_node_reaches(string trust, bool reaches)
    {
        await using var network = new FakeNetwork(("Trust", trust));
        await using var page = await network.OpenAsync(FakeNetwork.Page);
        var listed = (await page.CallAsync("chat", ("message", "/tools"))).Text();
        Assert.Equal(reaches, listed.Contains("diary") && listed.Contains("count"));
    }

    [Fact(Timeout = Patience)]
    public async Task The_model_finds_more_tools_by_itself()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Calls("find_tools", new { query = "weather" }).Calls("weather", new { city = "Kyoto" }).Says("Sunny.");
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync(asked: _ => Accepts("once"));
        Assert.EndsWith("Sunny.", (await conversation.CallAsync("chat", ("message", "Shall I take an umbrella?"))).Text());
        Assert.Equal([$"{FakeNetwork.Here}:public weather"], network.Called);
    }

    [Fact(Timeout = Patience)]
    public async Task A_tool_that_fails_is_told_to_the_model_and_shown()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Calls("fail", new { }).Says("Sorry.");
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync(asked: _ => Accepts("once"));
        var reply = (await conversation.CallAsync("chat", ("message", "use the one that always fails"))).Text();
        Assert.Contains("It is broken.", reply);
        Assert.EndsWith("Sorry.", reply);
    }

    [Fact(Timeout = Patience)]
    public async Task Rounds_of_tool_calls_end()
    {
        await using var endpoint = await FakeEndpoint.StartAsync();
        for (var i = 0; i < 4; i++)
        {
            endpoint.Calls("count", new { text = "a" });
        }

        await using var network = With(endpoint, ("Rounds", "2"));
        await using var conversation = await network.OpenAsync(asked: _ => Accepts("always"));
        Assert.Contains("Stopped after 2 rounds", (await conversation.CallAsync("chat", ("message", "count words"))).Text());
        Assert.Equal(2, network.Called.Count);
    }

    [Theory(Timeout = Patience)]
    [InlineData(401, "refuses the key: set Dawn:Plugins:assistant:ApiKey")]
    [InlineData(404, "knows no model 'fake'")]
    [InlineData(400, "did not take the request (400)")]
    public async Task What_the_endpoint_refuses_is_said_with_the_cure(int status, string words)
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Fails(status);
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync();
        Assert.Contains(words, (await conversation.CallAsync("chat", ("message", "Hello"))).Error());
    }

    [Fact(Timeout = Patience)]
    public async Task An_endpoint_that_is_not_there_is_named()
    {
        await using var network = new FakeNetwork(("Endpoint", "http://127.0.0.1:1/v1"), ("Model", "fake"));
        await using var conversation = await network.OpenAsync();
        var error = (await conversation.CallAsync("chat", ("message", "Hello"))).Error();
        Assert.Contains("http://127.0.0.1:1/v1 can't be reached", error);
        Assert.Contains("Dawn:Plugins:assistant:Endpoint", error);
    }

    [Fact(Timeout = Patience)]
    public async Task An_endpoint_that_says_nothing_is_given_up_on()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var endpoint = (await FakeEndpoint.StartAsync()).Then(async context =>
        {
            await FakeEndpoint.StreamAsync(context, [new JsonObject { ["content"] = "Well" }], "stop", whole: false);
            asked.SetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => ended.SetResult(), TaskScheduler.Default);
        });
        await using var network = With(endpoint, ("PatienceSeconds", "60"));
        await using var conversation = await network.OpenAsync();
        var heard = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var reply = conversation.Client.CallToolAsync(
            "chat", new Dictionary<string, object?> { ["message"] = "Hello" }, new Inline(_ => heard.TrySetResult()), cancellationToken: TestContext.Current.CancellationToken).AsTask();
        await asked.Task;
        await heard.Task;
        network.Time.Advance(TimeSpan.FromSeconds(61));
        Assert.Contains("said nothing for 60 s", (await reply).Error());
        await ended.Task;
    }

    [Fact(Timeout = Patience)]
    public async Task Cancelling_reaches_the_endpoint_and_the_next_message_is_answered()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var endpoint = (await FakeEndpoint.StartAsync()).Then(async context =>
        {
            asked.SetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => ended.SetResult(), TaskScheduler.Default);
        }).Says("Here I am.");
        await using var network = With(endpoint);
        await using var conversation = await network.OpenRawAsync();
        _ = conversation.SendAsync("tools/call", new() { ["name"] = "chat", ["arguments"] = new JsonObject { ["message"] = "Think" } });
        await asked.Task;
        await using var again = await network.OpenAsync();
        Assert.Contains("still being answered", (await again.CallAsync("chat", ("message", "Hurry"))).Error());
        await conversation.Transport.SendMessageAsync(
            new JsonRpcNotification { Method = "notifications/cancelled", Params = new JsonObject { ["requestId"] = 1 } }, TestContext.Current.CancellationToken);
        await ended.Task;
        CallToolResult next;
        do
        {
            // The turn before ends on its own thread.
            next = await again.CallAsync("chat", ("message", "Hello?"));
        }
        while (next.IsError == true && next.Text().Contains("still being answered"));

        Assert.Equal("Here I am.", next.Text());
        Assert.Equal(["Hello?"], Said(endpoint));
    }

    [Fact(Timeout = Patience)]
    public async Task Without_a_model_it_says_how_to_configure_one_and_finds_tools()
    {
        await using var network = new FakeNetwork();
        await using var conversation = await network.OpenAsync();
        var reply = (await conversation.CallAsync("chat", ("message", "What is the weather?"))).Text();
        Assert.Contains("No model is configured", reply);
        Assert.Contains("\"Endpoint\": \"http://127.0.0.1:11434/v1\"", reply);
        Assert.Contains("**weather** of The public", reply);
        Assert.DoesNotContain("diary", reply);
        Assert.Contains("`/tools`", (await conversation.CallAsync("chat", ("message", "/help"))).Text());
        Assert.Contains("**count**", (await conversation.CallAsync("chat", ("message", "/tools counting words"))).Text());
        Assert.Contains("None of the 4 tools", (await conversation.CallAsync("chat", ("message", "/tools zebra"))).Text());
    }

    [Fact(Timeout = Patience)]
    public async Task Images_and_texts_come_along_and_what_models_do_not_take_is_refused()
    {
        await using var endpoint = (await FakeEndpoint.StartAsync()).Says("A dot.");
        await using var network = With(endpoint);
        await using var conversation = await network.OpenAsync();
        object image = new { type = "image", data = Convert.ToBase64String([1, 2, 3]), mimeType = "image/png" };
        object text = new { type = "resource", resource = new { uri = "file:///notes.txt", mimeType = "text/plain", text = "Buy milk" } };
        object zip = new { type = "resource", resource = new { uri = "file:///a.zip", mimeType = "application/zip", blob = "AAAA" } };
        await conversation.CallAsync("chat", ("message", "What is it?"), ("attachments", new[] { image, text }));
        var parts = endpoint.Last["messages"]!.AsArray()[^1]!["content"]!.AsArray();
        Assert.Equal("data:image/png;base64,AQID", parts[1]!["image_url"]!["url"]!.ToString());
        Assert.Contains("Buy milk", parts[2]!["text"]!.ToString());
        Assert.Contains("no 'application/zip'", (await conversation.CallAsync("chat", ("message", "And this?"), ("attachments", new[] { zip }))).Error());
    }

    [Theory(Timeout = Patience)]
    [InlineData("Endpoint", "nowhere", "Dawn:Plugins:assistant:Endpoint is 'nowhere'")]
    [InlineData("Model", "qwen3", "Dawn:Plugins:assistant:Endpoint is missing")]
    [InlineData("Modle", "qwen3", "Dawn:Plugins:assistant:Modle is no setting")]
    [InlineData("Trust", "friends", "Dawn:Plugins:assistant:Trust is 'friends'")]
    [InlineData("Rounds", "99", "Dawn:Plugins:assistant:Rounds is '99'; give a number from 1 to 50")]
    public async Task Wrong_settings_are_named(string key, string value, string words)
    {
        await using var network = new FakeNetwork((key, value));
        var failure = await Assert.ThrowsAsync<System.Reflection.TargetInvocationException>(() => network.OpenAsync());
        Assert.Contains(words, failure.InnerException!.Message);
    }

    [Fact(Timeout = Patience)]
    public async Task A_key_is_not_sent_where_others_can_read_it()
    {
        await using var network = new FakeNetwork(("Endpoint", "http://models.example/v1"), ("Model", "m"), ("ApiKey", "sk-1234"));
        var failure = await Assert.ThrowsAsync<System.Reflection.TargetInvocationException>(() => network.OpenAsync());
        Assert.Contains("must be https", failure.InnerException!.Message);
        Assert.DoesNotContain("sk-1234", failure.InnerException.Message);
    }

    private static FakeNetwork With(FakeEndpoint endpoint, params (string Key, string Value)[] settings) => new([("Endpoint", endpoint.Url), ("Model", "fake"), .. settings]);

    private static ElicitResult Accepts(string answer) => new() { Action = "accept", Content = new Dictionary<string, JsonElement> { ["answer"] = JsonSerializer.SerializeToElement(answer) } };

    private static IEnumerable<string> Said(FakeEndpoint endpoint) => endpoint.Last["messages"]!.AsArray().Skip(1).Select(m => TextOf(m!));

    private static string TextOf(JsonNode message) => message["content"] is JsonArray parts ? string.Concat(parts.Select(p => p!["text"]?.ToString())) : message["content"]?.ToString() ?? "";

    // IProgress as it should be here: at once, in order.
    private sealed class Inline(Action<ProgressNotificationValue> heard) : IProgress<ProgressNotificationValue>
    {
        public void Report(ProgressNotificationValue value) => heard(value);
    }
}
