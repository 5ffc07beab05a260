using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Membership;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Membership;

public sealed class RegistryInMemoryTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whoever_has_merged_the_same_records_in_any_order_knows_the_same(int seed)
    {
        var random = new Random(seed);
        var records = Enumerable.Range(0, 400).Select(_ => Record(random.Next(40), (ulong)random.Next(1, 6), random.Next(3))).ToArray();
        var registries = Enumerable.Range(0, 4).Select(_ => NewRegistry()).ToList();
        foreach (var registry in registries)
        {
            random.Shuffle(records);
            foreach (var record in records)
            {
                registry.Merge(record);
                if (random.Next(4) == 0)
                {
                    Assert.NotEqual(RegistryVerdict.News, registry.Merge(record).Verdict);
                }
            }
        }

        var expected = records.GroupBy(r => r.Node).OrderBy(g => g.Key)
            .Select(g => g.OrderByDescending(r => r.Sequence).ThenByDescending(r => Convert.ToHexString(SHA256.HashData(r.Encoded.Span)), StringComparer.Ordinal).First().Encoded.ToArray()).ToList();
        Assert.All(registries, r => Assert.Equal(expected, r.Snapshot.Select(s => s.Encoded.ToArray())));
        Assert.Single(registries.Select(r => Convert.ToHexString(r.Summary.Span)).Distinct());
        Assert.Equal(expected.Count, registries[0].Count);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(0, 900)]
    [InlineData(2_000, 50)]
    [InlineData(50, 5_000)]
    public void A_reconciliation_makes_two_alike_within_its_messages(int left, int right)
    {
        var (a, b, random) = (NewRegistry(), NewRegistry(), new Random(left + right));
        foreach (var i in Enumerable.Range(0, 300))
        {
            a.Merge(Record(i, 5, 0));
            b.Merge(Record(i, (ulong)random.Next(4, 7), random.Next(2)));
        }

        for (var i = 0; i < Math.Max(left, right); i++)
        {
            _ = i < left ? a.Merge(Record(1_000 + i, 1, 0)) : default;
            _ = i < right ? b.Merge(Record(10_000 + i, 1, 0)) : default;
        }

        var (sent, steps, message) = (0, 0, ReadOnlyMemory<byte>.Empty);
        for (var (from, to) = (a, b); ; (from, to) = (to, from))
        {
            var reply = from.Reconcile(message);
            Assert.True(reply.Message.Length <= RegistryFrame.MaxMessage);
            sent += reply.Records.Count;
            foreach (var record in reply.Records)
            {
                to.Merge(record);
            }

            steps++;
            if (reply.Message.IsEmpty)
            {
                break;
            }

            message = reply.Message;
        }

        Assert.Equal(a.Summary.ToArray(), b.Summary.ToArray());
        Assert.True(steps <= RegistryFrame.MaxSteps, $"{steps} steps");
        // What is alike is not sent; a pair with one sequence goes both ways.
        Assert.InRange(sent, left + right, left + right + 600);
    }

    [Fact]
    public void What_has_expired_does_not_come_back_while_others_may_still_hold_it()
    {
        var registry = NewRegistry();
        var changes = new List<RegistryChange>();
        registry.Changed += changes.Add;
        var (old, record) = (Record(1, 6, 0), Record(1, 7, 0));
        Assert.Equal(RegistryVerdict.News, registry.Merge(record).Verdict);
        _time.Advance(TimeSpan.FromHours(24));
        registry.Sweep();
        Assert.Equal(0, registry.Count);
        Assert.Null(changes[^1].Now);
        // Within 25 hours not even a longer-lived one of the past.
        Assert.Equal(RegistryVerdict.Known, registry.Merge(old with { NotAfter = _time.GetUtcNow().AddHours(1) }).Verdict);
        Assert.Equal(RegistryVerdict.Refused, NewRegistry().Merge(record).Verdict);
        _time.Advance(TimeSpan.FromHours(2));
        registry.Sweep();
        Assert.Equal(RegistryVerdict.News, registry.Merge(Record(1, 1, 0)).Verdict);
    }

    [Fact]
    public void Of_two_with_one_sequence_the_higher_hash_counts_and_the_proof_is_kept_once()
    {
        var (one, other) = (Record(1, 7, 1), Record(1, 7, 2));
        foreach (var (first, second) in new[] { (one, other), (other, one) })
        {
            var registry = NewRegistry();
            registry.Merge(first);
            var merge = registry.Merge(second);
            Assert.NotNull(merge.Conflict);
            Assert.Same(registry.Find(one.Node), merge.Conflict.Counts);
            Assert.Equal(merge.Verdict == RegistryVerdict.News, ReferenceEquals(merge.Conflict.Counts, second));
            Assert.Equal(RegistryVerdict.Known, registry.Merge(first).Verdict);
            Assert.Equal(RegistryVerdict.Known, registry.Merge(second).Verdict);
            Assert.Single(registry.Conflicts);
        }
    }

    [Fact]
    public async Task The_log_tells_what_was_accepted_in_order_and_stays_bounded()
    {
        var registry = NewRegistry();
        for (var i = 1; i <= 9_000; i++)
        {
            registry.Merge(Record(i % 10, (ulong)i, 0));
        }

        var log = await registry.ReadLogAsync(null, TestContext.Current.CancellationToken).ToListAsync(TestContext.Current.CancellationToken);
        Assert.InRange(log.Count, 10, 2_100);
        Assert.Equal(log.Select(e => e.Number).Order(), log.Select(e => e.Number));
        Assert.Equal(9_000, log[^1].Number);
        Assert.Equal(10, log.Select(e => e.Node).Distinct().Count());
        _time.Advance(TimeSpan.FromMinutes(1));
        registry.Merge(Record(3, 10_000, 0));
        Assert.Equal(RegistryEventKind.Changed, Assert.Single(await registry.ReadLogAsync(_time.GetUtcNow(), TestContext.Current.CancellationToken).ToListAsync(TestContext.Current.CancellationToken)).Kind);
    }

    [Fact]
    public void Hostile_messages_are_refused_or_answered_within_bounds()
    {
        var (registry, random) = (NewRegistry(), new Random(4));
        Enumerable.Range(0, 50).ToList().ForEach(i => registry.Merge(Record(i, 1, 0)));
        var valid = registry.Reconcile(default).Message.ToArray();
        for (var i = 0; i < 5_000; i++)
        {
            var message = random.Next(2) == 0 ? new byte[random.Next(1, 200)] : (byte[])valid.Clone();
            if (message.Length != valid.Length)
            {
                random.NextBytes(message);
            }

            message[random.Next(Math.Min(30, message.Length))] ^= (byte)(1 << random.Next(8));
            try
            {
                Assert.InRange(registry.Reconcile(message).Records.Count, 0, 50);
            }
            catch (FormatException)
            {
                // Refused.
            }
        }

        Assert.Equal(50, registry.Count);
    }

    private RegistryInMemory NewRegistry() => new(Node(-1), _time);

    private static NodeId Node(int number) => new(SHA256.HashData(BitConverter.GetBytes(number)));

    private FakeRecord Record(int node, ulong sequence, int variant) =>
        new(Node(node), sequence, _time.GetUtcNow(), _time.GetUtcNow().AddHours(24)) { Encoded = (byte[])[.. BitConverter.GetBytes(node), .. BitConverter.GetBytes(sequence), (byte)variant] };

    private sealed record FakeRecord(NodeId Node, ulong Sequence, DateTimeOffset Issued, DateTimeOffset NotAfter) : RegistryRecord(Node, Sequence, Issued, NotAfter);
}
