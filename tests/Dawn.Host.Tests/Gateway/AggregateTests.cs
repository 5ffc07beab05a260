#pragma warning disable MCP9005 // Deprecated by 2026-07-28, and carried all the same.
using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dawn.Agents;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Sessions;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;
using static Dawn.Tests.Gateway.AgentRelayTests;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Gateway;

public class AggregateTests
{
    private const int Limit = 60_000;

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task AllAgentsAreOneServer(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        gateway.Add("second", FakeNetwork.There);
        gateway.Add("node", FakeNetwork.Here);
        var client = await gateway.ConnectAsync("/mcp", version);

        Assert.Equal("dawn", client.ServerInfo?.Name);
        var tools = (await client.ListToolsAsync(cancellationToken: Stop)).Select(tool => tool.Name).ToList();
        Assert.Contains("first__echo", tools);
        Assert.Contains("second__echo", tools);
        Assert.DoesNotContain(tools, tool => tool.StartsWith("node", StringComparison.Ordinal));
        Assert.Equal("second: hi", Text(await client.CallToolAsync("second__echo", new Dictionary<string, object?> { ["text"] = "hi" }, cancellationToken: Stop)));

        var prompt = await client.GetPromptAsync("second__greet", new Dictionary<string, object?> { ["who"] = "Ann" }, cancellationToken: Stop);
        Assert.Equal("Greet Ann from second", ((TextContentBlock)prompt.Messages.Single().Content).Text);
        var completed = await client.CompleteAsync(new PromptReference { Name = "first__greet" }, "who", "A", cancellationToken: Stop);
        Assert.Equal("first/A", completed.Completion.Values.Single());
    }

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task NobodyIsAskedBeforeAClientCame_AndItsFirstRequestMayBeACall(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        gateway.Add("second", FakeNetwork.There);
        Assert.Equal(0, gateway.Network.Dials);

        // The name is one that the client remembers.
        var client = await gateway.ConnectAsync("/mcp", version);
        Assert.Equal("second: hi", Text(await client.CallToolAsync("second__echo", new Dictionary<string, object?> { ["text"] = "hi" }, cancellationToken: Stop)));
    }

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task ResourcesAreWrappedAndFoundAgain(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        gateway.Add("second", FakeNetwork.There);
        var client = await gateway.ConnectAsync("/mcp", version);

        var listed = (await client.ListResourcesAsync(cancellationToken: Stop)).Select(resource => resource.Uri).Single(uri => uri.Contains("/second/"));
        Assert.StartsWith($"dawn://{FakeNetwork.There}/second/", listed);
        var read = (TextResourceContents)(await client.ReadResourceAsync(listed, cancellationToken: Stop)).Contents.Single();
        Assert.Equal(("text of second", listed), (read.Text, read.Uri));

        var template = (await client.ListResourceTemplatesAsync(cancellationToken: Stop)).Select(t => t.UriTemplate).Single(uri => uri.Contains("/second/"));
        var expanded = await client.ReadResourceAsync(template.Replace("{id}", "a%2Fb", StringComparison.Ordinal), cancellationToken: Stop);
        Assert.Equal("second has a/b", ((TextResourceContents)expanded.Contents.Single()).Text);
        var completed = await client.CompleteAsync(new ResourceTemplateReference { Uri = template }, "id", "4", cancellationToken: Stop);
        Assert.Equal("second/4", completed.Completion.Values.Single());

        var linked = (await client.CallToolAsync("second__linked", cancellationToken: Stop)).Content;
        var followed = await client.ReadResourceAsync(linked.OfType<ResourceLinkBlock>().Single().Uri, cancellationToken: Stop);
        Assert.Equal("second has 7", ((TextResourceContents)followed.Contents.Single()).Text);
        Assert.Equal(listed, linked.OfType<EmbeddedResourceBlock>().Single().Resource.Uri);
    }

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task WhatAgentsAskReachesTheRightClient(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        gateway.Add("second", FakeNetwork.There);
        var ann = await gateway.ConnectAsync("/mcp", version, Answering("Ann"));
        var ben = await gateway.ConnectAsync("/mcp", version, Answering("Ben"));
        await ann.ListToolsAsync(cancellationToken: Stop);
        var calls = new[] { ann.CallToolAsync("first__ask", cancellationToken: Stop), ben.CallToolAsync("first__ask", cancellationToken: Stop), ann.CallToolAsync("second__ask", cancellationToken: Stop), ben.CallToolAsync("second__sample", cancellationToken: Stop) };
        var answers = await Task.WhenAll(calls.Select(call => call.AsTask()));
        Assert.Equal(["accept: Ann", "accept: Ben", "accept: Ann", "sampled by Ben"], answers.Select(Text));
    }

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task TwoAgentsOfOneIdHaveTwoNamesThatStay(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.There, "theirs");
        var client = await gateway.ConnectAsync("/mcp", version);
        await Eventually.HoldsAsync(() => Names(client).Contains("first__echo"), "the first");
        gateway.Add("first", FakeNetwork.Here, "mine");
        var clash = $"first-{FakeNetwork.Here.ToString()[..6]}__echo";
        await Eventually.HoldsAsync(() => Names(client).Contains(clash), "the second");

