#pragma warning disable MCP9005 // Deprecated by 2026-07-28, and carried all the same.
using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Gateway;

public class AgentRelayTests
{
    private const int Limit = 60_000;

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task ToolsPromptsResourcesAndCompletionPass(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        var client = await gateway.ConnectAsync("/mcp/first", version);

        Assert.Equal(version, client.NegotiatedProtocolVersion);
        Assert.Contains(await client.ListToolsAsync(cancellationToken: Stop), tool => tool.Name == "echo");
        var called = await client.CallToolAsync("echo", new Dictionary<string, object?> { ["text"] = "hi" }, cancellationToken: Stop);
        Assert.Equal("first: hi", called.Content.OfType<TextContentBlock>().Single().Text);
        var prompt = await client.GetPromptAsync("greet", new Dictionary<string, object?> { ["who"] = "Ann" }, cancellationToken: Stop);
        Assert.Equal("Greet Ann from first", ((TextContentBlock)prompt.Messages.Single().Content).Text);
        var read = await client.ReadResourceAsync("test://item/5", cancellationToken: Stop);
        Assert.Equal("first has 5", ((TextResourceContents)read.Contents.Single()).Text);
        var completed = await client.CompleteAsync(new PromptReference { Name = "greet" }, "who", "A", cancellationToken: Stop);
        Assert.Equal("first/A", completed.Completion.Values.Single());
    }

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task ProgressReachesTheClient(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        var seen = 0;
        var options = new McpClientOptions();
        options.Handlers.NotificationHandlers = [new(NotificationMethods.ProgressNotification, (_, _) => { Interlocked.Increment(ref seen); return default; })];
        var client = await gateway.ConnectAsync("/mcp/first", version, options);
        await client.CallToolAsync("report", progress: new Progress<ProgressNotificationValue>(), cancellationToken: Stop);
        await Eventually.HoldsAsync(() => Volatile.Read(ref seen) == 3, "three reports");
    }

    [Fact(Timeout = Limit)]
    public async Task ProgressComesInOrderAndBeforeTheResult()
    {
        // The SDK's client hides the order, since it handles messages side by side.
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        using var request = gateway.Request("/mcp/first", "tools/call", new() { ["name"] = "report", ["_meta"] = new JsonObject { ["progressToken"] = "p" } });
        using var response = await gateway.Http.SendAsync(request, Stop);
        var messages = Messages(await response.Content.ReadAsStringAsync(Stop)).ToList();
        Assert.Equal([1, 2, 3], messages.Where(message => (string?)message["method"] == NotificationMethods.ProgressNotification).Select(message => (int)message["params"]!["progress"]!));
        Assert.Equal("reported", (string?)messages[^1]["result"]!["content"]![0]!["text"]);
    }

