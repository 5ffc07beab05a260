using Dawn.Benchmarks.Peers;

namespace Dawn.Benchmarks.Compare;

/// <summary>Some figures that come out of the same rounds.</summary>
internal interface IContest
{
    /// <summary>All that may come of it; the names are what <c>--figure</c> takes.</summary>
    IReadOnlyList<string> Figures { get; }

    Task<IReadOnlyList<Figure>> RunAsync(CompareOptions options, Action<string> say, CancellationToken cancellationToken);
}

/// <summary>Legs that take turns: each warms up, then all run once a round, so that whatever the machine does meanwhile it does to all of them.</summary>
internal abstract class Contest(string title, params string[] figures) : IContest
{
    public IReadOnlyList<string> Figures => figures;

    public async Task<IReadOnlyList<Figure>> RunAsync(CompareOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        await using var stage = new Stage(options);
        var legs = await SetUpAsync(stage, cancellationToken);
        foreach (var leg in legs)
        {
            say($"{title}: {leg.Name} warms up");
            await leg.RunAsync(options.WarmupSeconds, cancellationToken);
        }

        var results = legs.Select(_ => new List<LoadResult>()).ToArray();
        for (var round = 1; round <= options.Rounds; round++)
        {
            for (var i = 0; i < legs.Count; i++)
            {
                var result = await legs[i].RunAsync(options.Seconds, cancellationToken);
                results[i].Add(result);
                var latencies = result.P50 > 0 ? FormattableString.Invariant($"p50 {result.P50:0.0} µs, p99 {result.P99:0.0} µs, ") : "";
                say(FormattableString.Invariant($"{title}: round {round}, {legs[i].Name}: {latencies}{result.CallsPerSecond:0}/s"));
            }
        }

        return Conclude([.. results.Select(one => (IReadOnlyList<LoadResult>)one)]);
    }

    protected abstract Task<IReadOnlyList<Leg>> SetUpAsync(Stage stage, CancellationToken cancellationToken);

    /// <summary>The figures, from the results of each leg in the order of <see cref="SetUpAsync"/>.</summary>
    protected abstract IReadOnlyList<Figure> Conclude(IReadOnlyList<IReadOnlyList<LoadResult>> results);

    protected static Rounds P50(IReadOnlyList<LoadResult> results) => new([.. results.Select(result => result.P50)]);

    protected static Rounds Rate(IReadOnlyList<LoadResult> results) => new([.. results.Select(result => result.CallsPerSecond)]);

    protected static LoadRequest Shape(int inFlight, int size = 200) => new(inFlight, 0, size);
}

/// <summary>A call from agent to agent, one at a time, against what else carries a call.</summary>
internal sealed class CallLatency() : Contest("call p50", "call p50", "grpc p50", "websocket p50", "in-memory sdk p50")
{
    protected override async Task<IReadOnlyList<Leg>> SetUpAsync(Stage stage, CancellationToken cancellationToken)
    {
        var (a, b) = await stage.StartPairAsync(cancellationToken);
        return
        [
            await stage.DriveAsync("Dawn", a, b, Shape(1), cancellationToken),
            await stage.CallAsync("MCP over HTTP, TLS", "mcp", "mcp", Shape(1), cancellationToken, "/mcp"),
            await stage.CallAsync("gRPC, TLS", "grpc", "grpc", Shape(1), cancellationToken),
            await stage.CallAsync("WebSocket, TLS", "websocket", "websocket", Shape(1), cancellationToken),
            await stage.CallAsync("MCP in memory", "memory", new ServedAt("here"), Shape(1), cancellationToken),
        ];
    }

    protected override IReadOnlyList<Figure> Conclude(IReadOnlyList<IReadOnlyList<LoadResult>> results) =>
    [
        P50(results[0]).Against(P50(results[1]), "call p50", "µs", "MCP SDK over Streamable HTTP, TLS", new(RatioAtMost: 0.65)),
        P50(results[0]).Against(P50(results[2]), "grpc p50", "µs", "gRPC, TLS", Reach.None),
        P50(results[0]).Against(P50(results[3]), "websocket p50", "µs", "raw WebSocket echo, TLS", Reach.None),
        P50(results[0]).Against(P50(results[4]), "in-memory sdk p50", "µs", "MCP SDK within one process", Reach.None),
    ];
}

/// <summary>The same with 64 under way.</summary>
internal sealed class CallRate() : Contest("call rate 64", "call rate 64", "grpc rate 64")
{
    protected override async Task<IReadOnlyList<Leg>> SetUpAsync(Stage stage, CancellationToken cancellationToken)
    {
        var (a, b) = await stage.StartPairAsync(cancellationToken);
        return
        [
            await stage.DriveAsync("Dawn", a, b, Shape(64), cancellationToken),
            await stage.CallAsync("MCP over HTTP, TLS", "mcp", "mcp", Shape(64), cancellationToken, "/mcp"),
            await stage.CallAsync("gRPC, TLS", "grpc", "grpc", Shape(64), cancellationToken),
        ];
    }

    protected override IReadOnlyList<Figure> Conclude(IReadOnlyList<IReadOnlyList<LoadResult>> results) =>
    [
        Rate(results[0]).Against(Rate(results[1]), "call rate 64", "calls/s", "MCP SDK over Streamable HTTP, TLS", new(RatioAtLeast: 3)),
        Rate(results[0]).Against(Rate(results[2]), "grpc rate 64", "calls/s", "gRPC, TLS", Reach.None),
    ];
}

