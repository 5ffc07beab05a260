using Xunit;

namespace Dawn.Simulator.Tests;

public sealed class DeterminismTests
{
    private const int Limit = 300_000;

    // Twice in one process, and again in another: neither what ran before nor the process's own random numbers leave a trace.
    [Theory(Timeout = Limit)]
    [InlineData("everything", 30)]
    [InlineData("crashes", 20)]
    public async Task TheSameSeedGivesTheSameTrace(string scenario, int nodes)
    {
        string[] arguments = ["--scenario", scenario, "--nodes", $"{nodes}", "--seed"];
        var first = Assert.Single(await Runs.HoldAsync(TestContext.Current.CancellationToken, [.. arguments, "12"]));
        var again = await Runs.HoldAsync(TestContext.Current.CancellationToken, [.. arguments, "11", "--sweep", "2"]);

        Assert.Equal(first.TraceHash, again[1].TraceHash);
        Assert.NotEqual(first.TraceHash, again[0].TraceHash);
        Assert.Equal((first.Events, first.Results, first.ConvergedAfterSeconds), (again[1].Events, again[1].Results, again[1].ConvergedAfterSeconds));
    }

    [Fact(Timeout = Limit)]
    public async Task TheOrderOfWhatIsReadyIsPartOfTheSeed()
    {
        string[] arguments = ["--scenario", "lossy", "--nodes", "20"];
        var seeded = Assert.Single(await Runs.HoldAsync(TestContext.Current.CancellationToken, arguments));
        var fifo = Assert.Single(await Runs.HoldAsync(TestContext.Current.CancellationToken, [.. arguments, "--fifo"]));

        Assert.NotEqual(seeded.TraceHash, fifo.TraceHash);
    }

    [Fact(Timeout = Limit)]
    public async Task WhatFailsTellsItsStoryAndHowToSeeItAgain()
    {
        string[] arguments = ["--scenario", "broken", "--nodes", "10", "--seed", "4"];
        var (code, output, _) = await Runs.RunAsync(TestContext.Current.CancellationToken, arguments);
        var (_, again, _) = await Runs.RunAsync(TestContext.Current.CancellationToken, [.. arguments, "--sweep", "2"]);

        Assert.Equal(1, code);
        Assert.Contains("VIOLATION    at 75.000000 s: ", output, StringComparison.Ordinal);
        Assert.Contains("again        dotnet run -c Release --project tests/Simulator -- --scenario broken --nodes 10 --seconds 90 --seed 4", output, StringComparison.Ordinal);
        Assert.True(output.Split('\n').Count(line => line.Contains(" s  node ", StringComparison.Ordinal)) >= 100, output);
        Assert.Contains("0 of 2 seeds held.", again, StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData("--scenario", "storm")]
    [InlineData("--nodes", "1")]
    [InlineData("--nodes", "many")]
    [InlineData("--sideways", "")]
    public async Task WhatMakesNoSenseIsRefused(string option, string value)
    {
        var (code, _, errors) = await Runs.RunAsync(TestContext.Current.CancellationToken, option, value);

        Assert.Equal(2, code);
        Assert.Contains(option, errors, StringComparison.Ordinal);
        Assert.Contains("--scenario NAME", errors, StringComparison.Ordinal);
    }
}
