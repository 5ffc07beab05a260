using CsCheck;
using Dawn.Registries.OrSet;
using Dawn.Testing.Registries;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Dawn.Registries.Tests;

public class AgentRegistryTests : RegistryTestBase
{
    [Fact]
    public void A_record_beyond_the_number_is_refused_with_the_settings_name()
    {
        Settings.MaxRecords = 3;
        var registry = Create();
        for (var node = 0; node < 3; node++)
        {
            registry.Merge(Record(node));
        }

        var merge = registry.Merge(Record(3));
        Assert.Equal(RegistryVerdict.Refused, merge.Verdict);
        Assert.Contains("MaxRecords", merge.Problem, StringComparison.Ordinal);
        Assert.Equal(RegistryVerdict.News, registry.Merge(Record(2, 2)).Verdict);
    }

    [Fact]
    public void A_record_beyond_the_bytes_is_refused_with_the_settings_name()
    {
        Settings.MaxBytes = 64 * 1024;
        var registry = Create();
        registry.Merge(Record(0, 1, 31_000));
        registry.Merge(Record(1, 1, 31_000));
        Assert.Contains("MaxBytes", registry.Merge(Record(2, 1, 31_000)).Problem, StringComparison.Ordinal);
        Assert.Equal(RegistryVerdict.News, registry.Merge(Record(1, 2)).Verdict);
        Assert.Equal(RegistryVerdict.News, registry.Merge(Record(2, 1, 30_000)).Verdict);
    }

    [Fact]
    public void Nodes_without_end_that_are_soon_over_fill_no_memory()
    {
        Settings.MaxRecords = 10;
        var registry = Create();
        var merges = Enumerable.Range(0, 100).Select(node =>
        {
            var merge = registry.Merge(new TestRecord(TestRecord.NodeOf(node), 1, Time.GetUtcNow(), TimeSpan.FromSeconds(1)));
            Time.Advance(TimeSpan.FromSeconds(1));
            registry.Sweep();
            return merge;
        }).ToList();
        Assert.Equal(20, merges.Count(merge => merge.Verdict == RegistryVerdict.News));
        Assert.Contains("MaxRecords", merges[^1].Problem, StringComparison.Ordinal);
        Time.Advance(TimeSpan.FromHours(25));
        registry.Sweep();
        Assert.Equal(RegistryVerdict.News, registry.Merge(Record(1_000)).Verdict);
    }

    [Fact]
    public void A_subscriber_that_throws_harms_no_other()
    {
        var registry = Create();
        var told = 0;
        registry.Changed += _ => throw new InvalidOperationException("mine");
        registry.Changed += _ => told++;
        registry.Merge(Record(1));
        registry.Merge(Record(2));
        Assert.Equal(2, told);
        Assert.Equal(2, Lines.From(LogLevel.Error).Count);
    }

    [Fact]
    public void Any_order_and_repetition_of_records_ends_in_one_state() =>
        Gen.Select(Gen.Select(Gen.Int[0, 40], Gen.ULong[1, 3], Gen.Int[0, 3]).Array[0, 150], Gen.Int[0, 1_000_000]).Sample(
            (steps, seed) =>
            {
                var records = steps.Select(step => Record(step.Item1, step.Item2, step.Item3)).ToArray();
                var (one, two) = (Create(), Create());
                Array.ForEach(records, record => one.Merge(record));
                TestRecord[] again = [.. records, .. records.Take(20)];
                new Random(seed).Shuffle(again);
                Array.ForEach(again, record => two.Merge(record));
                var model = records.GroupBy(record => record.Node).OrderBy(of => of.Key)
                    .Select(of => of.MaxBy(record => (record.Sequence, Digest.Of(record.Encoded.Span)))!).ToList();
                Assert.Equal(model.Select(record => Digest.Of(record.Encoded.Span)), one.Snapshot.Select(record => Digest.Of(record.Encoded.Span)));
                Assert.Equal(one.Summary.ToArray(), two.Summary.ToArray());
                // What is in the set, in the tree and in the sum of bytes is the same.
                Assert.Equal(model.Count, two.Count);
            },
            iter: 100, threads: 1);

    [Fact]
    public void Of_two_with_one_sequence_the_higher_counts_though_the_lower_is_over()
    {
        var (one, two) = (Create(), Create());
        var longer = new TestRecord(TestRecord.NodeOf(1), 1, Time.GetUtcNow(), TimeSpan.FromHours(24));
        var shorter = Enumerable.Range(0, 100).Select(i => new TestRecord(longer.Node, 1, Time.GetUtcNow(), TimeSpan.FromHours(1), [(byte)i]))
            .First(record => Digest.Of(record.Encoded.Span).CompareTo(Digest.Of(longer.Encoded.Span)) < 0);
        one.Merge(shorter);
        two.Merge(longer);
        two.Merge(shorter);
        Time.Advance(TimeSpan.FromHours(1));
        one.Sweep();
        two.Sweep();
        Assert.Equal(RegistryVerdict.News, one.Merge(longer).Verdict);
        Assert.Equal(two.Summary.ToArray(), one.Summary.ToArray());
        Assert.Equal(RegistryVerdict.News, one.Merge(Record(1, 2)).Verdict);
    }
}
