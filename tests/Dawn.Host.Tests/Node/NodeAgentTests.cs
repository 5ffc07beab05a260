using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dawn.Agents;
using Dawn.Agents.Node;
using Dawn.Identity;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.Tests.Node;

public sealed class NodeAgentTests
{
    private static readonly string[] ReadTools = ["agents", "id", "links", "mode", "peers", "plugins", "registry_conflicts", "registry_log", "registry_records", "routes", "sessions", "status", "trace"];
    private static readonly string[] AdminTools = ["connect", "diagnosis", "disconnect", "invite", "log_levels", "logs", "reload", "set_log_level", "set_mode", "stop", "ui"];

    private static readonly NodeId Trusted = FakeNode.Id(7);
    private static readonly Caller LocalOwner = new(FakeNode.Self, AgentId.Owner, CertificateRole.Member, true);

    private static readonly Dictionary<string, Caller> Strangers = new()
    {
        ["gateway of this node"] = LocalOwner with { Agent = AgentId.Gateway },
        ["agent of this node"] = LocalOwner with { Agent = "helper" },
        ["the node's own agent"] = LocalOwner with { Agent = AgentId.Node },
        ["owner of another member"] = new(FakeNode.Id(8), AgentId.Owner, CertificateRole.Member, false),
        ["owner of a browser"] = new(FakeNode.Id(9), AgentId.Owner, CertificateRole.Browser, false),
        ["gateway of a listed owner's node"] = new(Trusted, AgentId.Gateway, CertificateRole.Member, false),
        ["agent of a listed owner's node"] = new(Trusted, "helper", CertificateRole.Member, false),
        ["listed owner, unsealed"] = new(Trusted, AgentId.Owner, CertificateRole.Member, false, IsSealed: false),
        ["this node's owner, unsealed"] = LocalOwner with { IsSealed = false },
    };

    private readonly FakeNode _node = new();
    private readonly LogRing _logs = new(TimeProvider.System);

    public static TheoryData<string, string> AdminToolsByStrangers()
    {
        var data = new TheoryData<string, string>();
        foreach (var stranger in Strangers.Keys)
        {
            foreach (var tool in AdminTools)
            {
                data.Add(stranger, tool);
            }
        }

        return data;
    }