        // Neither the local one's precedence nor the other's absence moves a name.
        gateway.Network.Remove(new(FakeNetwork.There, "first"));
        await Eventually.HoldsAsync(() => !Names(client).Contains("first__echo"), "the first one's end");
        Assert.Contains(clash, Names(client));
        Assert.Equal("mine: x", Text(await client.CallToolAsync(clash, new Dictionary<string, object?> { ["text"] = "x" }, cancellationToken: Stop)));
    }

    [Fact(Timeout = Limit)]
    public async Task SlowAndDeadAgentsDelayNobody()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Network.Way = agent => agent.Agent switch
        {
            "slow" => Task.Delay(Timeout.Infinite, Stop),
            "dead" => throw new MeshException(MeshError.Unreachable, "dead"),
            _ => Task.CompletedTask,
        };
        gateway.Add("slow", FakeNetwork.There);
        gateway.Add("dead", FakeNetwork.There);
        gateway.Add("first", FakeNetwork.Here);
        var started = TimeProvider.System.GetTimestamp();
        var client = await gateway.ConnectAsync("/mcp", Initialize);
        Assert.Contains("first__echo", Names(client));
        Assert.Equal("first: x", Text(await client.CallToolAsync("first__echo", new Dictionary<string, object?> { ["text"] = "x" }, cancellationToken: Stop)));
        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(8));
    }

    [Fact(Timeout = Limit)]
    public async Task ComingAndGoingIsAnnouncedToSessions()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var announced = Channel.CreateUnbounded<string>();
        var options = new McpClientOptions();
        options.Handlers.NotificationHandlers = new[] { NotificationMethods.ToolListChangedNotification, NotificationMethods.PromptListChangedNotification, NotificationMethods.ResourceListChangedNotification }
            .Select(method => KeyValuePair.Create(method, (Func<JsonRpcNotification, CancellationToken, ValueTask>)((_, _) => announced.Writer.WriteAsync(method, CancellationToken.None))));
        var client = await gateway.ConnectAsync("/mcp", Initialize, options);
        await client.ListToolsAsync(cancellationToken: Stop);

        // The stream for such messages opens beside the session, so the first may come before it.
        using var rounds = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        for (var round = 0; !announced.Reader.TryRead(out _); round++)
        {
            gateway.Add($"agent-{round}", FakeNetwork.There);
            await rounds.WaitForNextTickAsync(Stop);
        }

        while (announced.Reader.TryRead(out _))
        {
        }

        gateway.Add("late", FakeNetwork.There);
        await SeenAsync(announced.Reader, 3);
        Assert.Contains("late__echo", Names(client));
        gateway.Network.Remove(new(FakeNetwork.There, "late"));
        await SeenAsync(announced.Reader, 3);
        Assert.DoesNotContain("late__echo", Names(client));

        static async Task SeenAsync(ChannelReader<string> reader, int kinds)
        {
            var seen = new HashSet<string>();
            while (seen.Count < kinds)
            {
                seen.Add(await reader.ReadAsync(Stop).AsTask().WaitAsync(Patience, Stop));
            }
        }
    }

    [Fact(Timeout = Limit)]
    public async Task ListenersHearOfListsAndResources()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        var older = gateway.Add("older", FakeNetwork.There);
        gateway.Network.Remove(new(FakeNetwork.There, "older"));
        // Forgotten for good, before one of the same name and the same lists comes.
        await gateway.Catalog.GetAsync(Stop);
        AddOlder(gateway, "older", older);
        await Eventually.HoldsAsync(() => gateway.Catalog.GetAsync(Stop).GetAwaiter().GetResult().Tools.Any(tool => (string?)tool["name"] == "older__echo"), "the older agent");

        var wrapped = ResourceUris.Wrap(new(FakeNetwork.There, "older"), "test://static");
        var wanted = new JsonObject { ["toolsListChanged"] = true, ["resourceSubscriptions"] = new JsonArray(wrapped, "nonsense://") };
        var response = await gateway.Http.SendAsync(
            gateway.Request("/mcp", "subscriptions/listen", new() { ["notifications"] = wanted }, id: 42), HttpCompletionOption.ResponseHeadersRead, Stop);
        var messages = ReadAsync(response, Stop);
        var acknowledged = await NextAsync(messages);
        Assert.Equal("notifications/subscriptions/acknowledged", (string?)acknowledged["method"]);
        Assert.Equal([wrapped], acknowledged["params"]!["notifications"]!["resourceSubscriptions"]!.AsArray().Select(uri => (string?)uri));
        Assert.Equal(42, (int)acknowledged["params"]!["_meta"]!["io.modelcontextprotocol/subscriptionId"]!);

        gateway.Add("late", FakeNetwork.There);
        var changed = await NextAsync(messages);
        Assert.Equal(NotificationMethods.ToolListChangedNotification, (string?)changed["method"]);
        Assert.Equal(42, (int)changed["params"]!["_meta"]!["io.modelcontextprotocol/subscriptionId"]!);

        await Eventually.HoldsAsync(() => older.Subscribed("test://static"), "the subscription at the agent");
        await older.UpdateAsync("test://static");
        var updated = await NextAsync(messages);
        Assert.Equal((NotificationMethods.ResourceUpdatedNotification, wrapped), ((string?)updated["method"], (string?)updated["params"]!["uri"]));
        Assert.Equal(42, (int)updated["params"]!["_meta"]!["io.modelcontextprotocol/subscriptionId"]!);

        response.Dispose();
        await Eventually.HoldsAsync(() => gateway.Relays.Clients == 0 && gateway.Dialer.Open == 0, "no legs");
    }

    [Fact(Timeout = Limit)]
    public async Task SessionsSubscribeToWrappedResources()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.There);
        var updated = new ConcurrentQueue<string>();
        var options = new McpClientOptions();
        options.Handlers.NotificationHandlers = [new(NotificationMethods.ResourceUpdatedNotification, (n, _) => { updated.Enqueue((string)n.Params!["uri"]!); return default; })];
        var client = await gateway.ConnectAsync("/mcp", Initialize, options);
        var wrapped = ResourceUris.Wrap(new(FakeNetwork.There, "first"), "test://static");
        await client.SetLoggingLevelAsync(LoggingLevel.Info, cancellationToken: Stop);
        await client.SubscribeToResourceAsync(wrapped, cancellationToken: Stop);
        await Eventually.HoldsAsync(() => { _ = agent.UpdateAsync("test://static"); return !updated.IsEmpty; }, "an update");
        Assert.All(updated, uri => Assert.Equal(wrapped, uri));
        await client.UnsubscribeFromResourceAsync(wrapped, cancellationToken: Stop);
        Assert.False(agent.Subscribed("test://static"));
    }

    [Fact(Timeout = Limit)]
    public async Task ANewDigestBringsNewTools()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.Here);
        var client = await gateway.ConnectAsync("/mcp", PerRequest);
        Assert.DoesNotContain("first__more", Names(client));
        await gateway.SettleAsync();
        var dials = gateway.Network.Dials;
        Assert.DoesNotContain("first__more", Names(client));
        Assert.Equal(dials, gateway.Network.Dials);

        agent.AddTool("more");
        gateway.Network.NewDigest(new(FakeNetwork.Here, "first"), "2");
        await Eventually.HoldsAsync(() => Names(client).Contains("first__more"), "the new tool");
    }

    [Fact(Timeout = Limit)]
    public async Task NewerClientsUseOlderAgents()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        AddOlder(gateway, "older", new TestAgent("older"));
        await gateway.SettleAsync();
        var answer = await gateway.SendAsync("/mcp", "tools/call", new() { ["name"] = "older__echo", ["arguments"] = new JsonObject { ["text"] = "x" } });
        Assert.Equal("older: x", (string?)answer["result"]!["content"]![0]!["text"]);
        Assert.Equal("complete", (string?)answer["result"]!["resultType"]);
    }

    [Fact(Timeout = Limit)]
    public async Task ABrokenLegFailsItsCallsAndNoOthers()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var first = gateway.Add("first", FakeNetwork.Here);
        var second = gateway.Add("second", FakeNetwork.There);
        var client = await gateway.ConnectAsync("/mcp", Initialize);
        await client.ListToolsAsync(cancellationToken: Stop);
        var lost = client.CallToolAsync("first__slow", cancellationToken: Stop).AsTask();
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var kept = client.CallToolAsync("second__slow", cancellationToken: cancellation.Token).AsTask();
        await Task.WhenAll(first.SlowStarted.Task, second.SlowStarted.Task).WaitAsync(Patience, Stop);
        await gateway.Network.BreakAsync(new(FakeNetwork.Here, "first"));
        Assert.Equal("outcome-unknown", (await Assert.ThrowsAsync<McpProtocolException>(() => lost)).Data["dawn"]);
        Assert.False(kept.IsCompleted);
        Assert.Equal("1", Text(await client.CallToolAsync("first__count", cancellationToken: Stop)));
        await cancellation.CancelAsync();
        await second.SlowCancelled.Task.WaitAsync(Patience, Stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => kept);
    }

    [Fact(Timeout = Limit)]
    public async Task UnknownNamesAreRefused()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("node", FakeNetwork.Here);
        foreach (var (method, parameters) in new[]
        {
            ("tools/call", new JsonObject { ["name"] = "nobody__echo" }),
            ("tools/call", new JsonObject { ["name"] = "node__echo" }),
            ("resources/read", new JsonObject { ["uri"] = "test://static" }),
            ("resources/read", new JsonObject { ["uri"] = ResourceUris.Wrap(new(FakeNetwork.Here, AgentId.Node), "test://static") }),
            ("tools/list", new JsonObject { ["cursor"] = "x" }),
        })
        {
            Assert.Equal(-32602, (int)(await gateway.SendAsync("/mcp", method, parameters))["error"]!["code"]!);
        }

        Assert.Equal(-32601, (int)(await gateway.SendAsync("/mcp", "vendor/extension"))["error"]!["code"]!);
    }

    [Fact(Timeout = Limit)]
    public async Task LongListsComeInPages()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("many", FakeNetwork.Here);
        for (var i = 0; i < 1500; i++)
        {
            agent.AddTool($"tool-{i}");
        }

        gateway.Network.NewDigest(new(FakeNetwork.Here, "many"), "2");
        await Eventually.HoldsAsync(() => gateway.Catalog.GetAsync(Stop).GetAwaiter().GetResult().Tools.Length > 1500, "many tools");
        var client = await gateway.ConnectAsync("/mcp", Initialize);
        Assert.True(Names(client).Count > 1500);
        var page = (await gateway.SendAsync("/mcp", "tools/list"))["result"]!;
        Assert.Equal(("1000", 1000), ((string?)page["nextCursor"], page["tools"]!.AsArray().Count));
    }

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task AnyTransportServes(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.There);
        var (near, far) = LocalChannel.CreatePair();
        await using var transport = new ChannelTransport("socket", far, ownsChannel: true);
        var serving = gateway.Aggregate.ServeAsync(transport, AgentId.Owner, Stop);
        var options = Answering("Ann");
        options.ProtocolVersion = version;
        await using (var client = await McpClient.CreateAsync(new ChannelClientTransport("socket", near), options, cancellationToken: Stop))
        {
            Assert.Contains("first__echo", Names(client));
            await gateway.SettleAsync();
            gateway.Network.Callers.Clear();
            Assert.Equal("accept: Ann", Text(await client.CallToolAsync("first__ask", cancellationToken: Stop)));
            Assert.Equal([AgentId.Owner], gateway.Network.Callers);
        }

        await serving.WaitAsync(Patience, Stop);
        if (version == Initialize)
        {
            Assert.Equal(0, gateway.Dialer.Open);
        }
    }

    private static List<string> Names(McpClient client) => client.ListToolsAsync(cancellationToken: Stop).AsTask().GetAwaiter().GetResult().Select(tool => tool.Name).ToList();

    private static void AddOlder(GatewayFixture gateway, string id, TestAgent agent) => gateway.Network.Add(id, FakeNetwork.There, () =>
    {
        var options = agent.Options();
        options.ProtocolVersion = Initialize;
        return options;
    });

    private static IAsyncEnumerator<JsonNode> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        return Lines().GetAsyncEnumerator(cancellationToken);

        async IAsyncEnumerable<JsonNode> Lines()
        {
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
            while (await reader.ReadLineAsync(cancellationToken) is { } line)
            {
                if (line.StartsWith("data: {", StringComparison.Ordinal))
                {
                    yield return JsonNode.Parse(line["data: ".Length..])!;
                }
            }
        }
    }

    private static async Task<JsonNode> NextAsync(IAsyncEnumerator<JsonNode> messages)
    {
        Assert.True(await messages.MoveNextAsync().AsTask().WaitAsync(Patience, Stop));
        return messages.Current;
    }
}
