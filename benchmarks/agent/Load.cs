using System.Diagnostics;

namespace Dawn.Benchmarks;

/// <summary>What a leg came to. Times are in microseconds.</summary>
/// <param name="AllocatedPerCall">Bytes that the calling process allocated, over its calls.</param>
public sealed record LoadResult(long Calls, double CallsPerSecond, double P50, double P90, double P99, double Max, double AllocatedPerCall)
{
    /// <summary>The same at the called end, where it was asked.</summary>
    public double? RemoteAllocatedPerCall { get; init; }
}

/// <summary>The loop that every leg runs, whatever it calls: this one file is compiled into the agent and into the comparators' clients.</summary>
public static class Load
{
    /// <summary>Calls that one loop may have under way.</summary>
    public const int MaxInFlight = 1_024;

    /// <summary>How long a leg may last.</summary>
    public const double MaxSeconds = 120;

    // Beyond so many calls of one worker latencies are no longer kept; the count goes on.
    private const int MaxKept = 4_000_000;

    // Filling pipes and growing a pool of threads is not what is measured.
    private const double SettleSeconds = 0.2;

    /// <summary>Calls with so many under way for so long, and takes the time of each.</summary>
    public static async Task<LoadResult> RunAsync(Func<Task> call, int inFlight, double seconds, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inFlight, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(inFlight, MaxInFlight);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(seconds, MaxSeconds);
        // The first one connects, and compiles what it needs.
        await call();
        var from = Stopwatch.GetTimestamp() + Ticks(Math.Min(SettleSeconds, seconds / 4));
        var until = from + Ticks(seconds);
        var allocatedBefore = 0L;
        var settled = 0;
        var kept = await Task.WhenAll(Enumerable.Range(0, inFlight).Select(_ => Task.Run(WorkAsync, cancellationToken)));
        var allocated = GC.GetTotalAllocatedBytes() - allocatedBefore;

        var calls = kept.Sum(worker => worker.Calls);
        var latencies = kept.SelectMany(worker => worker.Latencies).ToArray();
        if (latencies.Length == 0)
        {
            throw new InvalidOperationException($"Not one call ended within {seconds} s.");
        }

        Array.Sort(latencies);
        return new(calls, calls / seconds, At(latencies, 0.5), At(latencies, 0.9), At(latencies, 0.99), At(latencies, 1), (double)allocated / calls);

        async Task<(long Calls, List<float> Latencies)> WorkAsync()
        {
            // The list grows by doubling, which is a few bytes a call and the same for all legs.
            var (calls, latencies) = (0L, new List<float>(65_536));
            while (true)
            {
                var began = Stopwatch.GetTimestamp();
                if (began >= until)
                {
                    return (calls, latencies);
                }

                if (began >= from && Interlocked.Exchange(ref settled, 1) == 0)
                {
                    Volatile.Write(ref allocatedBefore, GC.GetTotalAllocatedBytes());
                }

                cancellationToken.ThrowIfCancellationRequested();
                await call();
                if (began >= from)
                {
                    calls++;
                    if (latencies.Count < MaxKept)
                    {
                        latencies.Add((float)Stopwatch.GetElapsedTime(began).TotalMicroseconds);
                    }
                }
            }
        }
    }

    private static long Ticks(double seconds) => (long)(seconds * Stopwatch.Frequency);

    private static double At(float[] sorted, double part) => sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * part))];
}
