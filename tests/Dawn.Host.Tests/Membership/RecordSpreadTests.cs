using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Xunit;

namespace Dawn.Tests.Membership;

/// <summary>How records get about among whole nodes.</summary>
public sealed class RecordSpreadTests : MeshNodeTests
{
    [Fact]
    public async Task A_record_reaches_who_is_two_links_away_and_a_newer_one_replaces_it()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await using var c = await NodeAsync();
        var early = a.Publish("echo");
        await a.LinkToAsync(b);
        await b.LinkToAsync(c);
        await Eventually.HoldsAsync(() => c.Records.Find(a.Id)?.Sequence == early.Sequence);
        var late = a.Publish("echo", "notes");
        await Eventually.HoldsAsync(() => c.Records.Find(a.Id)?.Sequence == late.Sequence, () => Time.Advance(RegistryFeed.Gather));
        Assert.Equal(["echo", "notes"], c.Directory.Snapshot.Where(entry => entry.Address.Node == a.Id).Select(entry => entry.Address.Agent));
        // Known of, and out of reach.
        Assert.All(c.Directory.Snapshot.Where(entry => entry.Address.Node == a.Id), entry => Assert.False(entry.Online));
    }

    [Fact]
    public async Task In_a_ring_a_record_crosses_no_link_twice_in_a_direction()
    {
        var sent = CountBytes();
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await using var c = await NodeAsync();
        await a.LinkToAsync(b);
        await b.LinkToAsync(c);
        await c.LinkToAsync(a);
        var before = await QuietAsync();
        var record = a.Publish("echo");
        await Eventually.HoldsAsync(() => b.Records.Find(a.Id) is not null && c.Records.Find(a.Id) is not null);
        var after = await QuietAsync();
        // To b and to c, and at most once between the two in each direction; never back to a.
        Assert.InRange((after - before) / record.Encoded.Length, 2, 4);

        async Task<long> QuietAsync()
        {
            var (last, same) = (-1L, 0);
            await Eventually.HoldsAsync(() =>
            {
                var now = sent();
                (same, last) = (now == last ? same + 1 : 0, now);
                return same > 20;
            });
            return last;
        }
    }

    [Fact]
    public async Task What_is_refused_is_not_passed_on()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await using var c = await NodeAsync();
        await a.LinkToAsync(b);
        await c.LinkToAsync(b);
        var heard = new List<NodeId>();
        a.Records.Changed += heard.Add;
        Assert.True(c.Links.TryGet(b.Id, out var link));
        var (forged, foreign, future) = (Record(c.Self), Record(new TestNetwork(7).Node(1)), Record(c.Self, ahead: TimeSpan.FromHours(1)));
        forged[^1] ^= 1;
        foreach (var bad in new[] { forged, foreign, future, [1, 2, 3] })
        {
            Assert.True(link.TrySend(LinkFrame.Record, default, bad));
        }

        // Behind all of them on the same link: when it is there, they were seen.
        var good = c.Publish("echo");
        await Eventually.HoldsAsync(() => a.Records.Find(c.Id) is not null);
        Assert.Equal([c.Id], heard);
        Assert.Equal(good.Sequence, a.Records.Find(c.Id)!.Sequence);
        Assert.Equal([c.Id], b.Records.Snapshot().Select(record => record.Node));
    }

    [Fact]
    public async Task A_node_that_signs_without_end_is_not_passed_on_without_end()
    {
        const int Flood = 500;
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await b.LinkToAsync(a);
        var changes = 0;
        b.Records.Changed += _ => Interlocked.Increment(ref changes);
        Assert.True(a.Links.TryGet(b.Id, out var link));
        for (var i = 1; i <= Flood; i++)
        {
            var encoded = NodeRecord.Sign(a.Self, (ulong)i, Time.GetUtcNow(), EncryptionMode.Required, [], [], out _).Encoded;
            while (!link.TrySend(LinkFrame.Record, default, encoded.Span))
            {
                await link.WaitForRoomAsync(TestContext.Current.CancellationToken);
            }
        }

        // A call behind the flood on the same link.
        await a.CallAsync(b);
        Assert.Equal(100, Volatile.Read(ref changes));
        Time.Advance(TimeSpan.FromSeconds(1));
        var later = a.Publish("echo");
        await Eventually.HoldsAsync(() => b.Records.Find(a.Id)!.Sequence == later.Sequence);
    }

    private byte[] Record(INodeIdentity of, TimeSpan ahead = default)
    {
        var now = Time.GetUtcNow() + ahead;
        return NodeRecord.Sign(of, (ulong)now.ToUnixTimeMilliseconds(), now, EncryptionMode.Required, [], [], out _).Encoded.ToArray();
    }
}
