using System.Collections.Immutable;
using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Noise;
using Dawn.Sessions;
using Dawn.Telemetry;
using Dawn.Testing.InMemory;
using Dawn.Tests.Invariants;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using Xunit;

namespace Dawn.Tests.Telemetry;

/// <summary>Two nodes, with links and sessions as in production: a client's call at the one, an agent at the other, which calls an agent of the first.</summary>
[Collection(TracingCollection.Name)]
public sealed class NodeTracingTests : IAsyncDisposable
{
    private const int Limit = 60_000;
    private const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    private const string Parent = $"00-{TraceId}-00f067aa0ba902b7-01";

    private static readonly ActivityTraceId Trace = ActivityTraceId.CreateFromString(TraceId);
    private static readonly TestNetwork Network = new();

    private readonly InMemoryTransport _transport = new(new InMemoryNetwork(), IPAddress.Loopback);
    private readonly GatewayMetrics _metrics = new();
    private readonly AgentHost[] _hosts = [new(NullLogger<AgentHost>.Instance, TimeProvider.System), new(NullLogger<AgentHost>.Instance, TimeProvider.System)];
    private readonly WholeNode[] _nodes;
    private readonly AssemblyAgentClients _clients;
    private ActivityContext _inTool;

    public NodeTracingTests()
    {
        _nodes = [NewNode(1), NewNode(2)];
        _clients = new("front", new Lazy<IAgentDialer>(_nodes[1].Calls), new Lazy<IAgentDirectory>(new ByAddress()), NullLoggerFactory.Instance);
        var back = new AgentAddress(_nodes[0].Id, "back").ToString();
        _hosts[0].TryAdd(Agent("back", McpServerTool.Create(() => "from the back", new() { Name = "say" })));
        _hosts[1].TryAdd(Agent(
            "front",
            McpServerTool.Create(
                async (CancellationToken cancellationToken) =>
                {
                    _inTool = Activity.Current?.Context ?? default;
                    await using var client = await _clients.DialAsync(back, cancellationToken);
                    return (await client.CallToolAsync("say", cancellationToken: cancellationToken)).Content.OfType<TextContentBlock>().Single().Text;
                },
                new() { Name = "ask" }),
            McpServerTool.Create(CallToolResult () => new() { IsError = true }, new() { Name = "fail" }),
            McpServerTool.Create(
                async (CancellationToken cancellationToken) =>
                {
                    Started.TrySetResult();
                    await Task.Delay(Timeout.Infinite, cancellationToken);
                },
                new() { Name = "wait" })));
    }

    private TaskCompletionSource Started { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact(Timeout = Limit)]
    public async Task OneTraceFollowsACallThroughBothNodesAndBack()
    {
        using var spans = new SpanLog();
        await LinkAsync(TestContext.Current.CancellationToken);
        var answer = Assert.IsType<JsonRpcResponse>(await CallAsync("ask", new JsonObject { ["traceparent"] = Parent }, Stop));
        Assert.Equal("from the back", (string?)answer.Result!["content"]![0]!["text"]);

        // The gateway's, the leg's, the agent's, and the last two for the agent's own call.
        await Eventually.HoldsAsync(() => spans.Of(Trace).Count(span => (string?)span.GetTagItem("mcp.method.name") == "tools/call") == 5, "five spans of calls");
        var calls = spans.Of(Trace).Where(span => (string?)span.GetTagItem("mcp.method.name") == "tools/call").ToArray();
        var request = Assert.Single(calls, span => span.ParentSpanId.ToHexString() == "00f067aa0ba902b7");
        var leg = ChildOf(request, calls);
        var front = ChildOf(leg, calls);
        var call = ChildOf(front, calls);
        var back = ChildOf(call, calls);
        Assert.Equal([ActivityKind.Server, ActivityKind.Client, ActivityKind.Server, ActivityKind.Client, ActivityKind.Server], new[] { request, leg, front, call, back }.Select(span => span.Kind));
        Assert.Equal(["tools/call ask", "tools/call ask", "tools/call ask", "tools/call say", "tools/call say"], new[] { request, leg, front, call, back }.Select(span => span.DisplayName));
        Assert.Equal(_nodes[1].Id.ToString(), leg.GetTagItem("dawn.agent.node"));
        Assert.Equal("front", leg.GetTagItem("dawn.agent.id"));
        Assert.Equal(_nodes[0].Id.ToString(), front.GetTagItem("dawn.caller.node"));
        Assert.Equal(AgentId.Gateway, front.GetTagItem("dawn.caller.id"));
        Assert.Equal(_nodes[0].Id.ToString(), call.GetTagItem("dawn.agent.node"));
        Assert.Equal(_nodes[1].Id.ToString(), back.GetTagItem("dawn.caller.node"));
        Assert.Equal("front", back.GetTagItem("dawn.caller.id"));
        Assert.All(spans.Of(Trace).Where(span => calls.Contains(span)), span => Assert.Equal(ActivityStatusCode.Unset, span.Status));

        // What the tool itself begins belongs to its call.
        Assert.Equal(front.Context.SpanId, _inTool.SpanId);
        Assert.Equal(Trace, _inTool.TraceId);
    }

    [Fact(Timeout = Limit)]
    public async Task AToolsFailureMarksAllSpans()
    {
        using var spans = new SpanLog();
        await LinkAsync(TestContext.Current.CancellationToken);
        await CallAsync("fail", new JsonObject { ["traceparent"] = Parent }, Stop);
        await Eventually.HoldsAsync(() => Calls(spans).Length == 3, "three spans");
        Assert.All(Calls(spans), span => Assert.Equal("tool_error", span.GetTagItem("error.type")));
    }

