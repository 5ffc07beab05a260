using System.Diagnostics;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Sessions;
using Dawn.Telemetry;
using Dawn.Tests.Gateway;
using ModelContextProtocol.Protocol;
using Xunit;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Telemetry;

[Collection(TracingCollection.Name)]
public sealed class GatewayTracingTests
{
    private const int Limit = 60_000;
    private const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    private const string Parent = $"00-{TraceId}-00f067aa0ba902b7-01";

    private static readonly ActivityTraceId Trace = ActivityTraceId.CreateFromString(TraceId);

    [Theory(Timeout = Limit)]
    [InlineData("/mcp", Initialize)]
    [InlineData("/mcp", PerRequest)]
    [InlineData("/mcp/first", Initialize)]
    [InlineData("/mcp/first", PerRequest)]
    public async Task WhileNobodyListensTheContextPassesVerbatim(string path, string version)
    {
        Assert.False(Tracing.Source.HasListeners());
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = new MetaAgent();
        agent.AddTo(gateway, version);

        await CallAsync(gateway, path, version, new() { ["traceparent"] = Parent, ["tracestate"] = "congo=t61rcWkgMzE", ["baggage"] = "userId=alice" });
        var meta = Assert.Single(agent.Metas)!;
        Assert.Equal(Parent, (string?)meta["traceparent"]);
        Assert.Equal("congo=t61rcWkgMzE", (string?)meta["tracestate"]);
        Assert.Equal("userId=alice", (string?)meta["baggage"]);

        await CallAsync(gateway, path, version, []);
        Assert.DoesNotContain(agent.Metas.Last() ?? [], pair => pair.Key is "traceparent" or "tracestate" or "baggage");
    }

    [Theory(Timeout = Limit)]
    [InlineData("/mcp", Initialize)]
    [InlineData("/mcp", PerRequest)]
    [InlineData("/mcp/first", Initialize)]
    [InlineData("/mcp/first", PerRequest)]
    public async Task SpansContinueTheClientsTrace(string path, string version)
    {
        using var spans = new SpanLog();
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = new MetaAgent();
        agent.AddTo(gateway, version);

        await CallAsync(gateway, path, version, new() { ["traceparent"] = Parent, ["tracestate"] = "congo=t61rcWkgMzE", ["baggage"] = "userId=alice" });
        var all = await spans.OfAsync(Trace, 2);
        var request = Assert.Single(all, span => span.Kind == ActivityKind.Server);
        var leg = Assert.Single(all, span => span.Kind == ActivityKind.Client && (string?)span.GetTagItem("mcp.method.name") == "tools/call");
        Assert.Equal("00f067aa0ba902b7", request.ParentSpanId.ToHexString());
        Assert.Equal(request.SpanId, leg.ParentSpanId);
        Assert.StartsWith("tools/call ", request.DisplayName, StringComparison.Ordinal);
        Assert.Equal("tools/call echo", leg.DisplayName);
        Assert.Equal("echo", leg.GetTagItem("gen_ai.tool.name"));
        Assert.Equal("tcp", request.GetTagItem("network.transport"));
        Assert.Equal(FakeNetwork.Here.ToString(), leg.GetTagItem("dawn.agent.node"));
        Assert.Equal("first", leg.GetTagItem("dawn.agent.id"));
        Assert.Equal(ActivityStatusCode.Unset, request.Status);

        var meta = Assert.Single(agent.Metas)!;
        Assert.Equal($"00-{TraceId}-{leg.SpanId}-01", (string?)meta["traceparent"]);
        Assert.Equal("congo=t61rcWkgMzE", (string?)meta["tracestate"]);
        Assert.Equal("userId=alice", (string?)meta["baggage"]);
    }

    [Fact(Timeout = Limit)]
    public async Task ACallWithoutContextBeginsATraceOfItsOwn()
    {
        using var spans = new SpanLog();
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = new MetaAgent();
        agent.AddTo(gateway, PerRequest);

        await CallAsync(gateway, "/mcp/first", PerRequest, []);
        Assert.True(ActivityContext.TryParse((string?)Assert.Single(agent.Metas)!["traceparent"], null, out var sent));
        var all = await spans.OfAsync(sent.TraceId, 2);
        var request = Assert.Single(all, span => span.Kind == ActivityKind.Server);
        Assert.Equal(default, request.ParentSpanId);
        Assert.Equal(sent.SpanId, Assert.Single(all, span => span.Kind == ActivityKind.Client).SpanId);
    }

    [Fact]
    public void AContextInHttpsOwnHeaderCountsWhereTheMessageHasNone()
    {
        using var spans = new SpanLog();
        // As ASP.NET Core begins one for its log.
        using var http = new Activity("Microsoft.AspNetCore.Hosting.HttpRequestIn").SetParentId(Parent).Start();
        using var span = Tracing.StartGatewayRequest(new JsonRpcRequest { Id = new(1L), Method = "ping" }, isHttp: true);
        Assert.Equal(Trace, span!.TraceId);
        Assert.Equal("00f067aa0ba902b7", span.ParentSpanId.ToHexString());
    }

    [Theory(Timeout = Limit)]
    [InlineData("\"nonsense\"")]
    [InlineData("\"00-00000000000000000000000000000000-00f067aa0ba902b7-01\"")]
    [InlineData("7")]
    [InlineData("{\"a\":[1]}")]
    public async Task AMalformedContextPassesAsItIsAndBreaksNothing(string traceparent)
    {
        using var spans = new SpanLog();
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = new MetaAgent();
        agent.AddTo(gateway, PerRequest);

        await CallAsync(gateway, "/mcp/first", PerRequest, new() { ["traceparent"] = JsonNode.Parse(traceparent) });
        Assert.Equal(traceparent, Assert.Single(agent.Metas)!["traceparent"]!.ToJsonString());
        await Eventually.HoldsAsync(() => spans.Ended.Any(span => span.Kind == ActivityKind.Server), "the request's span");
    }

