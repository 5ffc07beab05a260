using Dawn.Fuzz;
using Xunit;

namespace Dawn.Tests.Hostile;

/// <summary>Everything that takes bytes from strangers, under 100,000 mutated inputs each: see tests/Dawn.Fuzz/README.md.</summary>
public class MutationTests
{
    private const int Inputs = 100_000;

    // Two threads, each with a seed and a target of its own.
    private static readonly int[] Seeds = [20_300_101, 20_300_102];

    // A quiet machine needs a tenth of it.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    public static TheoryData<string> Targets => [.. FuzzTargets.Names];

    [Theory]
    [MemberData(nameof(Targets))]
    public async Task No_mutated_input_does_harm(string target)
    {
        var campaigns = Seeds.Select(seed => new Campaign(target, seed)).ToArray();
        var findings = await Task.WhenAll(campaigns.Select(campaign => Task.Run(() => campaign.Run(Inputs / Seeds.Length, Patience), TestContext.Current.CancellationToken)));
        Assert.All(findings, finding => Assert.True(finding is null, finding?.ToString()));
        Assert.All(campaigns, campaign => Assert.Equal(Inputs / Seeds.Length, campaign.Executions));
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void Valid_inputs_and_old_findings_do_no_harm(string name)
    {
        var target = FuzzTargets.Create(name)!;
        var corpus = Campaign.WarmUp(target);
        Assert.NotEmpty(corpus);
        Assert.All(corpus, input => Campaign.Check(target, input));
    }

    [Fact]
    public void The_same_seed_makes_the_same_inputs()
    {
        byte[][] corpus = [.. FuzzTargets.Create("session")!.Seeds()];
        var (one, two, other) = (new Mutator(corpus, 1), new Mutator(corpus, 1), new Mutator(corpus, 2));
        var differ = 0;
        for (var i = 0; i < 1_000; i++)
        {
            var input = one.Next();
            Assert.Equal(input, two.Next());
            differ += input.AsSpan().SequenceEqual(other.Next()) ? 0 : 1;
        }

        Assert.InRange(differ, 900, 1_000);
    }
}
