using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

public class ReplayWindowTests
{
    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 100)]
    [InlineData(3, 20_000)]
    [InlineData(4, 60_000)]
    [InlineData(5, int.MaxValue)]
    public void Agrees_with_a_list_of_all_nonces_over_random_histories(int seed, int farthest)
    {
        var random = new Random(seed);
        var window = new ReplayWindow();
        var taken = new HashSet<ulong>();
        ulong highest = 0, near = 0;
        for (var i = 0; i < 50_000; i++)
        {
            var nonce = random.Next(4) switch
            {
                0 => near + (ulong)random.NextInt64(farthest),
                1 => near + 1,
                _ => near - Math.Min(near, (ulong)random.NextInt64(ReplayWindow.Size + 100L)),
            };
            var fresh = !taken.Contains(nonce) && (taken.Count == 0 || nonce > highest || highest - nonce < ReplayWindow.Size);
            Assert.True(fresh == window.IsFresh(nonce), $"nonce {nonce} after {highest}, step {i}");
            if (fresh && random.Next(5) > 0)
            {
                // What isn't taken, since it didn't authenticate, leaves no trace.
                window.Take(nonce);
                taken.Add(nonce);
                highest = Math.Max(highest, nonce);
                near = Math.Max(near, nonce);
            }
        }
    }

    [Fact]
    public void The_window_is_exactly_16384_wide()
    {
        var window = new ReplayWindow();
        window.Take(20_000);
        Assert.False(window.IsFresh(20_000));
        Assert.True(window.IsFresh(20_000 - ReplayWindow.Size + 1));
        Assert.False(window.IsFresh(20_000 - ReplayWindow.Size));
    }

    [Fact]
    public void The_last_nonce_is_never_fresh()
    {
        var window = new ReplayWindow();
        Assert.False(window.IsFresh(ulong.MaxValue));
        window.Take(ulong.MaxValue - 1);
        Assert.False(window.IsFresh(ulong.MaxValue));
        Assert.False(window.IsFresh(0));
        Assert.True(window.IsFresh(ulong.MaxValue - 2));
    }
}
