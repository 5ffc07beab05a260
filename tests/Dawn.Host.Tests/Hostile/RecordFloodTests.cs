using Dawn.Identity;
using Dawn.Membership;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Hostile;

/// <summary>What a member may cost all others by signing records without end.</summary>
public class RecordFloodTests
{
    private static readonly TestNetwork Network = new();

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    [Fact]
    public void A_node_that_signs_without_end_is_slowed_and_others_are_heard()
    {
        var table = new RecordTable(Network.Node(1), _time, NullLogger<RecordTable>.Instance);
        var (flooder, honest) = (Network.Node(2), Network.Node(3));
        var verdicts = Enumerable.Range(1, 300).Select(i => table.Offer(Sign(flooder, (ulong)i), out _, out _)).ToList();
        Assert.Equal(100, verdicts.Count(v => v == RecordVerdict.News));
        Assert.Equal(RecordVerdict.News, table.Offer(Sign(honest, 1), out _, out _));
        // In the long run 20 a second, and never more memory than one record.
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(20, Enumerable.Range(301, 100).Count(i => table.Offer(Sign(flooder, (ulong)i), out _, out _) == RecordVerdict.News));
        Assert.Equal(2, table.Snapshot().Count);
    }

    [Fact]
    public void Forged_and_repeated_records_change_nothing()
    {
        var table = new RecordTable(Network.Node(1), _time, NullLogger<RecordTable>.Instance);
        var changes = 0;
        table.Changed += _ => changes++;
        var record = Sign(Network.Node(2), 5);
        Assert.Equal(RecordVerdict.News, table.Offer(record, out _, out _));
        var random = new Random(1);
        for (var i = 0; i < 2_000; i++)
        {
            var forged = (byte[])record.Clone();
            forged[random.Next(forged.Length)] ^= (byte)(1 << random.Next(8));
            Assert.NotEqual(RecordVerdict.News, table.Offer(forged, out _, out _));
            Assert.Equal(RecordVerdict.Known, table.Offer(record, out _, out _));
        }

        Assert.Equal(1, changes);
        Assert.Equal(5ul, Assert.Single(table.Snapshot()).Sequence);
    }

    private byte[] Sign(INodeIdentity node, ulong sequence) =>
        NodeRecord.Sign(node, sequence, _time.GetUtcNow(), EncryptionMode.Required, [], [], out _).Encoded.ToArray();
}
