using System.Net;
using Dawn.Links;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Links;

public class HandshakeLimitsTests
{
    private static readonly EndPoint One = new IPEndPoint(IPAddress.Parse("198.51.100.1"), 1);
    private static readonly EndPoint Two = new IPEndPoint(IPAddress.Parse("198.51.100.2"), 1);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void An_address_has_16_handshakes_at_once_and_others_are_not_harmed()
    {
        var limits = new HandshakeLimits(new(), _time);
        var permits = Enumerable.Range(0, 16).Select(_ => limits.TryEnter(One, out var _)).ToArray();
        Assert.All(permits, Assert.NotNull);
        Assert.Null(limits.TryEnter(One, out var limit));
        Assert.Contains("16", limit, StringComparison.Ordinal);
        Assert.NotNull(limits.TryEnter(Two, out _));
        permits[0]!.Dispose();
        permits[0]!.Dispose();
        Assert.NotNull(limits.TryEnter(One, out _));
        Assert.Null(limits.TryEnter(One, out _));
    }

    [Fact]
    public void An_address_has_a_burst_of_50_and_then_20_a_second()
    {
        var limits = new HandshakeLimits(new(), _time);
        Assert.Equal(50, Knock(limits, One, 100));
        Assert.Equal(50, Knock(limits, Two, 100));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(20, Knock(limits, One, 100));
        _time.Advance(TimeSpan.FromSeconds(100));
        Assert.Equal(50, Knock(limits, One, 100));
    }

    [Fact]
    public void Of_128_at_once_the_oldest_gives_way()
    {
        var limits = new HandshakeLimits(new(), _time);
        var permits = Enumerable.Range(0, 200).Select(i => limits.TryEnter(new IPEndPoint(IPAddress.Parse($"198.51.100.{i}"), 1), out _)!).ToArray();
        Assert.Equal(Enumerable.Range(0, 200).Select(i => i < 72), permits.Select(permit => permit.Replaced.IsCancellationRequested));
        // Who left in between is replaced by the next, and no other has to go; leaving after one was replaced frees nobody else's place.
        permits[150].Dispose();
        permits[0].Dispose();
        Assert.NotNull(limits.TryEnter(One, out _));
        Assert.False(permits[72].Replaced.IsCancellationRequested);
        Assert.NotNull(limits.TryEnter(Two, out _));
        Assert.True(permits[72].Replaced.IsCancellationRequested);
        Assert.False(permits[73].Replaced.IsCancellationRequested);
    }

    [Fact]
    public void The_door_opens_500_times_at_once_and_then_500_times_a_second()
    {
        var pace = new AcceptPace(new(), _time);
        Assert.All(Enumerable.Range(0, 500), _ => Assert.Equal(TimeSpan.Zero, pace.Count()));
        var pause = pace.Count();
        Assert.Equal(2, pause.TotalMilliseconds, 0.01);
        for (var i = 0; i < 500; i++)
        {
            _time.Advance(pause);
            pause = pace.Count();
            Assert.Equal(2, pause.TotalMilliseconds, 0.01);
        }

        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.Zero, pace.Count());
    }

    [Theory]
    [InlineData("2001:db8::1", "2001:db8::ffff:1", true)]
    [InlineData("2001:db8::1", "2001:db8:0:1::1", false)]
    [InlineData("::ffff:198.51.100.1", "198.51.100.1", true)]
    public void An_ipv6_host_counts_by_its_64(string one, string two, bool same)
    {
        var limits = new HandshakeLimits(new(), _time);
        Assert.Equal(50, Knock(limits, new IPEndPoint(IPAddress.Parse(one), 1), 100));
        Assert.Equal(same ? 0 : 50, Knock(limits, new IPEndPoint(IPAddress.Parse(two), 1), 100));
    }

    [Fact]
    public void Loopback_counts_in_all_alone()
    {
        var limits = new HandshakeLimits(new(), _time);
        Assert.Equal(1_000, Knock(limits, new IPEndPoint(IPAddress.Loopback, 1), 1_000));
        Assert.Equal(1_000, Knock(limits, null, 1_000));
        var permits = Enumerable.Range(0, 200).Select(_ => limits.TryEnter(new IPEndPoint(IPAddress.IPv6Loopback, 1), out var _)!).ToArray();
        Assert.Equal(128, permits.Count(permit => !permit.Replaced.IsCancellationRequested));
    }

    [Fact]
    public void Memory_for_addresses_is_bounded_and_old_ones_are_forgotten()
    {
        var limits = new HandshakeLimits(new(), _time);
        var let = Enumerable.Range(0, 10_000).Count(i => Knock(limits, new IPEndPoint(new IPAddress([10, 1, (byte)(i >> 8), (byte)i]), 1), 1) == 1);
        Assert.Equal(8_192, let);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, Knock(limits, One, 1));
    }

    private static int Knock(HandshakeLimits limits, EndPoint? from, int times)
    {
        var let = 0;
        for (var i = 0; i < times; i++)
        {
            using var permit = limits.TryEnter(from, out _);
            let += permit is null ? 0 : 1;
        }

        return let;
    }
}
