using Dawn.Links;
using Dawn.Membership;
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Membership;

/// <summary>Whole nodes that find each other, lose each other and find each other again.</summary>
public sealed class MeshTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nodes_that_know_one_come_to_know_all_and_any_calls_any()
    {
        await using var mesh = await ManyAsync(5);
        await Eventually.HoldsAsync(() => mesh.Nodes.All(n => n.Mesh.Active.Count == 4), Pass);
        foreach (var a in mesh.Nodes)
        {
            foreach (var b in mesh.Nodes.Where(n => n != a))
            {
                Assert.Contains("say", await CallAsync(a, b));
            }
        }

        Assert.All(mesh.Nodes, n => Assert.Equal(4, n.Peers.CountByState()["connected"]));
    }

    [Fact]
    public async Task Who_has_no_link_with_a_node_dials_it_to_call_it_and_lets_go_of_it_when_idle()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        // Known, but no neighbour: views are not running.
        var record = b.Publish("echo");
        a.Records.Put(record, out _);
        var known = a.Peers.Find(b.Id)!;
        Assert.Equal(("known", true, Learned.Gossip), (known.State, known.IsOnline, known.LearnedFrom));
        await a.Keeper.LinkAsync(b.Id, Cancel);
        Assert.Equal("connected", a.Peers.Find(b.Id)!.State);
        await Eventually.HoldsAsync(() => b.Peers.Find(a.Id) is { State: "connected", LearnedFrom: Learned.DialledUs });
        Assert.Contains("say", await a.CallAsync(b));
    }

    [Fact]
    public async Task Many_callers_share_one_dial()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        a.Records.Put(b.Publish("echo"), out _);
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => a.Keeper.LinkAsync(b.Id, Cancel))).WaitAsync(MeshNode.Patience, Cancel);
        Assert.Equal(1, _network.Connections);
    }

    [Fact]
    public async Task A_node_that_can_not_be_dialled_is_told_of_in_words()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        var unknown = await Assert.ThrowsAsync<MeshException>(() => a.Keeper.LinkAsync(b.Id, Cancel));
        Assert.Contains("no address of it is known", unknown.Message);
        a.Records.Put(b.Publish("echo"), out _);
        await b.CrashAsync();
        var gone = await Assert.ThrowsAsync<MeshException>(() => a.Keeper.LinkAsync(b.Id, Cancel));
        Assert.Equal(MeshError.Unreachable, gone.Error);
        Assert.Contains("nothing was sent", gone.Message);
        Assert.Equal(1, a.Peers.Find(b.Id)!.FailedDials);
        Assert.False(a.Keeper.TryBegin(b.Id));
        a.Peers.ResetBackoffs();
        Assert.True(a.Keeper.TryBegin(b.Id));
        b.Data.Dispose();
    }

    [Fact]
    public async Task A_node_that_dies_is_dead_for_all_and_comes_back_when_it_does()
    {
        await using var mesh = await ManyAsync(4);
        await Eventually.HoldsAsync(() => mesh.Nodes.All(n => n.Mesh.Active.Count == 3), Pass);
        var victim = mesh.Nodes[2];
        var died = _time.GetUtcNow();
        await victim.CrashAsync();
        mesh.Nodes.Remove(victim);
        await Eventually.HoldsAsync(() => mesh.Nodes.All(n => n.Peers.Find(victim.Id)!.State == "dead"), Pass);
        Assert.All(mesh.Nodes, n => Assert.DoesNotContain(victim.Id, n.Mesh.Active));
        Assert.All(mesh.Nodes, n => Assert.False(n.Peers.Find(victim.Id)!.IsOnline));
        Assert.True(_time.GetUtcNow() - died < TimeSpan.FromSeconds(30), $"{_time.GetUtcNow() - died}");
        var again = await new MeshNode(_network, _time, directory: victim.Data, isRestart: true).MeshAsync("echo");
        mesh.Nodes.Add(again);
        Assert.Equal(victim.Id, again.Id);
        await again.LinkToAsync(mesh.Nodes[0]);
        await Eventually.HoldsAsync(() => mesh.Nodes.Where(n => n != again).All(n => n.Peers.Find(victim.Id) is { State: "connected" or "known" }), Pass);
        Assert.Contains("say", await CallAsync(mesh.Nodes[1], again));
        await victim.DisposeAsync();
    }

    [Fact]
    public async Task A_node_that_stops_says_so()
    {
        // Linked by hand: two that dial each other at once may replace a link, and one that comes up takes a farewell back.
        await using var leaver = await NodeAsync();
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        MeshNode[] others = [a, b];
        foreach (var other in others)
        {
            await other.LinkToAsync(leaver);
        }

        await b.LinkToAsync(a);
        leaver.Publish("echo");
        await Eventually.HoldsAsync(() => others.All(n => n.Records.Find(leaver.Id) is not null));
        await leaver.Mesh.StopAsync(Cancel);
        // It closed no link: the word alone tells.
        await Eventually.HoldsAsync(() => others.All(n => n.Peers.Find(leaver.Id)!.State == "dead"));
    }

    [Fact]
    public async Task A_node_that_moves_is_found_where_it_is_now()
    {
        await using var mesh = await ManyAsync(3);
        await Eventually.HoldsAsync(() => mesh.Nodes.All(n => n.Mesh.Active.Count == 2), Pass);
        var mover = mesh.Nodes[2];
        var before = mover.Address;
        await mover.MoveAsync();
        await Eventually.HoldsAsync(() => mesh.Nodes.Where(n => n != mover).All(n => n.Peers.Find(mover.Id)!.Addresses is [var address] && address != before), Pass);
        foreach (var link in mover.Links.Snapshot)
        {
            await link.CloseAsync(LinkEnd.Broken).AsTask().WaitAsync(MeshNode.Patience, Cancel);
        }

        Assert.Contains("say", await CallAsync(mesh.Nodes[0], mover));
    }

    [Fact]
    public async Task A_suspected_node_that_lives_publishes_a_newer_record()
    {
        await using var mesh = await ManyAsync(3);
        await Eventually.HoldsAsync(() => mesh.Nodes.All(n => n.Mesh.Active.Count == 2), Pass);
        var (liar, victim, witness) = (mesh.Nodes[0], mesh.Nodes[1], mesh.Nodes[2]);
        await Eventually.HoldsAsync(() => witness.Records.Find(victim.Id)?.Sequence == victim.Records.Find(victim.Id)!.Sequence, Pass);
        var before = victim.Records.Find(victim.Id)!.Sequence;
        var lie = Suspicion.Sign(liar.Self, victim.Id, before, _time.GetUtcNow()).Encode();
        Assert.True(liar.Links.TryGet(witness.Id, out var link));
        link.TrySend(LinkFrame.Membership, lie, []);
        await Eventually.HoldsAsync(() => witness.Records.Find(victim.Id)!.Sequence > before, Pass);
        Assert.NotEqual("dead", witness.Peers.Find(victim.Id)!.State);
        Assert.Contains("say", await CallAsync(witness, victim));
    }

    [Theory]
    [InlineData("0103")]
    [InlineData("")]
    [InlineData("forged")]
    public async Task What_is_malformed_or_forged_costs_the_link(string hex)
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        b.Publish("echo");
        await a.LinkToAsync(b);
        await Eventually.HoldsAsync(() => b.Records.Find(a.Id) is not null);
        var body = hex == "forged" ? (Suspicion.Sign(a.Self, a.Id, b.Records.Find(a.Id)!.Sequence, _time.GetUtcNow()) with { Accuser = b.Id }).Encode() : Convert.FromHexString(hex);
        Assert.True(a.Links.TryGet(b.Id, out var link));
        link.TrySend(LinkFrame.Membership, body, []);
        Assert.Equal(LinkEnd.Protocol, await link.Ended.WaitAsync(MeshNode.Patience, Cancel));
    }

    [Fact]
    public async Task A_flood_is_dropped_and_harms_nothing_else()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await a.LinkToAsync(b);
        Assert.True(a.Links.TryGet(b.Id, out var link));
        for (uint i = 0; i < 5_000; i++)
        {
            link.TrySend(LinkFrame.Membership, new Probe(i).Encode(), []);
        }

        Assert.Contains("say", await a.CallAsync(b));
        Assert.False(link.Ended.IsCompleted);
    }

    [Fact]
    public async Task A_link_that_nothing_wants_is_closed_and_a_pinned_one_is_kept()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await using var c = await NodeAsync();
        await a.Keeper.StartAsync(Cancel);
        await a.LinkToAsync(b);
        await a.LinkToAsync(c);
        a.Keeper.Pin(c.Id);
        a.Keeper.Want([]);
        Assert.True(a.Links.TryGet(b.Id, out var idle));
        await Eventually.HoldsAsync(() => idle.Ended.IsCompleted, () =>
        {
            // Both are neighbours, since they are so few; here nobody is.
            a.Keeper.Want([]);
            Pass();
        });
        Assert.Equal(LinkEnd.Done, await idle.Ended);
        Assert.True(a.Links.TryGet(c.Id, out _));
    }

    [Fact]
    public async Task What_a_discovery_finds_is_dialled_and_what_this_node_listens_at_is_told()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        var nearby = new Nearby(b.Address);
        using var discovery = new PeerDiscoveries(() => [nearby], null, () => [a.Address], null, a.Self, a.Peers, a.Keeper, new Random(1), _time, NullLogger<PeerDiscoveries>.Instance);
        await discovery.StartAsync(Cancel);
        await Eventually.HoldsAsync(() => a.Links.TryGet(b.Id, out _), Pass);
        Assert.Equal("nearby", a.Peers.Find(b.Id)!.LearnedFrom);
        await Eventually.HoldsAsync(() => nearby.Told.Count == 1, Pass);
        Assert.Equal((PeerDiscoveries.TagOf(a.Self.Network), a.Address), (nearby.Told[0].Network, nearby.Told[0].Addresses.Single()));
        Assert.Equal(13, nearby.Told[0].Network.Length);
        discovery.OnMoved();
        await Eventually.HoldsAsync(() => nearby.Told.Count == 2, Pass);
        await discovery.StopAsync(Cancel);
        await Eventually.HoldsAsync(() => nearby.Ended == 3, Pass);
    }

    // Little enough that whoever lives can answer a probe meanwhile.
    private void Pass() => _time.Advance(TimeSpan.FromMilliseconds(20));

    private Task<MeshNode> NodeAsync() => new MeshNode(_network, _time).ListenAsMeshAsync();

    private async Task<Several> ManyAsync(int count)
    {
        var mesh = new Several();
        for (var i = 0; i < count; i++)
        {
            mesh.Nodes.Add(await new MeshNode(_network, _time).MeshAsync("echo"));
            if (i > 0)
            {
                await mesh.Nodes[i].LinkToAsync(mesh.Nodes[0]);
            }
        }

        return mesh;
    }

    // Time goes on while a call waits for a link.
    private async Task<string> CallAsync(MeshNode from, MeshNode to)
    {
        var call = from.CallAsync(to);
        await Eventually.HoldsAsync(() => call.IsCompleted, Pass);
        return await call;
    }

    private sealed class Several : IAsyncDisposable
    {
        public List<MeshNode> Nodes { get; } = [];

        public async ValueTask DisposeAsync()
        {
            foreach (var node in Nodes)
            {
                await node.DisposeAsync();
            }
        }
    }

    private sealed class Nearby(Uri address) : IPeerDiscovery
    {
        private int _ended;

        public string Name => "nearby";

        public List<Advertisement> Told { get; } = [];

        public int Ended => _ended;

        public async Task AdvertiseAsync(Advertisement self, CancellationToken cancellationToken)
        {
            Told.Add(self);
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }
            finally
            {
                Interlocked.Increment(ref _ended);
            }
        }

        public async IAsyncEnumerable<DiscoveredPeer> DiscoverAsync(string network, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            yield return new(address);
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }
            finally
            {
                Interlocked.Increment(ref _ended);
            }
        }
    }
}
