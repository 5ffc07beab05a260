using System.Diagnostics;
using System.Globalization;
using System.Text;
using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>What one run came to.</summary>
internal sealed record Report
{
    public required string Scenario { get; init; }
    public required ulong Seed { get; init; }
    public required int Nodes { get; init; }
    public required int Seconds { get; init; }

    /// <summary>At the end.</summary>
    public required int Links { get; init; }

    public required long Events { get; init; }
    public required long Steps { get; init; }
    public required long Hops { get; init; }
    public required long Bytes { get; init; }
    public required long Packets { get; init; }

    /// <summary>From the last fault to the last record that was lacking; null where one still is.</summary>
    public required double? ConvergedAfterSeconds { get; init; }

    /// <summary>One change, when all was quiet.</summary>
    public required double? ChangeSeconds { get; init; }

    public required int? ChangeRounds { get; init; }
    public required double BytesPerSecondAndNode { get; init; }
    public required int CrashesNoticed { get; init; }
    public required double CrashNoticedAfterSeconds { get; init; }
    public required long Calls { get; init; }
    public required long Results { get; init; }
    public required long NotExecuted { get; init; }
    public required long OutcomeUnknown { get; init; }
    public required int Equivocations { get; init; }
    public required string TraceHash { get; init; }
    public required string? Violation { get; init; }
    public required string? Story { get; init; }
    public required string Command { get; init; }
    public required double WallSeconds { get; init; }
    public required long PeakMiB { get; init; }
    public required Dictionary<string, long> Counts { get; init; }

    public static Report Of(RunSettings settings)
    {
        var watch = Stopwatch.StartNew();
        using var world = new World(settings);
        var (violation, story) = ((string?)null, (string?)null);
        try
        {
            world.Run();
            if (world.Violation is { } found)
            {
                (violation, story) = (string.Create(CultureInfo.InvariantCulture, $"at {found.At.TotalSeconds:0.000000} s: {found.What}"), found.Story);
            }
        }
        catch (SimulationException e)
        {
            (violation, story) = (e.Message, e.InnerException?.ToString());
        }

        using var process = Process.GetCurrentProcess();
        var events = world.Simulation.Events;
        return new()
        {
            Scenario = settings.Scenario.Name,
            Seed = settings.Seed,
            Nodes = settings.Nodes,
            Seconds = settings.Seconds,
            Links = world.LinkEnds / 2,
            Events = events.Count,
            Steps = world.Simulation.Steps,
            Hops = world.Simulation.Hops,
            Bytes = world.Network.Bytes,
            Packets = world.Network.Packets,
            ConvergedAfterSeconds = world.ConvergedAfter?.TotalSeconds,
            ChangeSeconds = world.Convergence.Watched?.Took.TotalSeconds,
            ChangeRounds = world.Convergence.Watched?.Rounds,
            BytesPerSecondAndNode = world.BytesPerSecondAndNode,
            CrashesNoticed = world.Departures.Noticed,
            CrashNoticedAfterSeconds = world.Departures.Longest.TotalSeconds,
            Calls = world.Calls.Begun,
            Results = world.Calls.Results,
            NotExecuted = world.Calls.NotExecuted,
            OutcomeUnknown = world.Calls.Unknown,
            Equivocations = world.Convergence.Equivocations,
            TraceHash = events.Hash(),
            Violation = violation,
            Story = story,
            Command = settings.Command,
            WallSeconds = watch.Elapsed.TotalSeconds,
            PeakMiB = process.PeakWorkingSet64 >> 20,
            Counts = Enum.GetValues<TraceKind>().ToDictionary(kind => kind.ToString(), events.CountOf),
        };
    }

    public string ToLine() => string.Create(CultureInfo.InvariantCulture, $"seed {Seed}: {(Violation is null ? "held" : "FAILED")}, {Events:N0} events, {WallSeconds:0.0} s, {TraceHash[..16]}");

    public string ToText(bool withCounts)
    {
        var text = new StringBuilder();
        void Line(FormattableString line) => text.AppendLine(line.ToString(CultureInfo.InvariantCulture));

        Line($"scenario     {Scenario}, seed {Seed}: {Nodes:N0} nodes, {Seconds:N0} virtual seconds");
        Line($"network      {Links:N0} links at the end, {Packets:N0} packets, {Bytes:N0} bytes; when quiet {BytesPerSecondAndNode:N0} bytes/s a node");
        Line($"events       {Events:N0}, {Steps:N0} steps, {Hops:N0} hops over the pool");
        Line($"convergence  {(ConvergedAfterSeconds is { } after ? string.Create(CultureInfo.InvariantCulture, $"{after:0.000} s after the last fault") : "not reached")}");
        Line($"one change   {(ChangeSeconds is { } took ? string.Create(CultureInfo.InvariantCulture, $"known everywhere after {took:0.000} s and {ChangeRounds} rounds") : "not measured")}");
        if (CrashesNoticed > 0)
        {
            Line($"crashes      {CrashesNoticed:N0} noticed everywhere before the node came back, within {CrashNoticedAfterSeconds:0} s");
        }

        if (Equivocations > 0)
        {
            Line($"liars        {Equivocations:N0} sequences that were signed twice, and believed once in the end");
        }

        Line($"calls        {Calls:N0}; messages: {Results:N0} answered, {NotExecuted:N0} not executed, {OutcomeUnknown:N0} of unknown outcome");
        Line($"cost         {WallSeconds:0.0} s, peak {PeakMiB:N0} MiB");
        Line($"trace        {TraceHash}");
        if (withCounts)
        {
            foreach (var (kind, count) in Counts.Where(entry => entry.Value > 0).OrderByDescending(entry => entry.Value))
            {
                Line($"  {count,14:N0}  {kind}");
            }
        }

        if (Violation is not null)
        {
            Line($"{Story}");
            Line($"VIOLATION    {Violation}");
            Line($"again        {Command}");
        }

        return text.ToString().TrimEnd();
    }
}
