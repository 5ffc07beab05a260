using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Dawn.Gateway;
using Dawn.Identity;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol.Client;
using Xunit;

namespace Dawn.Tests.Gateway;

/// <summary>A running gateway in front of a fake network, and clients of it.</summary>
internal sealed class GatewayFixture : IAsyncDisposable
{
    public const string Initialize = "2025-11-25";
    public const string PerRequest = "2026-07-28";

    /// <summary>No wait of a test is longer; only failing tests come near it.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly List<IAsyncDisposable> _clients = [];
    private readonly GatewayMetrics _metrics = new();
    private readonly TempDirectory _data = new();
    private readonly HttpClientHandler _handler = new() { ServerCertificateCustomValidationCallback = (_, _, _, _) => true };

    private GatewayFixture(GatewaySettings settings, string? ownerToken, WebSocketLimits? limits, TimeProvider? socketTime, string? pages, TimeProvider? time)
    {
        Dialer = new(Network, _metrics, TimeProvider.System, NullLogger<LegDialer>.Instance);
        Pool = new(Dialer, TimeProvider.System);
        Catalog = new(Network, Dialer, TimeProvider.System, NullLogger<Catalog>.Instance);
        Aggregate = new(Catalog, Dialer, Pool, _metrics, TimeProvider.System, NullLoggerFactory.Instance);
        Relays = new(Network, Aggregate, Dialer, Pool, _metrics, TimeProvider.System, NullLoggerFactory.Instance);
        Sockets = new(Aggregate, socketTime ?? TimeProvider.System, NullLogger<WebSocketRelays>.Instance, limits);
        Links = new(ServeAsync, TimeProvider.System);
        Server = new(settings, FakeNetwork.Here, _data.Open(), Relays, Sockets, Links, Readiness, () => ownerToken, time ?? TimeProvider.System, NullLoggerFactory.Instance, pages);
        Http = new(_handler, disposeHandler: false) { Timeout = Patience };
    }

    public FakeNetwork Network { get; } = new();

    public Readiness Readiness { get; } = new();

    public LegDialer Dialer { get; }

    public LegPool Pool { get; }

    public Catalog Catalog { get; }

    public AggregateRelay Aggregate { get; }

    public HttpRelays Relays { get; }

    public WebSocketRelays Sockets { get; }

    public LinkEndpoint Links { get; }

    /// <summary>What becomes of connections at <c>/link</c>; nothing for those that nobody serves.</summary>
    public Func<ConnectionContext, string, CancellationToken, Task> Serve { get; set; } = static (connection, _, _) => connection.DisposeAsync().AsTask();

    public GatewayServer Server { get; }

    public HttpClient Http { get; }

    public static CancellationToken Stop => TestContext.Current.CancellationToken;

    public static async Task<GatewayFixture> StartAsync(
        CancellationToken stop, GatewaySettings? settings = null, string? ownerToken = null, WebSocketLimits? limits = null, TimeProvider? socketTime = null, string? pages = null, TimeProvider? time = null)
    {
        var fixture = new GatewayFixture(settings ?? new("http://127.0.0.1:0"), ownerToken, limits, socketTime, pages, time);
        await fixture.Catalog.StartAsync(stop);
        await fixture.Server.StartAsync(stop);
        return fixture;
    }

    private Task ServeAsync(ConnectionContext connection, string scheme, CancellationToken stop) => Serve(connection, scheme, stop);

    public TestAgent Add(string id, NodeId node, string? name = null)
    {
        var agent = new TestAgent(name ?? id);
        Network.Add(id, node, agent.Options);
        return agent;
    }

    /// <summary>The SDK's own client.</summary>
    public async Task<McpClient> ConnectAsync(string path, string version, McpClientOptions? options = null, string? token = null)
    {
        var headers = token is null ? null : new Dictionary<string, string> { ["Authorization"] = $"Bearer {token}" };
        var transport = new HttpClientTransport(new() { Endpoint = new(Server.Url!, path), AdditionalHeaders = headers, TransportMode = HttpTransportMode.StreamableHttp }, Http, null, false);
        options ??= new();
        options.ProtocolVersion = version;
        var client = await McpClient.CreateAsync(transport, options, cancellationToken: Stop).WaitAsync(Patience, Stop);
        _clients.Add(client);
        return client;
    }

    /// <summary>A request as the per-request era has it, sent raw.</summary>
    public HttpRequestMessage Request(string path, string method, JsonObject? parameters = null, int id = 1)
    {
        parameters ??= [];
        var meta = parameters["_meta"] as JsonObject ?? [];
        meta["io.modelcontextprotocol/protocolVersion"] = PerRequest;
        meta["io.modelcontextprotocol/clientInfo"] = new JsonObject { ["name"] = "raw", ["version"] = "1" };
        meta["io.modelcontextprotocol/clientCapabilities"] ??= new JsonObject { ["elicitation"] = new JsonObject() };
        parameters["_meta"] = meta.Parent is null ? meta : meta.DeepClone();
        var body = new JsonObject { ["jsonrpc"] = "2.0", ["id"] = id, ["method"] = method, ["params"] = parameters };
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Server.Url!, path)) { Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") };
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/event-stream"));
        request.Headers.Add("MCP-Protocol-Version", PerRequest);
        request.Headers.Add("Mcp-Method", method);
        if ((parameters["name"] ?? parameters["uri"])?.GetValue<string>() is { } name)
        {
            request.Headers.Add("Mcp-Name", name);
        }

        return request;
    }

    /// <summary>Waits until the catalog knows some agent and has closed its own legs.</summary>
    public async Task SettleAsync()
    {
        await Eventually.HoldsAsync(() => Catalog.GetAsync(Stop) is { IsCompletedSuccessfully: true } view && !view.GetAwaiter().GetResult().Tools.IsEmpty, "tools in the catalog");
        await Eventually.HoldsAsync(() => Dialer.Open == 0, "no legs of the catalog");
    }

    /// <summary>Sends a raw request and returns its last message.</summary>
    public async Task<JsonNode> SendAsync(string path, string method, JsonObject? parameters = null, int id = 1)
    {
        using var response = await Http.SendAsync(Request(path, method, parameters, id), Stop);
        return Messages(await response.Content.ReadAsStringAsync(Stop)).Last();
    }

    public static IEnumerable<JsonNode> Messages(string body) => body.StartsWith('{')
        ? [JsonNode.Parse(body)!]
        : body.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal)).Select(line => JsonNode.Parse(line["data: ".Length..])!);

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
        {
            await client.DisposeAsync();
        }

        await Server.StopAsync(CancellationToken.None);
        await Server.DisposeAsync();
        await Catalog.DisposeAsync();
        await Pool.DisposeAsync();
        Http.Dispose();
        _handler.Dispose();
        _metrics.Dispose();
        _data.Dispose();
    }
}