    [Fact(Timeout = Limit)]
    public async Task ACancelledCallEndsItsSpans()
    {
        using var spans = new SpanLog();
        await LinkAsync(TestContext.Current.CancellationToken);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        var calling = CallAsync("wait", new JsonObject { ["traceparent"] = Parent }, cancel.Token);
        await Started.Task.WaitAsync(Stop);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => calling);
        await Eventually.HoldsAsync(() => Calls(spans).Length == 3, "three spans");
        Assert.All(Calls(spans), span => Assert.Equal("cancelled", span.GetTagItem("error.type")));
    }

    [Fact(Timeout = Limit)]
    public async Task WhileNobodyListensNothingIsCurrentInATool()
    {
        Assert.False(Tracing.Source.HasListeners());
        await LinkAsync(TestContext.Current.CancellationToken);
        Assert.IsType<JsonRpcResponse>(await CallAsync("ask", [], Stop));
        Assert.Equal(default, _inTool);
    }

    [Fact]
    public void WhileNobodyListensARequestAllocatesNothing()
    {
        Assert.False(Tracing.Source.HasListeners());
        var request = new JsonRpcRequest { Id = new(1L), Method = "tools/call", Params = new JsonObject { ["name"] = "ask" } };
        var (near, _) = LocalChannel.CreatePair();
        var address = new AgentAddress(_nodes[0].Id, "back");
        Assert.Null(Tracing.StartGatewayRequest(request, isHttp: true));
        Assert.Same(near, TracedChannel.OfCaller(near, address));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            Tracing.StartGatewayRequest(request, isHttp: true);
            TracedChannel.OfCaller(near, address);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    public async ValueTask DisposeAsync()
    {
        await _clients.DisposeAsync();
        foreach (var host in _hosts)
        {
            await host.DisposeAsync();
        }

        foreach (var node in _nodes)
        {
            node.Stop();
        }

        _metrics.Dispose();
    }

    private static Activity ChildOf(Activity parent, Activity[] among) => Assert.Single(among, span => span.ParentSpanId == parent.SpanId);

    private static Activity[] Calls(SpanLog spans) => [.. spans.Of(Trace).Where(span => (string?)span.GetTagItem("mcp.method.name") == "tools/call")];

    private WholeNode NewNode(int number)
    {
        var entropy = new SeededEntropy(number);
        return new(Network.Node(number), new(_transport, entropy, new StaticKey(entropy), TimeProvider.System) { Serve = (agent, channel, caller) => _hosts[number - 1].AcceptAsync(agent, channel, caller) });
    }

    private static AssemblyAgent Agent(string id, params McpServerTool[] tools)
    {
        var options = new McpServerOptions { ServerInfo = new() { Name = id, Version = "1" }, ToolCollection = [.. tools] };
        return new(id, null, "plugins/agents/" + id, new(Audience.Everyone, ImmutableDictionary<string, Audience>.Empty), options, new ServiceCollection().BuildServiceProvider(), NullLoggerFactory.Instance);
    }

    private async Task LinkAsync(CancellationToken cancellationToken)
    {
        await _nodes[1].ListenAsync(new("mem://two:7610"));
        await _nodes[0].Dialer.DialAsync(new("mem://two:7610"), _nodes[1].Id, cancellationToken);
        await Eventually.HoldsAsync(() => _nodes[0].Router.CanReach(_nodes[1].Id) && _nodes[1].Router.CanReach(_nodes[0].Id), "both ways");
    }

    /// <summary>A call of a client at the first node's gateway, to the agent on the second.</summary>
    private async Task<JsonRpcMessageWithId> CallAsync(string tool, JsonObject meta, CancellationToken cancellationToken)
    {
        var dialer = new LegDialer(_nodes[0].Calls, _metrics, TimeProvider.System, NullLogger<LegDialer>.Instance);
        await using var pool = new LegPool(dialer, TimeProvider.System);
        var answered = new TaskCompletionSource<JsonRpcMessageWithId>(TaskCreationOptions.RunContinuationsAsynchronously);
        var client = new ClientConnection
        {
            Unsolicited = (message, _) =>
            {
                answered.TrySetResult((JsonRpcMessageWithId)message);
                return Task.CompletedTask;
            },
        };
        await using var relay = new AgentRelay(new(_nodes[1].Id, "front"), AgentId.Gateway, client, dialer, pool, _metrics, TimeProvider.System, NullLogger<AgentRelay>.Instance);
        foreach (var (key, value) in McpJson.PerRequestMeta())
        {
            meta[key] = value?.DeepClone();
        }

        await relay.HandleAsync(new JsonRpcRequest { Id = new(7L), Method = "tools/call", Params = new JsonObject { ["name"] = tool, ["arguments"] = new JsonObject(), ["_meta"] = meta } }, null, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        return await answered.Task.WaitAsync(Stop);
    }

    private sealed class ByAddress : IAgentDirectory
    {
        public event Action? Changed
        {
            add { }
            remove { }
        }

        public ImmutableArray<AgentEntry> Snapshot => [];

        public AgentAddress Resolve(string text) => text.Split(':') is [var node, var agent] && NodeId.TryParse(node, out var id) ? new(id, agent) : throw new MeshException(MeshError.BadAddress, text);
    }
}
