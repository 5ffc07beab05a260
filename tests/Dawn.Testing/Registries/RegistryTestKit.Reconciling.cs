using System.Security.Cryptography;
using Xunit;

namespace Dawn.Testing.Registries;

public abstract partial class RegistryTestKit
{
    private const int MaxMessage = 16 * 1024;
    private const int MaxMessages = 2_000;

    [Theory(Timeout = Limit)]
    [InlineData(0, 0, 0)]
    [InlineData(0, 1, 0)]
    [InlineData(0, 0, 400)]
    [InlineData(1, 1, 1)]
    [InlineData(20, 3, 2)]
    [InlineData(1_000, 0, 0)]
    [InlineData(1_000, 1, 0)]
    [InlineData(1_000, 0, 1)]
    [InlineData(1_000, 30, 40)]
    [InlineData(100, 1_500, 1_500)]
    public async Task Two_registries_become_equal(int both, int onlyOne, int onlyTwo)
    {
        var (one, two) = ((await NewAsync()).Registry, (await NewAsync()).Registry);
        for (var node = 0; node < both + onlyOne + onlyTwo; node++)
        {
            if (node < both + onlyOne)
            {
                one.Merge(Record(node));
            }

            if (node < both || node >= both + onlyOne)
            {
                two.Merge(Record(node));
            }
        }

        Reconcile(one, two);
        Assert.Equal(both + onlyOne + onlyTwo, one.Count);
        AssertEqual(one, two);
    }

    [Fact(Timeout = Limit)]
    public async Task Newer_records_replace_older_ones_both_ways()
    {
        var (one, two) = ((await NewAsync()).Registry, (await NewAsync()).Registry);
        for (var node = 0; node < 200; node++)
        {
            one.Merge(Record(node, node % 7 == 0 ? 2ul : 1));
            two.Merge(Record(node, node % 5 == 0 ? 3ul : 1));
        }

        Reconcile(one, two);
        AssertEqual(one, two);
        Assert.All(Enumerable.Range(0, 200), node => Assert.Equal(node % 5 == 0 ? 3ul : node % 7 == 0 ? 2ul : 1, one.Find(TestRecord.NodeOf(node))!.Sequence));
    }

