using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Testing.InMemory;
using Dawn.Tests.Agents;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Membership;

/// <summary>Two machines with one key, and records that are none.</summary>
public sealed class RecordConflictTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();
    private readonly ListLogger _log = new();

    [Fact]
    public async Task The_proof_reaches_everybody_and_the_owner_who_is_two_links_away_and_long_above_it()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        await using var owner = await NodeAsync();
        await using var middle = await NodeAsync();
        await using var far = await NodeAsync();
        await owner.LinkToAsync(middle);
        await middle.LinkToAsync(far);
        var first = owner.Publish("echo");
        await Eventually.HoldsAsync(() => far.Records.Find(owner.Id) is not null);
        // What the other machine signed comes in elsewhere; it counts or not by its hash.
        far.Exchange.OnRecord(null, Sign(owner.Self, first.Sequence, 1).Encoded.Span);
        await Eventually.HoldsAsync(() => owner.Records.Conflicts.Own is not null && middle.Records.Conflicts.Find(owner.Id) is not null);
        Assert.Equal(first.Sequence, owner.Records.Conflicts.Own!.Counts.Sequence);
        Assert.Equal(far.Records.Find(owner.Id)!.Encoded.ToArray(), middle.Records.Conflicts.Find(owner.Id)!.Counts.Encoded.ToArray());
        var next = owner.Publish("echo");
        await Eventually.HoldsAsync(() => far.Records.Find(owner.Id)!.Sequence == next.Sequence, () => _time.Advance(RegistryFeed.Gather));
        // A process of the owner that links later is told too, though nobody holds those records any more.
        await using var late = await NodeAsync();
        await owner.LinkToAsync(late);
        Assert.Equal(next.Sequence, owner.Records.Find(owner.Id)!.Sequence);
    }

    [Fact]
    public async Task A_proof_about_an_older_record_counts_too_and_one_that_was_forged_does_not()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await a.LinkToAsync(b);
        b.Publish();
        var proof = RegistryFrame.Conflict(new(Sign(b.Self, 5, 1), Sign(b.Self, 5, 2), _time.GetUtcNow()));
        Assert.True(a.Links.TryGet(b.Id, out var link));
        var forged = (byte[])proof.Clone();
        forged[^1] ^= 1;
        Assert.True(link.TrySend(LinkFrame.Registry, forged, []));
        // Behind it on the same link: when it is there, the forged one was seen.
        var marker = a.Publish();
        await Eventually.HoldsAsync(() => b.Records.Find(a.Id)?.Sequence == marker.Sequence);
        Assert.Null(b.Records.Conflicts.Own);
        Assert.True(link.TrySend(LinkFrame.Registry, proof, []));
        await Eventually.HoldsAsync(() => b.Records.Conflicts.Own?.Counts.Sequence == 5);
    }

    [Fact]
    public void Two_records_of_the_greatest_size_fit_into_a_frame()
    {
        var now = _time.GetUtcNow();
        var encoded = new byte[NodeRecord.MaxSize];
        var (one, other) = (new AnyRecord(now) { Encoded = encoded }, new AnyRecord(now) { Encoded = (byte[])[.. encoded.AsSpan(0, encoded.Length - 1), 1] });
        var frame = RegistryFrame.Conflict(new(one, other, now));
        Assert.True(frame.Length <= Link.MaxFrame);
        Assert.True(RegistryFrame.TryReadConflict(frame.AsSpan(2), out var first, out var second));
        Assert.Equal(one.Encoded.ToArray(), first);
        Assert.Equal(other.Encoded.ToArray(), second);
    }

    [Fact]
    public void A_conflict_is_said_once_a_node_and_that_of_this_node_as_an_error_with_the_cure()
    {
        var network = new TestNetwork();
        var (self, other) = (network.Node(1), network.Node(2));
        var table = new RecordTable(self, _time, new Logger<RecordTable>(_log));
        for (ulong sequence = 5; sequence < 8; sequence++)
        {
            foreach (var node in new[] { self, other })
            {
                table.OfferProof(Sign(node, sequence, 1).Encoded.Span, Sign(node, sequence, 2).Encoded.Span, out _, out var problem);
                Assert.Null(problem);
            }
        }

        Assert.Single(_log.Lines, line => line.StartsWith("Error Two machines use the key of this very node", StringComparison.Ordinal) && line.Contains("identity.key", StringComparison.Ordinal));
        Assert.Single(_log.Lines, line => line.StartsWith($"Warning Two machines use the key of node {other.Id}", StringComparison.Ordinal));
        Assert.Equal(2, table.Conflicts.Snapshot.Count);
        // Nobody's word about this node is taken for its own.
        Assert.Null(table.Find(self.Id));
        _time.Advance(TimeSpan.FromHours(25));
        table.Sweep();
        Assert.Empty(table.Conflicts.Snapshot);
    }

    [Fact]
    public void A_pair_that_proves_nothing_is_refused()
    {
        var network = new TestNetwork();
        var table = new RecordTable(network.Node(1), _time, new Logger<RecordTable>(_log));
        var (valid, stranger) = (Sign(network.Node(2), 5, 1).Encoded.ToArray(), Sign(new TestNetwork(7).Node(2), 5, 2).Encoded.ToArray());
        foreach (var (one, other) in new[] { (valid, valid), (valid, stranger), (stranger, valid), (new byte[50], valid) })
        {
            table.OfferProof(one, other, out var news, out var problem);
            Assert.NotNull(problem);
            Assert.Empty(news);
        }

        Assert.Empty(table.Conflicts.Snapshot);
    }

    [Fact]
    public void What_does_not_count_is_one_clear_line_and_no_more()
    {
        var network = new TestNetwork();
        var self = network.Node(1);
        var table = new RecordTable(self, _time, new Logger<RecordTable>(_log));
        var exchange = new RecordExchange(table, self, _time, new Logger<RecordExchange>(_log));
        var now = _time.GetUtcNow();
        var good = Sign(network.Node(2), 5, 1).Encoded.ToArray();
        var (forged, oversized) = ((byte[])good.Clone(), new byte[NodeRecord.MaxSize + 1]);
        forged[60] ^= 1;
        var outlives = Outliving(network, now);
        foreach (var (what, bad) in new[]
        {
            ("signature is wrong", forged), ("a record of 32769 bytes", oversized),
            ("expired", NodeRecord.Sign(network.Node(3), 5, now.AddDays(-2), EncryptionMode.Required, [], [], out _).Encoded.ToArray()),
            ("impossible times", NodeRecord.Sign(network.Node(3), 5, now.AddHours(1), EncryptionMode.Required, [], [], out _).Encoded.ToArray()),
            ("set the clocks", Sign(network.Node(3), (ulong)now.AddHours(1).ToUnixTimeMilliseconds(), 1).Encoded.ToArray()),
            ("not signed by this network", Sign(new TestNetwork(7).Node(3), 5, 1).Encoded.ToArray()),
            ("outlives its certificate", outlives),
        })
        {
            var before = _log.Lines.Count;
            for (var i = 0; i < 3; i++)
            {
                exchange.OnRecord(null, bad);
            }

            Assert.Contains(what, Assert.Single(_log.Lines.Skip(before)), StringComparison.Ordinal);
            _time.Advance(TimeSpan.FromSeconds(11));
        }

        Assert.Empty(table.Snapshot());
        exchange.OnRecord(null, good);
        var lines = _log.Lines.Count;
        // Replayed: nothing at all.
        exchange.OnRecord(null, good);
        Assert.Equal((lines, 1), (_log.Lines.Count, table.Snapshot().Count));
    }

    private static byte[] Outliving(TestNetwork network, DateTimeOffset now)
    {
        // A longer certificate's record, with the shorter one in its place, signed by the node itself.
        var (brief, key) = (network.Node(3, notAfter: now.AddHours(1)), TestIdentity.KeyOf(3));
        var record = NodeRecord.Sign(network.Node(3), 5, now, EncryptionMode.Required, [], [], out _).Encoded.ToArray();
        brief.Certificate.Encoded.Span.CopyTo(record.AsSpan(NodeRecord.HeadSize + 8 + 8 + 1 + 2));
        key.Sign(SigningLabel.Record, record.AsSpan(..^Signatures.Size)).CopyTo(record.AsSpan(^Signatures.Size..));
        return record;
    }

    private NodeRecord Sign(INodeIdentity node, ulong sequence, int port) =>
        NodeRecord.Sign(node, sequence, _time.GetUtcNow(), EncryptionMode.Required, [new($"ws://192.0.2.1:{port}")], [], out _);

    private Task<MeshNode> NodeAsync() => new MeshNode(_network, _time).ListenAsync();

    private sealed record AnyRecord(DateTimeOffset Now) : RegistryRecord(default, 0, Now, Now);
}