    [Theory(Timeout = 30_000)]
    [MemberData(nameof(AdminToolsByStrangers))]
    public async Task AdminToolsAreNeitherShownNorGivenToOthers(string stranger, string tool)
    {
        await using var client = await McpClients.OpenAsync(Agent(), Strangers[stranger]);

        var listed = await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(ReadTools, listed.Select(t => t.Name).Order(StringComparer.Ordinal));

        var arguments = new Dictionary<string, object?> { ["name"] = "hybrid", ["address"] = "ws://10.0.0.9:1", ["node"] = Trusted.ToString() };
        var result = await client.CallToolAsync(tool, arguments, cancellationToken: TestContext.Current.CancellationToken);
        Assert.True(result.IsError);
        Assert.StartsWith("Admin tools ", Text(result));
        Assert.Empty(_node.Actions);

        var refused = await Assert.ThrowsAsync<McpProtocolException>(async () => await client.ReadResourceAsync("dawn://node/config", cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains("Admin tools ", refused.Message);
        Assert.DoesNotContain("dawn://node/config", (await client.ListResourcesAsync(cancellationToken: TestContext.Current.CancellationToken)).Select(r => r.Uri));
    }

    [Theory(Timeout = 30_000)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task AnOwnerHasAllTools(bool isLocal)
    {
        await using var client = await McpClients.OpenAsync(Agent(), isLocal ? LocalOwner : new(Trusted, AgentId.Owner, CertificateRole.Member, false));

        var tools = await client.ListToolsAsync(cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(ReadTools.Concat(AdminTools).Order(StringComparer.Ordinal), tools.Select(t => t.Name).Order(StringComparer.Ordinal));
        Assert.All(tools, t => Assert.Equal("object", t.ProtocolTool.OutputSchema!.Value.GetProperty("type").GetString()));
        Assert.Equal(ReadTools.Concat(["diagnosis", "log_levels", "logs"]).Order(StringComparer.Ordinal), tools.Where(t => t.ProtocolTool.Annotations!.ReadOnlyHint == true).Select(t => t.Name).Order(StringComparer.Ordinal));

        await CallAsync(client, "set_mode", new() { ["name"] = "hybrid" });
        await CallAsync(client, "invite", new() { ["role"] = "guest", ["uses"] = 3, ["expiresSeconds"] = 60 });
        await CallAsync(client, "invite", []);
        await CallAsync(client, "connect", new() { ["address"] = "ws://10.0.0.9:7610" });
        await CallAsync(client, "disconnect", new() { ["node"] = "abcdef" });
        await CallAsync(client, "reload", []);
        await CallAsync(client, "stop", []);
        Assert.Equal(["mode hybrid", "invite Guest 3 60", "invite Member 1 600", "connect ws://10.0.0.9:7610/", "disconnect abcdef", "reload", "stop"], _node.Actions);
    }

    [Fact(Timeout = 30_000)]
    public async Task FactsComeAsStructuredContentInTheDocumentedShapes()
    {
        await using var client = await McpClients.OpenAsync(Agent(), Strangers["owner of another member"]);

        Task<JsonElement> Ask(string tool, Dictionary<string, object?> arguments) => CallAsync(client, tool, arguments).WaitAsync(TestContext.Current.CancellationToken);

        var agents = (await Ask("agents", [])).GetProperty("agents");
        Assert.Equal(["address", "node", "agent", "title", "online", "tools"], Names(agents[0]));
        Assert.Equal(["address", "node", "agent", "title", "online", "tools", "problem"], Names(agents[1]));
        Assert.Equal("It can't start. Install it.", agents[1].GetProperty("problem").GetString());

        var peers = (await Ask("peers", [])).GetProperty("peers");
        Assert.All(peers.EnumerateArray(), p => Assert.Equal(["node", "state", "addresses", "transport", "encryption", "rttMs"], Names(p)));
        Assert.Equal(JsonValueKind.Null, peers[1].GetProperty("rttMs").ValueKind);

        var status = await Ask("status", []);
        Assert.Equal("broken", status.GetProperty("problems")[0].GetProperty("name").GetString());
        Assert.Equal("decentralized", (await Ask("mode", [])).GetProperty("mode").GetString());
        Assert.Equal(FakeNode.Self.ToString(), (await Ask("id", [])).GetProperty("node").GetString());
        Assert.Equal("It throws.", (await Ask("plugins", [])).GetProperty("plugins")[1].GetProperty("problem").GetString());
        Assert.Equal("out", (await Ask("links", [])).GetProperty("links")[0].GetProperty("direction").GetString());
        var routes = (await Ask("routes", [])).GetProperty("routes");
        Assert.All(routes.EnumerateArray(), r => Assert.Equal(["target", "nextHop", "kind", "rttMs"], Names(r)));
        var trace = await Ask("trace", new() { ["address"] = "echo" });
        Assert.Equal(["target", "mode", "path", "complete", "via", "encryption", "sessionRttMs"], Names(trace));
        Assert.All(trace.GetProperty("path").EnumerateArray(), h => Assert.Equal(["hop", "node", "rttMs"], Names(h)));
        Assert.Equal(1, (await Ask("sessions", [])).GetProperty("sessions")[0].GetProperty("channels").GetInt32());
    }

    [Theory(Timeout = 30_000)]
    [InlineData("set_mode", """{"name":"sideways"}""", "'sideways' is no mode")]
    [InlineData("invite", """{"role":"king"}""", "'king' is no role")]
    [InlineData("invite", """{"role":"9"}""", "'9' is no role")]
    [InlineData("invite", """{"uses":0}""", "1 to 1000 times, not 0")]
    [InlineData("invite", """{"expiresSeconds":99999999}""", "30 days")]
    [InlineData("connect", """{"address":"nowhere"}""", "not an address like")]
    [InlineData("logs", """{"level":"loud"}""", "'loud' is no level")]
    public async Task AFailedActionSaysWhyInOneLine(string tool, string arguments, string expected)
    {
        await using var client = await McpClients.OpenAsync(Agent(), LocalOwner);

        var result = await client.CallToolAsync(tool, JsonSerializer.Deserialize<Dictionary<string, object?>>(arguments)!, cancellationToken: TestContext.Current.CancellationToken);

        Assert.True(result.IsError);
        Assert.Contains(expected, Text(result));
        Assert.DoesNotContain('\n', Text(result));
    }

    [Fact(Timeout = 30_000)]
    public async Task AFaultOfTheNodeIsNotShownButAMeshFailureIs()
    {
        await using var client = await McpClients.OpenAsync(Agent(), LocalOwner);

        _node.Failure = new MeshException(MeshError.Unreachable, "No way there. Try later.");
        Assert.Equal("No way there. Try later.", Text(await client.CallToolAsync("reload", cancellationToken: TestContext.Current.CancellationToken)));

        _node.Failure = new NullReferenceException("private detail");
        var fault = await client.CallToolAsync("reload", cancellationToken: TestContext.Current.CancellationToken);
        Assert.True(fault.IsError);
        Assert.DoesNotContain("private detail", Text(fault));
        Assert.Contains("dawn logs", Text(fault));
    }

    [Fact(Timeout = 30_000)]
    public async Task ResourcesAreReadAndWatched()
    {
        await using var client = await McpClients.OpenAsync(Agent(), LocalOwner);
        var uris = (await client.ListResourcesAsync(cancellationToken: TestContext.Current.CancellationToken)).Select(r => r.Uri).ToList();
        Assert.Equal(["dawn://node/status", "dawn://node/agents", "dawn://node/peers", "dawn://node/links", "dawn://node/routes", "dawn://node/plugins", "dawn://node/registry", "dawn://node/config"], uris);
        foreach (var uri in uris)
        {
            var text = Assert.IsType<TextResourceContents>(Assert.Single((await client.ReadResourceAsync(uri, cancellationToken: TestContext.Current.CancellationToken)).Contents));
            Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(text.Text).RootElement.ValueKind);
        }

        await Assert.ThrowsAsync<McpProtocolException>(async () => await client.ReadResourceAsync("dawn://node/nothing", cancellationToken: TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = 30_000)]
    public async Task SubscribersHearOfWhatTheySubscribedToAlone()
    {
        await using var client = await McpClients.OpenAsync(Agent(), LocalOwner with { Agent = "helper" }, new() { ProtocolVersion = "2025-11-25" });
        var heard = Channel.CreateUnbounded<string>();
        await using var subscription = await client.SubscribeToResourceAsync("dawn://node/peers", (update, _) =>
        {
            heard.Writer.TryWrite(update.Uri);
            return default;
        }, null, TestContext.Current.CancellationToken);

        _node.Raise(NodeFacts.Agents | NodeFacts.Status);
        _node.Raise(NodeFacts.Peers);

        Assert.Equal("dawn://node/peers", await heard.Reader.ReadAsync(TestContext.Current.CancellationToken));
        await CallAsync(client, "id", []);
        Assert.False(heard.Reader.TryRead(out _));
        await Assert.ThrowsAsync<McpProtocolException>(async () => await client.SubscribeToResourceAsync("dawn://node/config", null, TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = 30_000)]
    public async Task ListenersOfTheLaterProtocolAreAcknowledgedAndTold()
    {
        await using var client = await McpClients.OpenAsync(Agent(), LocalOwner with { Agent = "helper" }, new() { ProtocolVersion = "2026-07-28" });
        var heard = Channel.CreateUnbounded<JsonRpcNotification>();
        foreach (var method in new[] { "notifications/subscriptions/acknowledged", "notifications/resources/updated" })
        {
            client.RegisterNotificationHandler(method, (notification, _) =>
            {
                heard.Writer.TryWrite(notification);
                return default;
            });
        }

        var listening = client.SendRequestAsync(new JsonRpcRequest
        {
            Method = "subscriptions/listen",
            Params = JsonNode.Parse("""{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["dawn://node/agents","dawn://node/config","x:y"]}}"""),
        }, TestContext.Current.CancellationToken);
        var acknowledged = await heard.Reader.ReadAsync(TestContext.Current.CancellationToken);
        Assert.Equal("""{"resourceSubscriptions":["dawn://node/agents"]}""", acknowledged.Params!["notifications"]!.ToJsonString());

        _node.Raise(NodeFacts.Config | NodeFacts.Agents);
        var updated = await heard.Reader.ReadAsync(TestContext.Current.CancellationToken);
        Assert.Equal("dawn://node/agents", updated.Params!["uri"]!.GetValue<string>());
        Assert.Equal(acknowledged.Params["_meta"]!.ToJsonString(), updated.Params["_meta"]!.ToJsonString());
        Assert.False(listening.IsCompleted);
    }

    [Fact(Timeout = 30_000)]
    public async Task AnEndedConversationHoldsNothing()
    {
        var (near, far) = LocalChannel.CreatePair();
        var serving = Agent().ServeAsync(far, LocalOwner, TestContext.Current.CancellationToken);
        await using (await McpClient.CreateAsync(new ChannelClientTransport("test", near), cancellationToken: TestContext.Current.CancellationToken))
        {
            Assert.True(_node.IsWatched);
        }

        await serving.WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(_node.IsWatched);
    }

    [Fact]
    public void TheCardNamesWhatMembersMayUse()
    {
        var agent = Agent();
        Assert.Equal(ReadTools, agent.Card!.Tools.Order(StringComparer.Ordinal));
        Assert.Equal(32, agent.Card.Digest.Length);
        Assert.Equal(agent.Card.Digest, Agent().Card!.Digest);
    }

    [Fact]
    public void BrokenAgentsAreListedWithTheirProblem()
    {
        var network = new FakeNetwork
        {
            Snapshot =
            [
                new(new(FakeNode.Self, "echo"), new("echo", "Echo", [], ["say"]), true, true, true),
                new(new(FakeNode.Id(2), "echo"), new("echo", "Echo", [], ["say"]), false, false, true),
            ],
        };
        var host = new FakeHost { Agents = [new FakeAgent("echo", network.Snapshot[0].Card, null), new FakeAgent("broken", null, "It can't start. Install it.")] };

        var agents = NodeAgent.List(FakeNode.Self, network, host);

        Assert.Equal([$"{FakeNode.Self}:echo", $"{FakeNode.Self}:broken", $"{FakeNode.Id(2)}:echo"], agents.Select(a => a.Address));
        Assert.Equal([null, "It can't start. Install it.", null], agents.Select(a => a.Problem));
        Assert.Equal([true, false, false], agents.Select(a => a.Online));
        Assert.Equal(new NodeProblem("broken", "It can't start. Install it."), Assert.Single(NodeAgent.Problems(host)));
    }

    private NodeAgent Agent() => new(_node, _node, _logs, new(new HashSet<NodeId> { Trusted }), TimeProvider.System, NullLoggerFactory.Instance);

    private static async Task<JsonElement> CallAsync(McpClient client, string tool, Dictionary<string, object?> arguments)
    {
        var result = await client.CallToolAsync(tool, arguments, cancellationToken: TestContext.Current.CancellationToken);
        Assert.False(result.IsError ?? false, Text(result));
        return result.StructuredContent!.Value;
    }

    private static string Text(CallToolResult result) => string.Join('\n', result.Content.OfType<TextContentBlock>().Select(c => c.Text));

    private static IEnumerable<string> Names(JsonElement of) => of.EnumerateObject().Select(p => p.Name);

    private sealed class FakeHost : IAgentHost
    {
        public IReadOnlyList<IHostedAgent> Agents { get; init; } = [];

        public event Action? Changed { add { } remove { } }

        public bool TryAdd(IHostedAgent agent) => false;

        public ValueTask RemoveAsync(IHostedAgent agent) => default;
    }

    private sealed class FakeAgent(string id, AgentCard? card, string? problem) : IHostedAgent
    {
        public string Id => id;

        public string Origin => "test";

        public AgentPolicy Policy => AgentPolicy.Members;

        public AgentCard? Card => card;

        public string? Problem => problem;

        public event Action? Changed { add { } remove { } }

        public Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask DisposeAsync() => default;
    }
}
