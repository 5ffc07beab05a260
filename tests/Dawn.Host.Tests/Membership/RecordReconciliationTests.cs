using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Xunit;

namespace Dawn.Tests.Membership;

/// <summary>How whole nodes find out what they lack of each other's records.</summary>
public sealed class RecordReconciliationTests : MeshNodeTests
{
    [Fact]
    public async Task Two_partitions_that_meet_know_the_same_at_once()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        Learn(a, 1, 40);
        Learn(b, 30, 80);
        await a.LinkToAsync(b);
        await Eventually.HoldsAsync(() => IsAlike(a, b));
        Assert.Equal(80, a.Records.Snapshot().Count);
    }

    [Fact]
    public async Task What_was_lost_on_the_way_is_found_within_seconds()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await using var c = await NodeAsync();
        await a.LinkToAsync(b);
        await b.LinkToAsync(c);
        a.Publish();
        await Eventually.HoldsAsync(() => c.Records.Find(a.Id) is not null && IsAlike(a, c));
        // Each alone: nobody told the others.
        Learn(a, 1, 10);
        Learn(c, 11, 20);
        var since = Time.GetUtcNow();
        await Eventually.HoldsAsync(() => IsAlike(a, b) && IsAlike(b, c), () => Time.Advance(TimeSpan.FromMilliseconds(250)));
        Assert.True(Time.GetUtcNow() - since < TimeSpan.FromSeconds(40));
        Assert.Equal(21, b.Records.Snapshot().Count);
    }

    [Fact]
    public async Task While_nothing_changes_there_is_next_to_nothing_to_send()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        var sent = CountBytes();
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        Learn(a, 1, 200);
        await a.LinkToAsync(b);
        await Eventually.HoldsAsync(() => IsAlike(a, b));
        var (before, start) = (sent(), Time.GetUtcNow());
        await Eventually.HoldsAsync(() => Time.GetUtcNow() - start > TimeSpan.FromMinutes(2), () => Time.Advance(TimeSpan.FromSeconds(1)));
        // Pings too: less than 40 bytes a second, both ways.
        Assert.InRange(sent() - before, 2 * 12 * 32, 120 * 40);
    }

    [Fact]
    public async Task Registries_of_different_forms_send_all_they_have_once()
    {
        TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        a.Records.Use(new OtherForm(a.Id, Time));
        Learn(a, 1, 20);
        Learn(b, 15, 40);
        await a.LinkToAsync(b);
        await Eventually.HoldsAsync(() => a.Records.Snapshot().Count == 40 && b.Records.Snapshot().Count == 40);
        Assert.True(a.Links.TryGet(b.Id, out _));
    }

    public static TheoryData<string, byte[][]> Hostile => new()
    {
        { "nothing", [[]] },
        { "another version", [[2, 1, .. new byte[33]]] },
        { "an unknown kind", [[1, 9]] },
        { "a short summary", [[1, 1, 0, 5]] },
        { "an unknown form", [[1, 1, 7, .. new byte[32]]] },
        { "a message too long", [[1, 2, 1, 1, .. new byte[16 * 1024 + 1]]] },
        { "a step beyond the last", [[1, 2, 1, 33, 1]] },
        { "a step that nobody awaits", [[1, 2, 0, 2, 1]] },
        { "a first step that says nothing", [[1, 2, 1, 1]] },
        { "a first step that is garbage", [[1, 2, 1, 1, 9, 9, 9]] },
        { "a proof that is cut short", [[1, 3, 0, 5, 1]] },
        { "too many summaries", [.. Enumerable.Repeat<byte[]>([1, 1, 0, .. new byte[32]], 15)] },
        { "too many proofs", [.. Enumerable.Repeat<byte[]>([1, 3, 0, 50, .. new byte[80]], 250)] },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public async Task Who_breaks_the_rules_loses_the_link_and_harms_nothing_else(string how, byte[][] frames)
    {
        Assert.NotEmpty(how);
        await using var victim = await NodeAsync();
        await using var honest = await NodeAsync();
        await using var hostile = await NodeAsync();
        await honest.LinkToAsync(victim);
        await hostile.LinkToAsync(victim);
        Assert.True(hostile.Links.TryGet(victim.Id, out var link));
        foreach (var frame in frames)
        {
            Assert.True(link.TrySend(LinkFrame.Registry, frame, []) || link.Ended.IsCompleted);
        }

        Assert.Equal(LinkEnd.Protocol, await link.Ended.WaitAsync(MeshNode.Patience, TestContext.Current.CancellationToken));
        var record = honest.Publish("echo");
        await Eventually.HoldsAsync(() => victim.Records.Find(honest.Id)?.Sequence == record.Sequence);
    }

    private static bool IsAlike(MeshNode a, MeshNode b) => a.Records.Summary()!.Value.Span.SequenceEqual(b.Records.Summary()!.Value.Span);

    // Puts records of nodes that are nowhere into a table, as if it had heard them.
    private void Learn(MeshNode node, int from, int to)
    {
        for (var i = from; i <= to; i++)
        {
            var key = TestIdentity.KeyOf(i);
            var identity = new TestIdentity(key, node.Self.Network, node.Self.Certify(key.Id, CertificateRole.Guest, Time.GetUtcNow().AddDays(1)));
            Assert.Equal(RecordVerdict.News, node.Records.Put(NodeRecord.Sign(identity, 1, Time.GetUtcNow(), EncryptionMode.Required, [], [], out _), out _));
        }
    }

    /// <summary>A registry that is not the host's own: it speaks in its own way.</summary>
    private sealed class OtherForm(NodeId self, TimeProvider time) : IAgentRegistry
    {
        private readonly RegistryInMemory _inner = new(self, time);

        public int Count => _inner.Count;

        public IReadOnlyList<RegistryRecord> Snapshot => _inner.Snapshot;

        public IReadOnlyList<RegistryConflict> Conflicts => _inner.Conflicts;

        public event Action<RegistryChange>? Changed
        {
            add => _inner.Changed += value;
            remove => _inner.Changed -= value;
        }

        public ReadOnlyMemory<byte> Summary => SHA256.HashData(_inner.Summary.Span);

        public RegistryRecord? Find(NodeId node) => _inner.Find(node);

        public RegistryMerge Merge(RegistryRecord record) => _inner.Merge(record);

        public void Sweep() => _inner.Sweep();

        public RegistryReply Reconcile(ReadOnlyMemory<byte> message) => throw new FormatException("never asked");

        public Task CommitAsync(CancellationToken cancellationToken) => _inner.CommitAsync(cancellationToken);

        public IAsyncEnumerable<RegistryEvent> ReadLogAsync(DateTimeOffset? since, CancellationToken cancellationToken) => _inner.ReadLogAsync(since, cancellationToken);
    }
}
