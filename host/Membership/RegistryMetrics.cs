using System.Diagnostics.Metrics;

namespace Dawn.Membership;

/// <summary>What the registry counts; operators see it at <c>/metrics</c>.</summary>
internal sealed class RegistryMetrics : IDisposable
{
    private readonly Meter _meter = new(Gateway.GatewayMetrics.MeterName);
    private readonly Counter<long> _merges;
    private readonly Counter<long> _reconciliations;
    private readonly Counter<long> _sent;

    public RegistryMetrics()
    {
        _merges = _meter.CreateCounter<long>("dawn.registry.merges", "{record}", "Records that came from neighbours or were this node's own");
        _reconciliations = _meter.CreateCounter<long>("dawn.registry.reconciliations", "{reconciliation}", "Reconciliations with neighbours that ended");
        _sent = _meter.CreateCounter<long>("dawn.registry.sent", "By", "Records and registry frames that were sent to neighbours");
    }

    /// <summary>What is asked for rather than counted along.</summary>
    public void Observe(RecordTable table)
    {
        _meter.CreateObservableUpDownCounter("dawn.registry.records", () => (long)table.Snapshot().Count, "{record}", "Records held");
        _meter.CreateObservableUpDownCounter("dawn.registry.bytes", () => table.Snapshot().Sum(r => (long)r.Encoded.Length), "By", "Size of the records held");
        _meter.CreateObservableUpDownCounter("dawn.registry.conflicts", () => (long)table.Conflicts.Snapshot.Count, "{node}", "Nodes whose key is used twice");
    }

    public void Merged(RecordVerdict verdict) => _merges.Add(1, new KeyValuePair<string, object?>("verdict", verdict.ToString().ToLowerInvariant()));

    /// <param name="outcome"><c>done</c>, <c>abandoned</c> or <c>refused</c>.</param>
    public void Reconciled(string outcome) => _reconciliations.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void Sent(int bytes) => _sent.Add(bytes);

    public void Dispose() => _meter.Dispose();
}
