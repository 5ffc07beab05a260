using System.Reflection;
using Dawn.Discovery.Mdns;
using Dawn.Testing.Transports;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Discovery.Tests;

public class MdnsDiscoveryTests
{
    private readonly FakeLan _lan = new(new FakeTimeProvider());

    [Fact(Timeout = 30_000)]
    public async Task Two_find_each_other_and_notice_the_end()
    {
        using var endFirst = new CancellationTokenSource();
        using var endSecond = new CancellationTokenSource();
        var (first, second) = (Node(1, "192.0.2.1").Discovery, Node(2, "192.0.2.2").Discovery);
        var advertising = first.AdvertiseAsync(Advertisement(7610), endFirst.Token);
        var alsoAdvertising = second.AdvertiseAsync(Advertisement(7611), endSecond.Token);
        await using var seenByFirst = first.DiscoverAsync(Machine.Network, endFirst.Token).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        await using var seenBySecond = second.DiscoverAsync(Machine.Network, endSecond.Token).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.Equal(new DiscoveredPeer(new("ws://192.0.2.2:7611")), await NextAsync(seenByFirst));
        Assert.Equal(new DiscoveredPeer(new("ws://192.0.2.1:7610")), await NextAsync(seenBySecond));

        await endSecond.CancelAsync();
        await alsoAdvertising;
        Assert.Equal(new DiscoveredPeer(new("ws://192.0.2.2:7611"), IsGone: true), await NextAsync(seenByFirst));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await seenBySecond.MoveNextAsync());
        Assert.False(advertising.IsCompleted);
        await endFirst.CancelAsync();
        await advertising;
    }

    [Fact(Timeout = 30_000)]
    public async Task Two_on_one_machine_find_each_other_and_not_themselves()
    {
        using var end = new CancellationTokenSource();
        var (first, second) = (Node(1, "192.0.2.1").Discovery, Node(2, "192.0.2.1").Discovery);
        Task[] advertising = [first.AdvertiseAsync(Advertisement(7610), end.Token), second.AdvertiseAsync(Advertisement(7611), end.Token)];
        await using var seen = first.DiscoverAsync(Machine.Network, end.Token).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        await using var seenByOther = second.DiscoverAsync(Machine.Network, end.Token).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.Equal(new("ws://192.0.2.1:7611"), (await NextAsync(seen)).Address);
        Assert.Equal(new("ws://192.0.2.1:7610"), (await NextAsync(seenByOther)).Address);
        await end.CancelAsync();
        await Task.WhenAll(advertising);
    }

    [Fact(Timeout = 30_000)]
    public async Task What_was_told_before_under_another_name_is_not_found_when_it_echoes()
    {
        var (node, _) = Node(1, "192.0.2.1");
        using (var end = new CancellationTokenSource())
        {
            var advertising = node.AdvertiseAsync(Advertisement(7610), end.Token);
            _lan.Pass(5);
            await end.CancelAsync();
            await advertising;
        }

        var announced = _lan.Responses.First().Message;
        using var stop = new CancellationTokenSource();
        await using var seen = node.DiscoverAsync(Machine.Network, stop.Token).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        var next = seen.MoveNextAsync();
        // As a reflector says it again, late; and behind it somebody else.
        var other = new Machine(_lan, 2, "192.0.2.2");
        other.Say(Mdns.Messages.DnsMessage.Response(announced.Answers, []).Single());
        _lan.Pass(1);
        Assert.False(next.IsCompleted);
        other.Say(Others.Instance("other"));
        Assert.Equal(new DiscoveredPeer(new("ws://192.0.2.9:7610")), await NextAsync(seen, next));
        await stop.CancelAsync();
    }

    [Fact(Timeout = 30_000)]
    public async Task Sockets_are_open_as_long_as_somebody_uses_them()
    {
        var (node, sockets) = Node(1, "192.0.2.1");
        using var endTelling = new CancellationTokenSource();
        using var endLooking = new CancellationTokenSource();
        var telling = node.AdvertiseAsync(Advertisement(7610), endTelling.Token);
        var looking = LookAsync();
        Assert.False(Assert.Single(sockets).IsDisposed);
        await endTelling.CancelAsync();
        await telling;
        Assert.False(sockets[0].IsDisposed);
        await endLooking.CancelAsync();
        await looking.WaitAsync(TestContext.Current.CancellationToken);
        Assert.True(sockets[0].IsDisposed);

        using var again = new CancellationTokenSource();
        telling = node.AdvertiseAsync(Advertisement(7610), again.Token);
        Assert.Equal(2, sockets.Count);
        await again.CancelAsync();
        await telling;

        async Task LookAsync()
        {
            await using var seen = node.DiscoverAsync(Machine.Network, endLooking.Token).GetAsyncEnumerator(CancellationToken.None);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await seen.MoveNextAsync());
        }
    }

    [Fact(Timeout = 30_000)]
    public async Task With_no_address_nothing_is_told()
    {
        var (node, sockets) = Node(1, "192.0.2.1");
        using var end = new CancellationTokenSource();
        var telling = node.AdvertiseAsync(new(Machine.Network, []), end.Token);
        _lan.Pass(3);
        Assert.False(telling.IsCompleted);
        Assert.Empty(sockets);
        await end.CancelAsync();
        await telling.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Fact(Timeout = 30_000)]
    public async Task A_port_that_can_not_be_shared_is_said()
    {
        var node = new MdnsDiscovery(() => throw new IOException("taken"), _lan.Time, new Random(1), NullLogger<MdnsDiscovery>.Instance);
        await Assert.ThrowsAsync<IOException>(() => node.AdvertiseAsync(Advertisement(7610), TestContext.Current.CancellationToken));
        await using var seen = node.DiscoverAsync(Machine.Network, TestContext.Current.CancellationToken).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<IOException>(async () => await seen.MoveNextAsync());
    }

    [Fact(Timeout = 30_000)]
    public async Task What_fails_later_ends_both_and_both_can_begin_again()
    {
        var (node, sockets) = Node(1, "192.0.2.1");
        using var end = new CancellationTokenSource();
        var telling = node.AdvertiseAsync(Advertisement(7610), end.Token);
        var seen = node.DiscoverAsync(Machine.Network, end.Token).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        var next = seen.MoveNextAsync();
        sockets[0].Failure = new InvalidOperationException("no interfaces today");
        _lan.Pass(16);
        Assert.Contains("no interfaces today", (await Assert.ThrowsAsync<IOException>(() => telling)).Message);
        await Assert.ThrowsAsync<IOException>(async () => await next);
        await seen.DisposeAsync();

        telling = node.AdvertiseAsync(Advertisement(7610), end.Token);
        Assert.Equal(2, sockets.Count);
        _lan.Pass(3);
        Assert.NotEmpty(_lan.Responses);
        await end.CancelAsync();
        await telling;
    }

    [Fact]
    public async Task The_plugin_offers_it_and_refuses_settings_it_does_not_know()
    {
        var plugin = Assembly.Load("Dawn.Discovery.Mdns");
        await using (var services = PluginServices.Of(plugin, [new("Interfaces:0", "eth0"), new("IPv6", "false")]))
        {
            Assert.Equal("mdns", services.GetRequiredService<IPeerDiscovery>().Name);
        }

        await using (var services = PluginServices.Of(plugin, [new("Interface", "eth0")]))
        {
            Assert.ThrowsAny<Exception>(() => services.GetRequiredService<IPeerDiscovery>());
        }

        await using (var services = PluginServices.Of(plugin, [new("Interfaces:0", " ")]))
        {
            Assert.Contains("loopback", Assert.Throws<OptionsValidationException>(() => services.GetRequiredService<IPeerDiscovery>()).Message, StringComparison.Ordinal);
        }
    }

    private (MdnsDiscovery Discovery, List<FakeSocket> Sockets) Node(int seed, string address)
    {
        List<FakeSocket> sockets = [];
        return (new(Open, _lan.Time, new Random(seed), NullLogger<MdnsDiscovery>.Instance), sockets);

        IMulticastSocket Open()
        {
            sockets.Add(new(_lan, address));
            return sockets[^1];
        }
    }

    private static Advertisement Advertisement(int port) => new(Machine.Network, [new($"ws://0.0.0.0:{port}")]);

    private Task<DiscoveredPeer> NextAsync(IAsyncEnumerator<DiscoveredPeer> peers) => NextAsync(peers, peers.MoveNextAsync());

    // The enumerator goes on in a thread of its own once there is something.
    private async Task<DiscoveredPeer> NextAsync(IAsyncEnumerator<DiscoveredPeer> peers, ValueTask<bool> next)
    {
        var found = next.AsTask();
        for (var i = 0; i < 1_000 && !found.IsCompleted; i++)
        {
            _lan.Pass(0.01);
        }

        Assert.True(await found.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        return peers.Current;
    }
}