    [Fact(Timeout = Limit)]
    public async Task Both_ends_learn_of_a_conflict()
    {
        var (one, two) = ((await NewAsync()).Registry, (await NewAsync()).Registry);
        for (var node = 0; node < 100; node++)
        {
            var (lower, higher) = Twins(node, 1);
            one.Merge(node == 50 ? higher : lower);
            two.Merge(node == 51 ? higher : lower);
        }

        Reconcile(one, two);
        AssertEqual(one, two);
        Assert.All([one, two], registry =>
            Assert.Equal(new[] { 50, 51 }.Select(TestRecord.NodeOf).Order(), registry.Conflicts.Select(conflict => conflict.Node).Order()));
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_over_is_not_sent()
    {
        var (one, two) = ((await NewAsync()).Registry, (await NewAsync()).Registry);
        one.Merge(Record(1, lifetime: TimeSpan.FromHours(1)));
        one.Merge(Record(2));
        Time.Advance(TimeSpan.FromHours(1));
        Reconcile(one, two);
        Assert.Equal(TestRecord.NodeOf(2), Assert.Single(two.Snapshot).Node);
    }

    [Fact(Timeout = Limit)]
    public async Task Who_remembers_a_newer_record_that_is_over_does_not_ask_for_an_older_one()
    {
        var (one, two) = ((await NewAsync()).Registry, (await NewAsync()).Registry);
        two.Merge(Record(1, 5, lifetime: TimeSpan.FromHours(1)));
        one.Merge(Record(1, 4));
        Time.Advance(TimeSpan.FromHours(1));
        two.Sweep();
        Reconcile(one, two);
        Assert.Equal(0, two.Count);
    }

    [Fact(Timeout = Limit)]
    public async Task Nothing_that_a_hostile_end_says_does_harm()
    {
        var (one, two) = ((await NewAsync()).Registry, (await NewAsync()).Registry);
        for (var node = 0; node < 400; node++)
        {
            (node % 2 == 0 ? one : two).Merge(Record(node));
        }

        var summary = one.Summary.ToArray();
        var random = new Random(7);
        // Messages as they come, from the first to the last, with bytes changed, cut off and added.
        for (ReadOnlyMemory<byte> message = one.Reconcile(default).Message; message.Length > 0; message = two.Reconcile(message).Message)
        {
            for (var trial = 0; trial < 300; trial++)
            {
                var bytes = message.ToArray();
                for (var change = random.Next(1, 4); change > 0; change--)
                {
                    bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                }

                Try([.. bytes.AsSpan(0, random.Next(1, bytes.Length + 1)), .. new byte[random.Next(3) == 0 ? random.Next(40) : 0]]);
            }
        }

        for (var trial = 0; trial < 1_000; trial++)
        {
            var bytes = new byte[random.Next(1, 200)];
            random.NextBytes(bytes);
            Try(bytes);
        }

        Assert.Equal(summary, one.Summary.ToArray());

        void Try(byte[] bytes)
        {
            try
            {
                Assert.InRange(one.Reconcile(bytes).Message.Length, 0, MaxMessage);
            }
            catch (FormatException e)
            {
                Assert.NotEmpty(e.Message);
            }
        }
    }

    [Fact(Timeout = Limit)]
    public async Task Too_long_a_message_is_refused()
    {
        var registry = (await NewAsync()).Registry;
        Assert.Throws<FormatException>(() => { registry.Reconcile(new byte[MaxMessage + 1]); });
    }

    [Fact(Timeout = Limit)]
    public async Task After_a_partition_a_chain_of_registries_becomes_equal()
    {
        var registries = new List<IAgentRegistry>();
        for (var i = 0; i < 4; i++)
        {
            registries.Add((await NewAsync()).Registry);
        }

        var random = new Random(3);
        for (var i = 0; i < 600; i++)
        {
            registries[random.Next(4)].Merge(Record(random.Next(150), (ulong)random.Next(1, 5), $"{random.Next(2)}"));
        }

        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < 3; i++)
            {
                Reconcile(registries[i], registries[i + 1]);
            }
        }

        Assert.All(registries, registry => AssertEqual(registries[0], registry));
    }

    /// <summary>Lets one begin and both answer until they are done; what they send arrives.</summary>
    /// <returns>Bytes of messages, of records, and how many messages there were.</returns>
    protected static (long Messages, long Records, int Count) Reconcile(IAgentRegistry one, IAgentRegistry two)
    {
        var (messages, records, count) = (0L, 0L, 0);
        var (from, to) = (one, two);
        for (var reply = one.Reconcile(default); ; count++)
        {
            Assert.InRange(reply.Message.Length, 0, MaxMessage);
            Assert.InRange(count, 0, MaxMessages);
            messages += reply.Message.Length;
            foreach (var record in reply.Records)
            {
                records += record.Encoded.Length;
                to.Merge(record);
            }

            if (reply.Message.IsEmpty)
            {
                return (messages, records, count);
            }

            reply = to.Reconcile(reply.Message);
            (from, to) = (to, from);
        }
    }

    /// <summary>Two records of one node with one sequence, the one with the lower hash first.</summary>
    protected (TestRecord Lower, TestRecord Higher) Twins(int node, ulong sequence)
    {
        var (a, b) = (Record(node, sequence, "a"), Record(node, sequence, "b"));
        return SHA256.HashData(a.Encoded.Span).AsSpan().SequenceCompareTo(SHA256.HashData(b.Encoded.Span)) < 0 ? (a, b) : (b, a);
    }

    private static void AssertEqual(IAgentRegistry one, IAgentRegistry two)
    {
        Assert.Equal(one.Summary.ToArray(), two.Summary.ToArray());
        Assert.Equal(one.Snapshot.Select(record => (record.Node, record.Sequence)), two.Snapshot.Select(record => (record.Node, record.Sequence)));
    }
}
