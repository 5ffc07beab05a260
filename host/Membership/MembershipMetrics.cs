using System.Diagnostics.Metrics;
using Dawn.Gateway;

namespace Dawn.Membership;

/// <summary>What membership counts.</summary>
internal sealed class MembershipMetrics : IDisposable
{
    private readonly Meter _meter = new(GatewayMetrics.MeterName);
    private readonly Counter<long> _probes;
    private readonly Counter<long> _failures;
    private readonly Counter<long> _suspicions;
    private readonly Counter<long> _dials;
    private readonly Counter<long> _dropped;
    private Func<IReadOnlyDictionary<string, int>>? _peers;
    private Func<(int Active, int Passive)>? _views;

    public MembershipMetrics()
    {
        _probes = _meter.CreateCounter<long>("dawn.membership.probes", "{probe}", "Neighbours probed");
        _failures = _meter.CreateCounter<long>("dawn.membership.probe.failures", "{probe}", "Probes that neither the neighbour nor a helper answered");
        _suspicions = _meter.CreateCounter<long>("dawn.membership.suspicions", "{suspicion}", "Nodes that came to be suspected, or dead");
        _dials = _meter.CreateCounter<long>("dawn.membership.dials", "{dial}", "Addresses dialled, by outcome");
        _dropped = _meter.CreateCounter<long>("dawn.membership.dropped", "{message}", "Messages of neighbours beyond the limit of their rate");
        _meter.CreateObservableUpDownCounter("dawn.membership.peers", () => (_peers?.Invoke() ?? new Dictionary<string, int>()).Select(p => new Measurement<int>(p.Value, new KeyValuePair<string, object?>("state", p.Key))), "{node}", "Nodes known, by state");
        _meter.CreateObservableUpDownCounter("dawn.membership.view", () => ViewSizes(), "{node}", "Nodes in the active and the passive view");
    }

    public void Observe(Func<IReadOnlyDictionary<string, int>> peers, Func<(int Active, int Passive)> views) => (_peers, _views) = (peers, views);

    public void Probed(long count, long failed)
    {
        _probes.Add(count);
        _failures.Add(failed);
    }

    public void Believed(PeerHealth health) => _suspicions.Add(health == PeerHealth.Alive ? 0 : 1, new KeyValuePair<string, object?>("health", health.ToString().ToLowerInvariant()));

    public void Dialled(bool isUp) => _dials.Add(1, new KeyValuePair<string, object?>("outcome", isUp ? "up" : "failed"));

    public void Dropped(MessageClass kind) => _dropped.Add(1, new KeyValuePair<string, object?>("class", kind.ToString().ToLowerInvariant()));

    public void Dispose() => _meter.Dispose();

    private IEnumerable<Measurement<int>> ViewSizes()
    {
        var (active, passive) = _views?.Invoke() ?? default;
        return [new(active, new KeyValuePair<string, object?>("view", "active")), new(passive, new KeyValuePair<string, object?>("view", "passive"))];
    }
}
