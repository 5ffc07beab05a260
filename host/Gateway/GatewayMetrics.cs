using System.Diagnostics.Metrics;

namespace Dawn.Gateway;

/// <summary>What the gateway counts; operators see it at <c>/metrics</c>.</summary>
internal sealed class GatewayMetrics : IDisposable
{
    /// <summary>The meter that all parts of the node share.</summary>
    public const string MeterName = "Dawn";

    // Methods are a label: only known ones, so that clients can't create time series.
    private static readonly HashSet<string> Methods =
    [
        "initialize", "ping", "server/discover", "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/read",
        "resources/templates/list", "resources/subscribe", "resources/unsubscribe", "completion/complete", "logging/setLevel", "subscriptions/listen",
    ];

    // Seconds, from a local call to a slow tool; fewer than the default, which counts milliseconds.
    private static readonly double[] Buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _requests;
    private readonly Histogram<double> _durations;
    private long _legs;
    private long _clients;

    public GatewayMetrics()
    {
        _requests = _meter.CreateCounter<long>("dawn.gateway.requests", "{request}", "MCP requests that clients of the gateway made");
        _durations = _meter.CreateHistogram<double>("dawn.gateway.request.duration", "s", "Time from an MCP request to its answer", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = Buckets });
        // Asked for rather than counted along: what began before anybody listened counts too.
        _meter.CreateObservableUpDownCounter("dawn.gateway.legs", () => Interlocked.Read(ref _legs), "{leg}", "Conversations that the gateway has open with agents");
        _meter.CreateObservableUpDownCounter("dawn.gateway.clients", () => Interlocked.Read(ref _clients), "{client}", "Clients of the gateway: sessions, and requests without one");
    }

    public void Request(string method, string outcome, TimeSpan took)
    {
        KeyValuePair<string, object?> methodTag = new("method", Methods.Contains(method) ? method : "other"), outcomeTag = new("outcome", outcome);
        _requests.Add(1, methodTag, outcomeTag);
        _durations.Record(took.TotalSeconds, methodTag, outcomeTag);
    }

    public void LegOpened() => Interlocked.Increment(ref _legs);

    public void LegClosed() => Interlocked.Decrement(ref _legs);

    public void ClientCame() => Interlocked.Increment(ref _clients);

    public void ClientWent() => Interlocked.Decrement(ref _clients);

    public void Dispose() => _meter.Dispose();
}
