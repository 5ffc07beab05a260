using Dawn.Testing.Routing;
using Xunit;

namespace Dawn.Routing.Tests;

/// <summary>A row of a mode's table: in this network S reaches T over these, the best first, and dials those.</summary>
internal sealed record Situation(string Name, TestNetwork Network, string NextHops, string Dial = "")
{
    public static TheoryData<string> NamesOf(IEnumerable<Situation> table) => [.. table.Select(row => row.Name)];

    public static void Holds(string name, IEnumerable<Situation> table, IRoutingMode mode)
    {
        var row = table.Single(row => row.Name == name);
        var plan = mode.Plan(row.Network.ViewOf('s'), TestNetwork.NodeOf('t'));
        Assert.Equal((row.NextHops, row.Dial), (TestNetwork.LettersOf(plan.NextHops), TestNetwork.LettersOf(plan.Dial)));
        Assert.True(plan.MayFlood);
    }
}
