using System.Diagnostics;
using System.Reflection;
using System.Text.Json;
using Xunit;

namespace Dawn.Simulator.Tests;

/// <summary>One run's summary, as the program says it.</summary>
internal sealed record Summary(
    string Scenario, ulong Seed, int Nodes, int Links, long Events, double? ConvergedAfterSeconds, double? ChangeSeconds, int? ChangeRounds, double BytesPerSecondAndNode,
    int CrashesNoticed, double CrashNoticedAfterSeconds, long Calls, long Results, long NotExecuted, long OutcomeUnknown, int Equivocations, string TraceHash, string? Violation, string? Story, string Command, Dictionary<string, long> Counts);

/// <summary>Runs the simulator as its users do.</summary>
internal static class Runs
{
    private static readonly string Program = typeof(Runs).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Simulator").Value!;

    /// <summary>The summaries of runs, each of which must have held.</summary>
    public static async Task<Summary[]> HoldAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        var (code, output, errors) = await RunAsync(cancellationToken, [.. arguments, "--json"]);
        var summaries = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonSerializer.Deserialize<Summary>(line)!).ToArray();
        foreach (var failed in summaries.Where(summary => summary.Violation is not null))
        {
            Assert.Fail($"{failed.Story}\n{failed.Violation}\n{failed.Command}");
        }

        Assert.True(code == 0, errors);
        return summaries;
    }

    public static async Task<(int Code, string Output, string Errors)> RunAsync(CancellationToken cancellationToken, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync(cancellationToken);
            return (process.ExitCode, await output, await errors);
        }
        finally
        {
            // A test that ran out of time leaves nothing behind.
            process.Kill();
        }
    }
}
