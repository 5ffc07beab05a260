using Dawn.Links;
using Dawn.Testing.InMemory;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Links;

public class LinkTableTests
{
    private static readonly TestNetwork Network = new();

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Of_links_dialled_by_both_that_of_the_smaller_node_survives(bool smallerFirst)
    {
        var (smaller, greater) = await PairAsync();
        var (first, second) = smallerFirst ? (smaller, greater) : (greater, smaller);
        var one = await first.DialAsync(second);
        // Up at both ends, or the second dial would overtake it.
        await second.Handler.NextAsync(LinkEventKind.Up);
        await first.Handler.NextAsync(LinkEventKind.Up);
        var two = await second.DialAsync(first);
        if (smallerFirst)
        {
            // The second dial comes back with the link that is kept; nobody hears of the other.
            Assert.False(two.IsInitiator);
            Assert.False(one.Ended.IsCompleted);
        }
        else
        {
            Assert.Equal(LinkEnd.Duplicate, await one.Ended.WaitAsync(LinkNode.Patience, Cancel));
            Assert.True(two.IsInitiator);
            // Each hears of the new link before the end of the old one.
            foreach (var node in new[] { first, second })
            {
                await node.Handler.NextAsync(LinkEventKind.Up);
                Assert.Equal(LinkEnd.Duplicate, (await node.Handler.NextAsync(LinkEventKind.Down)).End);
            }
        }

        Assert.True(smaller.Table.TryGet(greater.Id, out var kept));
        Assert.True(kept.IsInitiator);
        Assert.True(greater.Table.TryGet(smaller.Id, out var keptToo));
        Assert.False(keptToo.IsInitiator);
        kept.TrySend(LinkFrame.Envelope, default, [1]);
        Assert.Equal([1], (await greater.Handler.NextAsync(LinkEventKind.Frame)).Body);
        Assert.Single(smaller.Table.Snapshot);
    }

    [Fact]
    public async Task Of_links_dialled_by_the_same_node_the_newer_survives()
    {
        var (smaller, greater) = await PairAsync();
        foreach (var (dialer, listener) in new[] { (smaller, greater), (greater, smaller) })
        {
            var (network, time) = (new InMemoryNetwork(), _time);
            await using var a = await new LinkNode(dialer.Identity, network, time).ListenAsync();
            await using var b = await new LinkNode(listener.Identity, network, time).ListenAsync();
            var one = await a.DialAsync(b);
            await b.Handler.NextAsync(LinkEventKind.Up);
            var two = await a.DialAsync(b);
            Assert.NotSame(one, two);
            Assert.Equal(LinkEnd.Duplicate, await one.Ended.WaitAsync(LinkNode.Patience, Cancel));
            await b.Handler.NextAsync(LinkEventKind.Up);
            Assert.Equal(LinkEnd.Duplicate, (await b.Handler.NextAsync(LinkEventKind.Down)).End);
            Assert.True(a.Table.TryGet(b.Id, out var kept));
            Assert.Same(two, kept);
            Assert.False(two.Ended.IsCompleted);
        }
    }

    [Fact]
    public async Task Both_dial_at_once_and_one_link_is_left()
    {
        for (var i = 0; i < 20; i++)
        {
            var network = new InMemoryNetwork();
            var a = await new LinkNode(Network.Node(1), network, _time).ListenAsync();
            var b = await new LinkNode(Network.Node(2), network, _time).ListenAsync();
            await Task.WhenAll(a.DialAsync(b), b.DialAsync(a));
            var aFirst = a.Id.CompareTo(b.Id) < 0;
            // The losing link may still be up at one end: what counts is the one that stays.
            while (!(a.Table.TryGet(b.Id, out var atA) && b.Table.TryGet(a.Id, out var atB) && atA.IsInitiator == aFirst && atB.IsInitiator == !aFirst))
            {
                Cancel.ThrowIfCancellationRequested();
                await Task.Yield();
            }
        }
    }

