using System.Diagnostics.Metrics;
using Dawn.Identity;
using Dawn.Routing;
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using Dawn.Tests.Membership;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Routing;

/// <summary>Nodes in a line, of which the ends have no address: what they see of their ways, and what the one between counts.</summary>
public sealed class SeenRoutesTests : IAsyncLifetime
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();
    private MeshNode _a = null!;
    private MeshNode _relay = null!;
    private MeshNode _b = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        (_a, _relay, _b) = (new(_network, _time), await new MeshNode(_network, _time).ListenAsync(), new(_network, _time));
        await _a.LinkToAsync(_relay);
        await _b.LinkToAsync(_relay);
        _b.Know(_a, [_relay.Id]);
    }

    public async ValueTask DisposeAsync()
    {
        await _a.DisposeAsync();
        await _b.DisposeAsync();
        await _relay.DisposeAsync();
    }

    [Fact]
    public async Task A_trace_over_a_relay_shows_two_hops()
    {
        _a.Know(_b, [_relay.Id]);
        var path = await TraceAsync(_b.Id);
        Assert.True(path.IsComplete);
        Assert.Equal([(1, _relay.Id), (2, _b.Id)], path.Hops.Select(hop => (hop.Hop, hop.Node!.Value)));

        var route = Assert.Single(_a.Router.Routes([]));
        Assert.Equal((_b.Id, _relay.Id, RouteKind.Relay), (route.Target, route.Link!.Remote, route.Kind));
    }

    [Fact]
    public async Task A_neighbour_is_one_hop_away()
    {
        var path = await TraceAsync(_relay.Id);
        Assert.True(path.IsComplete);
        Assert.Equal([_relay.Id], path.Hops.Select(hop => hop.Node!.Value));
        Assert.Equal(RouteKind.Direct, _a.Router.RouteTo(_relay.Id).Kind);
        Assert.Equal((_b.Id, RouteKind.None), (_a.Router.RouteTo(_b.Id).Target, _a.Router.RouteTo(_b.Id).Kind));
    }

    [Fact]
    public async Task A_way_that_a_flood_found_is_followed_too()
    {
        _a.Know(_b, []);
        await _a.Paths.OpenPathAsync(_b.Id, Cancel).WaitAsync(MeshNode.Patience, Cancel);
        Assert.Equal(RouteKind.Found, _a.Router.RouteTo(_b.Id).Kind);
        var path = await TraceAsync(_b.Id);
        Assert.True(path.IsComplete);
        Assert.Equal([_relay.Id, _b.Id], path.Hops.Select(hop => hop.Node!.Value));
    }

    [Fact]
    public async Task Of_a_way_that_ends_before_its_target_the_rest_is_seen()
    {
        await using var gone = new MeshNode(_network, _time);
        _a.Know(gone, [_relay.Id]);
        var tracing = _a.Router.Traces.TraceAsync(gone.Id, Cancel);
        await Eventually.HoldsAsync(() => tracing.IsCompleted, () => _time.Advance(TimeSpan.FromMilliseconds(100)));
        var path = await tracing;
        Assert.False(path.IsComplete);
        Assert.Equal([_relay.Id], path.Hops.Select(hop => hop.Node!.Value));
        Assert.Equal(0, _a.Router.Traces.Pending);
    }

    [Fact]
    public async Task Metrics_count_what_is_relayed_and_the_ways_in_use()
    {
        using RoutingMetrics ofA = new(_a.Router, _a.Sessions), ofRelay = new(_relay.Router, _relay.Sessions);
        await ofA.StartAsync(Cancel);
        await ofRelay.StartAsync(Cancel);
        var before = Read(ofRelay);
        Assert.Equal(
            ["dawn.relay.bytes", "dawn.relay.dropped limit", "dawn.relay.dropped no_route", "dawn.relay.envelopes", "dawn.relay.held", "dawn.routing.floods",
             "dawn.routing.paths direct", "dawn.routing.paths found", "dawn.routing.paths none", "dawn.routing.paths relay",
             "dawn.sessions open", "dawn.sessions opening", "dawn.sessions stalled"],
            before.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(0, before["dawn.relay.envelopes"]);

        _a.Know(_b, [_relay.Id]);
        Assert.Contains("say", await _a.CallAsync(_b), StringComparison.Ordinal);
        var (after, own) = (Read(ofRelay), Read(ofA));
        // At least three messages of the handshake, and a segment each way.
        Assert.True(after["dawn.relay.envelopes"] >= 5, $"{after["dawn.relay.envelopes"]} envelopes");
        Assert.True(after["dawn.relay.bytes"] >= after["dawn.relay.envelopes"] * EnvelopeHeader.Size);
        Assert.Equal(_relay.Router.Relay.Unroutable, after["dawn.relay.dropped no_route"]);
        Assert.Equal((1, 0, 0), (own["dawn.routing.paths relay"], own["dawn.routing.paths direct"], own["dawn.relay.envelopes"]));
        Assert.Equal(1, own["dawn.sessions open"] + own["dawn.sessions opening"]);

        await using var gone = new MeshNode(_network, _time);
        _a.Know(gone, [_relay.Id]);
        Assert.True(_a.Router.TrySend(new(EnvelopeKind.Segment, 0, 16, 1, _a.Id, gone.Id, 0, 0), default));
        await Eventually.HoldsAsync(() => Read(ofRelay)["dawn.relay.dropped no_route"] == after["dawn.relay.dropped no_route"] + 1);
    }

    private async Task<TracedPath> TraceAsync(NodeId target) => await _a.Router.Traces.TraceAsync(target, Cancel).WaitAsync(MeshNode.Patience, Cancel);

    private static Dictionary<string, long> Read(RoutingMetrics metrics)
    {
        var values = new Dictionary<string, long>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (ReferenceEquals(instrument.Meter, metrics.Meter))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => values[string.Join(' ', [instrument.Name, .. tags.ToArray().Select(tag => $"{tag.Value}")])] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        return values;
    }
}
