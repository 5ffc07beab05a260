using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

public class MemoryBudgetTests
{
    [Fact]
    public void Whoever_uses_up_what_all_share_leaves_each_its_own()
    {
        var all = new MemoryBudget(1_000);
        var (greedy, modest) = (new MemoryBudget(5_000, all, own: 100), new MemoryBudget(5_000, all, own: 100));
        Assert.True(greedy.TryTake(1_100));
        Assert.False(greedy.TryTake(1));
        Assert.True(modest.TryTake(60));
        Assert.True(modest.TryTake(40));
        Assert.False(modest.TryTake(1));
        modest.Give(100);
        greedy.Give(200);
        Assert.Equal(800, all.Used);
        Assert.True(modest.TryTake(300));
        Assert.False(modest.TryTake(1));
        modest.Give(300);
        greedy.Give(900);
        Assert.Equal(0, all.Used);
    }

    [Fact]
    public void What_is_refused_costs_nothing()
    {
        var all = new MemoryBudget(100);
        var one = new MemoryBudget(50, all, own: 10);
        Assert.False(one.TryTake(51));
        Assert.Equal((0, 0), (one.Used, all.Used));
        Assert.True(one.TryTake(50));
        Assert.Equal(40, all.Used);
    }
}