    [Fact]
    public async Task A_link_that_answers_no_ping_gives_way_whoever_dialled_it()
    {
        var (smaller, greater) = await PairAsync();
        var faults = new ConnectionFaults();
        _network.Faults = number => number == 0 ? faults : null;
        var old = await smaller.DialAsync(greater);
        var accepted = (await greater.Handler.NextAsync(LinkEventKind.Up)).Link;
        await smaller.Handler.NextAsync(LinkEventKind.Up);
        // Until nothing is under way any more that could count as a sign of life.
        while (old.RoundTrip is null || accepted.RoundTrip is null)
        {
            Cancel.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        faults.ToListener.Pause();
        faults.ToDialer.Pause();
        _time.Advance(TimeSpan.FromSeconds(6));
        var link = await greater.DialAsync(smaller);
        Assert.True(link.IsInitiator);
        Assert.Same(link, (await greater.Handler.NextAsync(LinkEventKind.Up)).Link);

        // The other end closes the old one once it has taken up the new one, and waits 2 s for an answer that can't come.
        await smaller.Handler.NextAsync(LinkEventKind.Up);
        await Eventually.HoldsAsync(() => old.Ended.IsCompleted, () => _time.Advance(TimeSpan.FromMilliseconds(100)));
        Assert.Equal(LinkEnd.Duplicate, await old.Ended);
        Assert.False(link.Ended.IsCompleted);
    }

    [Fact]
    public async Task No_more_links_than_the_limit()
    {
        var hub = await new LinkNode(Network.Node(1), _network, _time, new() { MaxLinks = 2 }).ListenAsync();
        for (var i = 2; i <= 3; i++)
        {
            await new LinkNode(Network.Node(i), _network, _time).DialAsync(hub);
            await hub.Handler.NextAsync(LinkEventKind.Up);
        }

        var late = new LinkNode(Network.Node(4), _network, _time);
        try
        {
            // The close may come with the first record, or right after it.
            Assert.Equal(LinkEnd.Limit, await (await late.DialAsync(hub)).Ended.WaitAsync(LinkNode.Patience, Cancel));
        }
        catch (LinkDialException e)
        {
            Assert.Equal(DialFault.Refused, e.Fault);
        }

        Assert.Equal(2, hub.Table.Snapshot.Count);
        Assert.Equal(hub.Table.Snapshot.OrderBy(link => link.Remote), hub.Table.Snapshot);
    }

    [Fact]
    public async Task Stopping_closes_every_link_and_those_that_come_later()
    {
        var hub = await new LinkNode(Network.Node(1), _network, _time).ListenAsync();
        var nodes = Enumerable.Range(2, 5).Select(i => new LinkNode(Network.Node(i), _network, _time)).ToArray();
        var links = await Task.WhenAll(nodes.Select(node => node.DialAsync(hub)));
        foreach (var _ in nodes)
        {
            await hub.Handler.NextAsync(LinkEventKind.Up);
        }

        await hub.Table.CloseAllAsync().WaitAsync(LinkNode.Patience, Cancel);
        foreach (var link in links)
        {
            Assert.Equal(LinkEnd.Stopping, await link.Ended.WaitAsync(LinkNode.Patience, Cancel));
        }

        Assert.Empty(hub.Table.Snapshot);
        var late = new LinkNode(Network.Node(9), _network, _time);
        try
        {
            Assert.Equal(LinkEnd.Stopping, await (await late.DialAsync(hub)).Ended.WaitAsync(LinkNode.Patience, Cancel));
        }
        catch (LinkDialException e)
        {
            Assert.Equal(DialFault.Refused, e.Fault);
        }
    }

    private async Task<(LinkNode Smaller, LinkNode Greater)> PairAsync()
    {
        var nodes = new List<LinkNode>();
        foreach (var identity in new[] { Network.Node(1), Network.Node(2) }.OrderBy(identity => identity.Id))
        {
            nodes.Add(await new LinkNode(identity, _network, _time).ListenAsync());
        }

        return (nodes[0], nodes[1]);
    }
}