    [Fact(Timeout = Limit)]
    public async Task LogMessagesReachTheSession()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        var logged = 0;
        var options = new McpClientOptions();
        options.Handlers.NotificationHandlers = [new(NotificationMethods.LoggingMessageNotification, (_, _) => { Interlocked.Increment(ref logged); return default; })];
        var client = await gateway.ConnectAsync("/mcp/first", Initialize, options);
        await client.SetLoggingLevelAsync(LoggingLevel.Debug, cancellationToken: Stop);
        await client.CallToolAsync("report", cancellationToken: Stop);
        await Eventually.HoldsAsync(() => Volatile.Read(ref logged) == 3, "three log messages");
    }

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task WhatTheAgentAsksReachesTheClient(string version)
    {
        // In the newer era the very conversation that asked must get the answer: the agent's call is suspended there.
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        var client = await gateway.ConnectAsync("/mcp/first", version, Answering("Ann"));
        var other = await gateway.ConnectAsync("/mcp/first", version, Answering("Ben"));

        for (var round = 0; round < 3; round++)
        {
            var asked = client.CallToolAsync("ask", cancellationToken: Stop).AsTask();
            var askedToo = other.CallToolAsync("ask", cancellationToken: Stop).AsTask();
            Assert.Equal("accept: Ann", Text(await asked));
            Assert.Equal("accept: Ben", Text(await askedToo));
        }

        Assert.Equal("sampled by Ann", Text(await client.CallToolAsync("sample", cancellationToken: Stop)));
    }

    [Fact(Timeout = Limit)]
    public async Task UpdatesOfSubscribedResourcesPassAndSurviveABrokenLeg()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.Here);
        var updated = new ConcurrentQueue<string>();
        var options = new McpClientOptions();
        options.Handlers.NotificationHandlers = [new(NotificationMethods.ResourceUpdatedNotification, (n, _) => { updated.Enqueue((string)n.Params!["uri"]!); return default; })];
        var client = await gateway.ConnectAsync("/mcp/first", Initialize, options);
        await client.SubscribeToResourceAsync("test://static", cancellationToken: Stop);
        await Eventually.HoldsAsync(() => { _ = agent.UpdateAsync("test://static"); return !updated.IsEmpty; }, "an update");

        await gateway.Network.BreakAsync(new(FakeNetwork.Here, "first"));
        // A request that meets the break itself is told so; the next one opens a new leg.
        for (var isBack = false; !isBack;)
        {
            try
            {
                await client.ListToolsAsync(cancellationToken: Stop);
                isBack = true;
            }
            catch (McpProtocolException e)
            {
                Assert.Contains("The path was lost", e.Message, StringComparison.Ordinal);
            }
        }

        updated.Clear();
        await Eventually.HoldsAsync(() => { _ = agent.UpdateAsync("test://static"); return !updated.IsEmpty; }, "an update on the new leg");
        Assert.All(updated, uri => Assert.Equal("test://static", uri));
    }

    [Theory(Timeout = Limit)]
    [InlineData(Initialize, true, "outcome-unknown")]
    [InlineData(PerRequest, true, "outcome-unknown")]
    [InlineData(Initialize, false, "not-executed")]
    public async Task ABrokenLegSaysWhetherTheCallMayHaveRun(string version, bool transmitted, string expected)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.Here);
        var client = await gateway.ConnectAsync("/mcp/first", version);
        var call = client.CallToolAsync("slow", cancellationToken: Stop).AsTask();
        await agent.SlowStarted.Task.WaitAsync(Patience, Stop);

        await gateway.Network.BreakAsync(new(FakeNetwork.Here, "first"), transmitted);
        var error = await Assert.ThrowsAsync<McpProtocolException>(() => call);
        Assert.Equal(expected, error.Data["dawn"]);
        Assert.Contains("The path was lost", error.Message);

        // The next request gets a new leg; nothing was repeated on it.
        Assert.Equal("first: again", Text(await client.CallToolAsync("echo", new Dictionary<string, object?> { ["text"] = "again" }, cancellationToken: Stop)));
        Assert.Equal("1", Text(await client.CallToolAsync("count", cancellationToken: Stop)));
    }

    [Fact(Timeout = Limit)]
    public async Task WhatCannotBeReachedWasNotExecuted()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        gateway.Network.Way = _ => throw new Dawn.Sessions.MeshException(Dawn.Sessions.MeshError.Unreachable, "No way there now.");
        var answer = await gateway.SendAsync("/mcp/first", "tools/list");
        Assert.Equal("not-executed", (string?)answer["error"]!["data"]!["dawn"]);
        Assert.Equal("No way there now.", (string?)answer["error"]!["message"]);
    }

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task CancellingReachesTheAgent(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.Here);
        var client = await gateway.ConnectAsync("/mcp/first", version);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var call = client.CallToolAsync("slow", cancellationToken: cancellation.Token).AsTask();
        await agent.SlowStarted.Task.WaitAsync(Patience, Stop);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await agent.SlowCancelled.Task.WaitAsync(Patience, Stop);
    }

    [Fact(Timeout = Limit)]
    public async Task AClientThatDisconnectsInMidCallCancelsItAndLeavesNoLeg()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.Here);
        using (var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Stop))
        {
            var call = gateway.Http.SendAsync(gateway.Request("/mcp/first", "tools/call", new() { ["name"] = "slow" }), cancellation.Token);
            await agent.SlowStarted.Task.WaitAsync(Patience, Stop);
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        }

        await agent.SlowCancelled.Task.WaitAsync(Patience, Stop);
        await Eventually.HoldsAsync(() => gateway.Dialer.Open == 0 && gateway.Relays.Clients == 0, "no legs, no clients");
    }

    [Fact(Timeout = Limit)]
    public async Task ASessionsClientThatLeavesAStreamCancelsItsCallAlone()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.Here);
        var client = await gateway.ConnectAsync("/mcp/first", Initialize);
        using (var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Stop))
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway.Server.Url!, "/mcp/first"))
            {
                Content = new StringContent("""{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"slow"}}""", System.Text.Encoding.UTF8, "application/json"),
            };
            request.Headers.Add("Mcp-Session-Id", client.SessionId);
            request.Headers.Add("Accept", "application/json, text/event-stream");
            var call = gateway.Http.SendAsync(request, cancellation.Token);
            await agent.SlowStarted.Task.WaitAsync(Patience, Stop);
            await cancellation.CancelAsync();
            (await call.ContinueWith(done => done.IsCompletedSuccessfully ? done.Result : null, Stop))?.Dispose();
        }

        await agent.SlowCancelled.Task.WaitAsync(Patience, Stop);
        Assert.Equal("1", Text(await client.CallToolAsync("count", cancellationToken: Stop)));
    }

    [Fact(Timeout = Limit)]
    public async Task WhatAnAgentNoLongerAsksIsTakenBackFromTheClient()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        var asked = new TaskCompletionSource();
        var withdrawn = new TaskCompletionSource();
        var options = Answering("nobody");
        options.Handlers.ElicitationHandler = async (_, cancelled) =>
        {
            asked.TrySetResult();
            using var registration = cancelled.Register(() => withdrawn.TrySetResult());
            await withdrawn.Task.WaitAsync(Patience, Stop);
            return new ElicitResult { Action = "cancel" };
        };
        var client = await gateway.ConnectAsync("/mcp/first", Initialize, options);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var call = client.CallToolAsync("ask", cancellationToken: cancellation.Token).AsTask();
        await asked.Task.WaitAsync(Patience, Stop);
        await cancellation.CancelAsync();
        await withdrawn.Task.WaitAsync(Patience, Stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
    }

    [Fact(Timeout = Limit)]
    public async Task ASessionThatEndsLeavesNoLeg()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        for (var i = 0; i < 5; i++)
        {
            await using var client = await gateway.ConnectAsync("/mcp/first", Initialize);
            await client.ListToolsAsync(cancellationToken: Stop);
            Assert.Equal(1, gateway.Dialer.Open);
            await client.DisposeAsync();
            await Eventually.HoldsAsync(() => gateway.Dialer.Open == 0, "no legs");
        }
    }

    [Fact(Timeout = Limit)]
    public async Task LoneRequestsShareLegs()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        var before = gateway.Network.Dials;
        for (var i = 0; i < 20; i++)
        {
            var answer = await gateway.SendAsync("/mcp/first", "tools/call", new() { ["name"] = "echo", ["arguments"] = new JsonObject { ["text"] = $"{i}" } }, id: 7);
            Assert.Equal(7, (int)answer["id"]!);
            Assert.Equal($"first: {i}", (string?)answer["result"]!["content"]![0]!["text"]);
        }

        Assert.Equal(before + 1, gateway.Network.Dials);
        await gateway.Network.BreakAsync(new(FakeNetwork.Here, "first"));
        Assert.NotNull((await gateway.SendAsync("/mcp/first", "tools/list"))["result"]);
    }

    [Fact(Timeout = Limit)]
    public async Task NothingThatTheSdkDoesNotKnowIsLost()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        JsonNode? heard = null;
        const string result = """{"x-new":{"a":[1,null]},"content":[{"type":"hologram","beam":9}],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"odd","version":"0"}}}""";
        gateway.Network.Add("odd", FakeNetwork.There, async channel =>
        {
            while (await channel.ReceiveAsync(CancellationToken.None) is { } buffer)
            {
                using (buffer)
                {
                    var message = JsonNode.Parse(buffer.Span)!;
                    if (message["id"] is { } id)
                    {
                        heard = (string?)message["method"] == "vendor/extension" ? message : heard;
                        await channel.SendAsync(System.Text.Encoding.UTF8.GetBytes($$$$"""{"jsonrpc":"2.0","id":{{{{id}}}},"result":{{{{result}}}}}"""), CancellationToken.None);
                    }
                }
            }
        });
        var answer = await gateway.SendAsync("/mcp/odd", "vendor/extension", new() { ["unknown"] = new JsonObject { ["deep"] = true }, ["_meta"] = new JsonObject { ["traceparent"] = "00-1" } });
        Assert.Equal(result, answer["result"]!.ToJsonString());
        Assert.Equal("vendor/extension", (string?)heard!["method"]);
        Assert.True((bool)heard["params"]!["unknown"]!["deep"]!);
        Assert.Equal("00-1", (string?)heard["params"]!["_meta"]!["traceparent"]);
    }

    [Fact(Timeout = Limit)]
    public async Task AnUnknownAgentIs404WithTheCandidates()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        using var response = await gateway.Http.SendAsync(gateway.Request("/mcp/nobody", "tools/list", id: 4), Stop);
        Assert.Equal(System.Net.HttpStatusCode.NotFound, response.StatusCode);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(Stop))!;
        Assert.Equal(4, (int)body["id"]!);
        Assert.Contains($"{FakeNetwork.Here}:first", (string)body["error"]!["message"]!);
    }

    [Fact(Timeout = Limit)]
    public async Task AddressesNameTheNode()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here, "mine");
        gateway.Add("first", FakeNetwork.There, "theirs");
        var parameters = () => new JsonObject { ["name"] = "echo", ["arguments"] = new JsonObject { ["text"] = "x" } };
        Assert.Equal("mine: x", (string?)(await gateway.SendAsync("/mcp/first", "tools/call", parameters()))["result"]!["content"]![0]!["text"]);
        Assert.Equal("theirs: x", (string?)(await gateway.SendAsync($"/mcp/{FakeNetwork.There}:first", "tools/call", parameters()))["result"]!["content"]![0]!["text"]);
        Assert.Equal("theirs: x", (string?)(await gateway.SendAsync($"/mcp/{FakeNetwork.There.ToString()[..6]}:first", "tools/call", parameters()))["result"]!["content"]![0]!["text"]);
    }

    [Fact(Timeout = Limit)]
    public async Task DiscoverSaysWhatTheGatewaySpeaks()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        var result = (await gateway.SendAsync("/mcp/first", "server/discover"))["result"]!;
        Assert.Equal([PerRequest, Initialize, "2025-06-18", "2025-03-26", "2024-11-05"], result["supportedVersions"]!.AsArray().Select(version => (string?)version));
        Assert.Equal("first", (string?)result["_meta"]!["io.modelcontextprotocol/serverInfo"]!["name"]);
    }

    internal static McpClientOptions Answering(string name)
    {
        var options = new McpClientOptions();
        options.Handlers.ElicitationHandler = (_, _) => new(new ElicitResult
        {
            Action = "accept",
            Content = new Dictionary<string, System.Text.Json.JsonElement> { ["name"] = System.Text.Json.JsonSerializer.SerializeToElement(name) },
        });
        options.Handlers.SamplingHandler = (_, _, _) => new(new CreateMessageResult { Model = "m", Role = Role.Assistant, Content = [new TextContentBlock { Text = $"sampled by {name}" }] });
        return options;
    }

    internal static string Text(CallToolResult result) => result.Content.OfType<TextContentBlock>().Single().Text;
}
