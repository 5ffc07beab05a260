using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Testing.InMemory;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Membership;

public sealed class BootstrapperTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_lost_link_comes_back_by_itself()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        using var bootstrapper = Of(a, new PeerAddress(b.Address, b.Id));
        await bootstrapper.StartAsync(Cancel);
        for (var round = 0; round < 3; round++)
        {
            await Eventually.HoldsAsync(() => b.Links.TryGet(a.Id, out _), PassTime);
            Assert.True(b.Links.TryGet(a.Id, out var link));
            await link.CloseAsync(LinkEnd.Stopping).AsTask().WaitAsync(MeshNode.Patience, Cancel);
        }

        await bootstrapper.StopAsync(Cancel);
    }

    [Fact]
    public async Task Two_addresses_of_one_node_make_one_link_that_lasts()
    {
        await using var a = await NodeAsync();
        await using var b = await (await NodeAsync()).ListenAsync();
        using var bootstrapper = Of(a, new PeerAddress(b.AddressOf(0), null), new PeerAddress(b.AddressOf(1), null));
        await bootstrapper.StartAsync(Cancel);
        // Time passes: where both were dialled at once, the next try comes later.
        await Eventually.HoldsAsync(() => b.Links.TryGet(a.Id, out _), PassTime);
        var end = _time.GetUtcNow() + TimeSpan.FromSeconds(40);
        await Eventually.HoldsAsync(() => _time.GetUtcNow() >= end, PassTime);
        // Each is dialled once, and once more at most where both were dialled at the same time.
        Assert.InRange(_network.Connections, 1, 3);
        Assert.True(a.Links.TryGet(b.Id, out _));
        await bootstrapper.StopAsync(Cancel);
    }

    [Fact]
    public async Task Whatever_a_transport_throws_it_goes_on_trying()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        var tries = 0;
        var transport = new Moody(a.Transport, () => Interlocked.Increment(ref tries) switch
        {
            1 => new NotSupportedException("a fault of its own"),
            2 => new OperationCanceledException("nobody asked for it"),
            _ => null,
        });
        var handshake = new LinkHandshake(a.Self, new Dawn.Noise.StaticKey(Entropy.System), new Dawn.Links.LinkOptions(), Entropy.System, _time);
        var dialer = new LinkDialer(_ => transport, handshake, a.Links, new Dawn.Links.LinkOptions(), _time);
        using var keeper = new LinkKeeper(a.Peers, a.Links, dialer, () => new HashSet<NodeId>(), a.Metrics, _time, NullLogger<LinkKeeper>.Instance);
        using var bootstrapper = new Bootstrapper(a.Settings(new PeerAddress(b.Address, b.Id)), a.Self, a.Peers, a.Links, keeper, a.Hubs, new ToyWatch(), new Random(1), _time, NullLogger<Bootstrapper>.Instance);
        await bootstrapper.StartAsync(Cancel);
        await Eventually.HoldsAsync(() => b.Links.TryGet(a.Id, out _), PassTime);
        Assert.False(bootstrapper.Running.IsCompleted);
        await bootstrapper.StopAsync(Cancel);
    }

    // Little enough that no link falls silent meanwhile.
    private void PassTime() => _time.Advance(TimeSpan.FromMilliseconds(100));

    private Bootstrapper Of(MeshNode node, params PeerAddress[] peers) =>
        new(node.Settings(peers), node.Self, node.Peers, node.Links, node.Keeper, node.Hubs, new ToyWatch(), new Random(1), _time, NullLogger<Bootstrapper>.Instance);

    private Task<MeshNode> NodeAsync() => new MeshNode(_network, _time).ListenAsync();

    private sealed class Moody(IPeerTransport inner, Func<Exception?> mood) : IPeerTransport
    {
        public IReadOnlyCollection<string> Schemes => inner.Schemes;

        public ValueTask<IConnectionListener> BindAsync(System.Net.EndPoint endpoint, CancellationToken cancellationToken = default) => inner.BindAsync(endpoint, cancellationToken);

        public ValueTask<ConnectionContext> ConnectAsync(System.Net.EndPoint endpoint, CancellationToken cancellationToken = default) =>
            mood() is { } e ? throw e : inner.ConnectAsync(endpoint, cancellationToken);
    }
}
