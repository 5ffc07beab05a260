using System.Collections.Concurrent;
using System.Diagnostics;
using Dawn.Telemetry;
using Xunit;

namespace Dawn.Tests.Telemetry;

/// <summary>Tests that listen, or rely on nobody listening: one at a time, as listeners are of the whole process.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TracingCollection
{
    public const string Name = "Tracing";
}

/// <summary>Listens to Dawn's spans, and keeps those of one trace or all.</summary>
internal sealed class SpanLog : IDisposable
{
    private readonly ConcurrentQueue<Activity> _ended = new();
    private readonly ActivityListener _listener;

    public SpanLog(ActivitySamplingResult sampling = ActivitySamplingResult.AllDataAndRecorded)
    {
        _listener = new()
        {
            ShouldListenTo = source => source.Name == Tracing.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => sampling,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>Spans that ended, in that order.</summary>
    public Activity[] Ended => [.. _ended];

    public Activity[] Of(ActivityTraceId trace) => [.. _ended.Where(span => span.TraceId == trace)];

    /// <summary>Waits for so many spans of a trace: the last of them may end after the answer is there.</summary>
    public async Task<Activity[]> OfAsync(ActivityTraceId trace, int count)
    {
        await Eventually.HoldsAsync(() => Of(trace).Length >= count, $"{count} spans of {trace}");
        return Of(trace);
    }

    public void Dispose() => _listener.Dispose();
}
