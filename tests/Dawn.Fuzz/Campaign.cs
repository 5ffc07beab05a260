using System.Diagnostics;

namespace Dawn.Fuzz;

/// <summary>An input that did harm.</summary>
public sealed record Finding(string Target, int Seed, long Number, byte[] Input, string What)
{
    public override string ToString() => $"""
        {Target}, seed {Seed}, input {Number}: {What}
        input: {Convert.ToHexStringLower(Input)}
        again: dotnet run -c Release --project tests/Dawn.Fuzz -- run {Target} --input {Convert.ToHexStringLower(Input)}
        """;
}

/// <summary>Runs a target over its regressions, its seeds and then mutated inputs, until a number, a time or the first finding.</summary>
public sealed class Campaign(string target, int seed)
{
    // No input takes a millisecond of honest work; a machine under load may stop a thread for a while.
    private static readonly TimeSpan HangsAfter = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(2);

    private volatile byte[] _current = [];
    private long _number;

    /// <summary>Inputs run so far.</summary>
    public long Executions => Interlocked.Read(ref _number);

    /// <summary>Returns the first finding, or null.</summary>
    public Finding? Run(long maxInputs, TimeSpan maxTime)
    {
        Finding? finding = null;
        // A thread of its own: what never ends can't be stopped, but it can be told.
        var worker = new Thread(() => finding = Work(maxInputs, maxTime)) { IsBackground = true, Name = target };
        worker.Start();
        var (seen, since) = (-1L, Stopwatch.StartNew());
        while (!worker.Join(TimeSpan.FromMilliseconds(200)))
        {
            if (Executions != seen)
            {
                (seen, since) = (Executions, Stopwatch.StartNew());
            }
            else if (since.Elapsed > HangsAfter)
            {
                return new(target, seed, seen, _current, $"it did not end within {HangsAfter.TotalSeconds:0} s");
            }
        }

        return finding;
    }

    /// <summary>Runs one input with all that is measured around it.</summary>
    public static void Check(IFuzzTarget target, byte[] input)
    {
        if (Measure(target, input) is not null && Measure(target, input) is { } problem)
        {
            // The second time no pool is filled and nothing compiled any more.
            throw new PropertyException(problem);
        }
    }

    /// <summary>Runs each regression and each seed: also what compiles the code, so that later measures are true.</summary>
    public static IReadOnlyList<byte[]> WarmUp(IFuzzTarget target)
    {
        var seeds = target.Seeds().ToArray();
        byte[][] corpus = [.. FuzzTargets.Regressions(target.Name).Select(r => r.Input), .. seeds];
        foreach (var input in corpus)
        {
            target.Run(input);
        }

        return corpus;
    }

    private Finding? Work(long maxInputs, TimeSpan maxTime)
    {
        var clock = Stopwatch.StartNew();
        try
        {
            var subject = FuzzTargets.Create(target)!;
            var mutator = new Mutator(WarmUp(subject), seed);
            while (_number < maxInputs && clock.Elapsed < maxTime)
            {
                _current = mutator.Next();
                Check(subject, _current);
                Interlocked.Increment(ref _number);
            }

            return null;
        }
        catch (Exception e)
        {
            return new(target, seed, _number, _current, e is PropertyException ? e.Message : e.ToString());
        }
    }

    private static string? Measure(IFuzzTarget target, byte[] input)
    {
        var (before, started) = (GC.GetAllocatedBytesForCurrentThread(), Stopwatch.GetTimestamp());
        target.Run(input);
        var (allocated, elapsed) = (GC.GetAllocatedBytesForCurrentThread() - before, Stopwatch.GetElapsedTime(started));
        return allocated > target.AllocationLimit(input.Length) ? $"it allocated {allocated} bytes for an input of {input.Length}; {target.AllocationLimit(input.Length)} are allowed"
            : elapsed > LongestRun ? $"it took {elapsed.TotalMilliseconds:0} ms for an input of {input.Length} bytes"
            : null;
    }
}