/// <summary>An ordinary MCP client: through a gateway to another node's agent, or straight at a server.</summary>
internal sealed class GatewayLatency() : Contest("gateway p50", "gateway p50", "gateway p50 to proxy")
{
    protected override async Task<IReadOnlyList<Leg>> SetUpAsync(Stage stage, CancellationToken cancellationToken)
    {
        var (a, b) = await stage.StartPairAsync(cancellationToken);
        // Only to wait until the nodes have met.
        await stage.DriveAsync("Dawn", a, b, Shape(1), cancellationToken);
        var proxy = await stage.ServeAsync($"proxy:{await stage.ServeAsync("mcp-proxied", cancellationToken)}", cancellationToken);
        return
        [
            await stage.CallAsync("gateway", "mcp", new ServedAt($"{a.Mcp}/{b.Id}:bench"), Shape(1), cancellationToken),
            await stage.CallAsync("MCP over HTTP", "mcp-plain", "mcp", Shape(1), cancellationToken, "/mcp"),
            await stage.CallAsync("MCP through a proxy", "mcp", proxy with { Address = proxy.Address + "/mcp" }, Shape(1), cancellationToken),
        ];
    }

    protected override IReadOnlyList<Figure> Conclude(IReadOnlyList<IReadOnlyList<LoadResult>> results) =>
    [
        P50(results[0]).Against(P50(results[1]), "gateway p50", "µs", "the same client at an SDK server, HTTP", new(RatioAtMost: 1.5)),
        P50(results[0]).Against(P50(results[2]), "gateway p50 to proxy", "µs", "the same through YARP, HTTP before and TLS behind it", Reach.None),
    ];
}

/// <summary>What sealing and signing cost: the same nodes with encryption off.</summary>
internal sealed class EncryptionCost(int size, string label) : Contest($"encryption {label}", $"encryption p50 {label}", $"encryption rate {label}")
{
    protected override async Task<IReadOnlyList<Leg>> SetUpAsync(Stage stage, CancellationToken cancellationToken)
    {
        var (a, b) = await stage.StartPairAsync(cancellationToken);
        var (c, d) = await stage.StartPairAsync(cancellationToken, "Security:Encryption=Off");
        return
        [
            await stage.DriveAsync("Dawn, one at a time", a, b, Shape(1, size), cancellationToken),
            await stage.DriveAsync("Dawn Off, one at a time", c, d, Shape(1, size), cancellationToken),
            await stage.DriveAsync("Dawn, 64 in flight", a, b, Shape(64, size), cancellationToken),
            await stage.DriveAsync("Dawn Off, 64 in flight", c, d, Shape(64, size), cancellationToken),
        ];
    }

    protected override IReadOnlyList<Figure> Conclude(IReadOnlyList<IReadOnlyList<LoadResult>> results) =>
    [
        P50(results[0]).Against(P50(results[1]), $"encryption p50 {label}", "µs", "Dawn, encryption off", new(RatioAtMost: 1.10)),
        Rate(results[2]).Against(Rate(results[3]), $"encryption rate {label}", "calls/s", "Dawn, encryption off", new(RatioAtLeast: 1 / 1.10)),
    ];
}

/// <summary>Messages of 64 KiB beneath MCP.</summary>
internal sealed class BulkRate() : Contest("bulk", "bulk")
{
    private const int Size = 64 * 1024;

    protected override async Task<IReadOnlyList<Leg>> SetUpAsync(Stage stage, CancellationToken cancellationToken) =>
    [
        await stage.CallAsync("session channel over tcp", "mesh:tcp", "mesh-bulk", Shape(1, Size), cancellationToken),
        await stage.CallAsync("WebSocket, TLS", "websocket", "websocket-bulk", Shape(1, Size), cancellationToken),
    ];

    protected override IReadOnlyList<Figure> Conclude(IReadOnlyList<IReadOnlyList<LoadResult>> results) =>
        [Megabytes(results[0]).Against(Megabytes(results[1]), "bulk", "MB/s", "raw WebSocket, TLS", new(RatioAtLeast: 0.5, AtLeast: 500))];

    private static Rounds Megabytes(IReadOnlyList<LoadResult> results) => new([.. results.Select(result => result.CallsPerSecond * Size / 1e6)]);
}

/// <summary>Connect, handshake, the first record each way; closed again before the next.</summary>
internal sealed class LinkSetUp() : Contest("link set-up p50", "link set-up p50")
{
    protected override async Task<IReadOnlyList<Leg>> SetUpAsync(Stage stage, CancellationToken cancellationToken)
    {
        var node = await stage.StartNodeAsync(cancellationToken);
        return [await stage.CallAsync("dials", "links", new ServedAt(node.At), Shape(0, 0), cancellationToken)];
    }

    protected override IReadOnlyList<Figure> Conclude(IReadOnlyList<IReadOnlyList<LoadResult>> results) =>
        [new Rounds([.. results[0].Select(result => result.P50 / 1000)]).Against(null, "link set-up p50", "ms", null, new(AtMost: 2.5))];
}
