using System.Diagnostics.Metrics;
using Dawn.Gateway;
using Dawn.Sessions;

namespace Dawn.Routing;

/// <summary>What routing counts, from the node's start on; operators see it at <c>/metrics</c>.</summary>
/// <remarks>All of it is asked for rather than counted along: the path of an envelope pays nothing for it.</remarks>
internal sealed class RoutingMetrics(Router router, SessionTable sessions) : IHostedService, IDisposable
{
    /// <summary>The instruments' own, as each part of the node has one of that name.</summary>
    public Meter Meter { get; } = new(GatewayMetrics.MeterName);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var relay = router.Relay;
        Meter.CreateObservableCounter("dawn.relay.envelopes", () => relay.Envelopes, "{envelope}", "Envelopes of others that were passed on");
        Meter.CreateObservableCounter("dawn.relay.bytes", () => relay.Bytes, "By", "Size of the envelopes that were passed on");
        Meter.CreateObservableCounter(
            "dawn.relay.dropped", () => (Measurement<long>[])[new(relay.Unroutable, Label("reason", "no_route")), new(relay.OverLimit, Label("reason", "limit"))], "{envelope}", "Envelopes of others that were dropped");
        Meter.CreateObservableUpDownCounter("dawn.relay.held", () => relay.Held, "By", "Envelopes of others that wait for their turn");
        Meter.CreateObservableUpDownCounter("dawn.routing.paths", () => Count("kind", Enum.GetNames<RouteKind>(), router.Routes(sessions.Remotes).Select(route => route.Kind.ToString())), "{path}", "Ways in use");
        Meter.CreateObservableCounter("dawn.routing.floods", () => router.FloodsPassed, "{flood}", "Questions of others for a way that were passed on");
        Meter.CreateObservableUpDownCounter("dawn.sessions", () => Count("state", ["opening", "open", "stalled"], sessions.Snapshot.Select(session => session.State)), "{session}", "Sessions with other nodes");
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => Meter.Dispose();

    // Those of which there are none too, so that a series doesn't break off. One that has just ended is none of these.
    private static IEnumerable<Measurement<long>> Count(string label, string[] values, IEnumerable<string> all)
    {
        var counts = all.CountBy(value => value).ToDictionary();
        return values.Select(value => new Measurement<long>(counts.GetValueOrDefault(value), Label(label, value.ToLowerInvariant())));
    }

    private static KeyValuePair<string, object?> Label(string name, string value) => new(name, value);
}
