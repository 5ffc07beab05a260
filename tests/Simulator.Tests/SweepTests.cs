using Xunit;

namespace Dawn.Simulator.Tests;

/// <summary>Whole networks under everything that may go wrong: each run checks all invariants by itself.</summary>
public sealed class SweepTests
{
    private const int Limit = 300_000;

    [Theory(Timeout = Limit)]
    [InlineData("calm", 20, 2)]
    [InlineData("lossy", 30, 6)]
    [InlineData("partition", 30, 6)]
    [InlineData("crashes", 30, 6)]
    [InlineData("byzantine", 20, 4)]
    [InlineData("relays", 30, 4)]
    [InlineData("everything", 40, 10)]
    public async Task EverySeedHolds(string scenario, int nodes, int seeds)
    {
        var runs = await Runs.HoldAsync(TestContext.Current.CancellationToken, "--scenario", scenario, "--nodes", $"{nodes}", "--sweep", $"{seeds}");

        Assert.Equal(seeds, runs.Length);
        Assert.Equal(seeds, runs.Select(run => run.TraceHash).Distinct().Count());
        Assert.All(runs, run => Assert.NotNull(run.ConvergedAfterSeconds));
        Assert.All(runs, run => Assert.True(run.Results > run.Calls, $"{run.Results} answers to {run.Calls} calls: {run.Command}"));
    }

    [Fact(Timeout = Limit)]
    public async Task TwoHundredNodesHold()
    {
        var run = Assert.Single(await Runs.HoldAsync(TestContext.Current.CancellationToken, "--scenario", "everything", "--nodes", "200"));

        Assert.True(run.Links >= 400, $"{run.Links} links");
        Assert.True(run.ChangeRounds is >= 3 and <= 12, $"a change takes {run.ChangeRounds} rounds");
    }

    [Fact(Timeout = Limit)]
    public async Task WhoCrashesIsGoneFromAllViewsSoon()
    {
        // Long, so that some of those that crash stay away for a while.
        var run = Assert.Single(await Runs.HoldAsync(TestContext.Current.CancellationToken, "--scenario", "crashes", "--nodes", "100", "--seconds", "200", "--seed", "11"));

        Assert.True(run.CrashesNoticed >= 2, $"{run.CrashesNoticed} were noticed");
        Assert.True(run.CrashNoticedAfterSeconds <= 15, $"{run.CrashNoticedAfterSeconds} s");
    }

    [Fact(Timeout = Limit)]
    public async Task WhatIsPlannedHappens()
    {
        var run = Assert.Single(await Runs.HoldAsync(TestContext.Current.CancellationToken, "--scenario", "everything", "--nodes", "40", "--seed", "77"));

        Assert.All(
            ["Dial", "DialFailed", "Reset", "FrameLost", "FrameDoubled", "FrameLate", "Fault", "Crash", "Attack", "LinkDown", "Publish", "Executes"],
            kind => Assert.True(run.Counts[kind] > 0, $"no {kind}"));
        Assert.True(run.Equivocations > 0, "nobody was told two things");
    }
}