    [Fact(Timeout = Limit)]
    public async Task ATraceThatIsNotSampledIsPassedOn()
    {
        using var spans = new SpanLog(ActivitySamplingResult.None);
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = new MetaAgent();
        agent.AddTo(gateway, PerRequest);

        await CallAsync(gateway, "/mcp/first", PerRequest, new() { ["traceparent"] = Parent[..^1] + "0" });
        Assert.Equal(Parent[..^1] + "0", (string?)Assert.Single(agent.Metas)!["traceparent"]);
        Assert.Empty(spans.Of(Trace));
    }

    [Theory(Timeout = Limit)]
    [InlineData("broken", "-32000", null)]
    [InlineData("failing", "tool_error", null)]
    [InlineData("absent", "-32000", "Unreachable")]
    public async Task FailuresShowInTheSpans(string agent, string type, string? cause)
    {
        using var spans = new SpanLog();
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        new MetaAgent { Answer = id => new JsonRpcError { Id = id, Error = new() { Code = -32000, Message = "It broke." } } }.AddTo(gateway, PerRequest, "broken");
        new MetaAgent { Answer = id => new JsonRpcResponse { Id = id, Result = new JsonObject { ["content"] = new JsonArray(), ["isError"] = true } } }.AddTo(gateway, PerRequest, "failing");
        var absent = gateway.Network.Add("absent", FakeNetwork.There, _ => Task.CompletedTask);
        gateway.Network.Way = to => to == absent ? throw new MeshException(MeshError.Unreachable, "No way.") : Task.CompletedTask;

        await CallAsync(gateway, $"/mcp/{agent}", PerRequest, new() { ["traceparent"] = Parent });
        var all = await spans.OfAsync(Trace, cause is null ? 2 : 1);
        Assert.All(all, span =>
        {
            Assert.Equal(ActivityStatusCode.Error, span.Status);
            Assert.Equal(type, span.GetTagItem("error.type"));
        });
    }

    private static async Task CallAsync(GatewayFixture gateway, string path, string version, JsonObject meta)
    {
        await Eventually.HoldsAsync(() => gateway.Catalog.GetAsync(Stop) is { IsCompletedSuccessfully: true } view && !view.GetAwaiter().GetResult().Tools.IsEmpty, "tools in the catalog");
        var name = path == "/mcp" ? (await gateway.Catalog.GetAsync(Stop)).Tools.Select(tool => (string)tool["name"]!).Single(tool => tool.EndsWith("echo", StringComparison.Ordinal)) : "echo";
        var parameters = new JsonObject { ["name"] = name, ["arguments"] = new JsonObject(), ["_meta"] = meta };
        if (version == PerRequest)
        {
            await gateway.SendAsync(path, "tools/call", parameters);
            return;
        }

        var client = await gateway.ConnectAsync(path, version);
        await client.SendRequestAsync(new JsonRpcRequest { Method = "tools/call", Params = parameters }, Stop);
    }

    /// <summary>An agent with the tool <c>echo</c> that keeps the metadata of calls as they came.</summary>
    private sealed class MetaAgent
    {
        public List<JsonObject?> Metas { get; } = [];

        public Func<RequestId, JsonRpcMessage> Answer { get; init; } = id => new JsonRpcResponse { Id = id, Result = new JsonObject { ["content"] = new JsonArray() } };

        public void AddTo(GatewayFixture gateway, string version, string id = "first") => gateway.Network.Add(id, FakeNetwork.Here, async channel =>
        {
            while (await channel.ReceiveAsync(CancellationToken.None) is { } buffer)
            {
                using (buffer)
                {
                    if (JsonRpc.Deserialize(buffer.Span) is JsonRpcRequest request)
                    {
                        await channel.SendAsync(JsonRpc.Serialize(Respond(request, version)), CancellationToken.None);
                    }
                }
            }
        });

        private JsonRpcMessage Respond(JsonRpcRequest request, string version)
        {
            if (request.Method == RequestMethods.ToolsCall)
            {
                Metas.Add(((JsonObject?)request.Params)?["_meta"]?.DeepClone() as JsonObject);
                return Answer(request.Id);
            }

            JsonObject? result = request.Method switch
            {
                RequestMethods.ServerDiscover when version == PerRequest => new() { ["supportedVersions"] = new JsonArray(PerRequest), ["capabilities"] = new JsonObject { ["tools"] = new JsonObject() }, ["resultType"] = "complete" },
                RequestMethods.Initialize when version == Initialize => new() { ["protocolVersion"] = Initialize, ["capabilities"] = new JsonObject { ["tools"] = new JsonObject() }, ["serverInfo"] = new JsonObject { ["name"] = "meta", ["version"] = "1" } },
                RequestMethods.ToolsList => new() { ["tools"] = new JsonArray(new JsonObject { ["name"] = "echo", ["inputSchema"] = new JsonObject { ["type"] = "object" } }) },
                _ => null,
            };
            return result is not null
                ? new JsonRpcResponse { Id = request.Id, Result = result }
                : JsonRpcErrors.Create(request.Id, JsonRpcErrors.MethodNotFound, $"{request.Method} is not known.");
        }
    }
}
