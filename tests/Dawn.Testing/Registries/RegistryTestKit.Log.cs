using Xunit;

namespace Dawn.Testing.Registries;

public abstract partial class RegistryTestKit
{
    [Fact(Timeout = Limit)]
    public async Task What_is_committed_is_there_again()
    {
        var directory = NewDirectory();
        byte[] summary;
        List<RegistryEvent> log;
        {
            await using var first = await NewAsync(directory);
            foreach (var node in Enumerable.Range(0, 500))
            {
                first.Registry.Merge(Record(node));
                first.Registry.Merge(Record(node, 2));
            }

            await first.Registry.CommitAsync(Cancelled).WaitAsync(Patience, Cancelled);
            (summary, log) = (first.Registry.Summary.ToArray(), await LogAsync(first.Registry));
        }

        var again = (await NewAsync(directory)).Registry;
        Assert.Equal(500, again.Count);
        Assert.Equal(summary, again.Summary.ToArray());
        Assert.Equal(log.Select(Text), (await LogAsync(again)).Select(Text));
    }

    [Fact(Timeout = Limit)]
    public async Task A_restart_forgets_what_is_over_but_not_its_sequence()
    {
        var directory = NewDirectory();
        {
            await using var first = await NewAsync(directory);
            first.Registry.Merge(Record(1, 5, lifetime: TimeSpan.FromHours(1)));
            first.Registry.Merge(Record(2, 5, lifetime: TimeSpan.FromMinutes(1)));
            Time.Advance(TimeSpan.FromMinutes(30));
            first.Registry.Sweep();
            await first.Registry.CommitAsync(Cancelled).WaitAsync(Patience, Cancelled);
        }

        Time.Advance(TimeSpan.FromHours(1));
        var again = (await NewAsync(directory)).Registry;
        Assert.Equal(0, again.Count);
        Assert.All([1, 2], node => Assert.Equal(RegistryVerdict.Known, again.Merge(Record(node, 4)).Verdict));
        Assert.All([1, 2], node => Assert.Equal(RegistryVerdict.News, again.Merge(Record(node, 6)).Verdict));
    }

    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_restart_remembers_nothing_of_the_time_when_a_clock_was_ahead(bool isSwept)
    {
        var directory = NewDirectory();
        var ahead = TimeSpan.FromHours(30);
        {
            await using var first = await NewAsync(directory);
            Time.Advance(ahead);
            first.Registry.Merge(Record(1, 50));
            first.Registry.Merge(Record(2, 50, lifetime: TimeSpan.FromMinutes(1)));
            Time.Advance(TimeSpan.FromMinutes(1));
            first.Registry.Sweep();
            if (isSwept)
            {
                Time.Advance(-ahead);
                first.Registry.Sweep();
            }

            await first.Registry.CommitAsync(Cancelled).WaitAsync(Patience, Cancelled);
        }

        Time.Advance(isSwept ? TimeSpan.Zero : -ahead);
        var again = (await NewAsync(directory)).Registry;
        Assert.Equal(0, again.Count);
        Assert.All([1, 2], node => Assert.Equal(RegistryVerdict.News, again.Merge(Record(node)).Verdict));
    }

    [Fact(Timeout = Limit)]
    public async Task A_restart_keeps_proofs()
    {
        var directory = NewDirectory();
        var (lower, higher) = Twins(1, 1);
        {
            await using var first = await NewAsync(directory);
            first.Registry.Merge(lower);
            first.Registry.Merge(higher);
            await first.Registry.CommitAsync(Cancelled).WaitAsync(Patience, Cancelled);
        }

        var proof = Assert.Single((await NewAsync(directory)).Registry.Conflicts);
        Assert.True(proof.Counts.Encoded.Span.SequenceEqual(higher.Encoded.Span));
        Assert.True(proof.Other.Encoded.Span.SequenceEqual(lower.Encoded.Span));
    }

    [Fact(Timeout = Limit)]
    public async Task The_log_says_what_happened_in_order()
    {
        var registry = (await NewAsync()).Registry;
        var (lower, higher) = Twins(2, 1);
        registry.Merge(Record(1, 1));
        registry.Merge(Record(1, 2, lifetime: TimeSpan.FromHours(1)));
        registry.Merge(Record(1, 1));
        registry.Merge(higher);
        registry.Merge(lower);
        Time.Advance(TimeSpan.FromHours(1));
        registry.Sweep();
        var log = await LogAsync(registry);
        Assert.Equal(
            [RegistryEventKind.Added, RegistryEventKind.Changed, RegistryEventKind.Added, RegistryEventKind.Conflicting, RegistryEventKind.Expired],
            log.Select(line => line.Kind));
        Assert.Equal(Enumerable.Range(0, 5).Select(i => log[0].Number + i), log.Select(line => line.Number));
        Assert.True(log[3].Encoded.Span.SequenceEqual(lower.Encoded.Span));
        Assert.True(log[4] is { Sequence: 2, Encoded.Length: 0 } && log[4].Node == TestRecord.NodeOf(1) && log[4].At == Time.GetUtcNow());
        await registry.CommitAsync(Cancelled).WaitAsync(Patience, Cancelled);
        Assert.Equal(log.Select(Text), (await LogAsync(registry)).Select(Text));
    }

    [Fact(Timeout = Limit)]
    public async Task The_log_is_read_from_a_time_on()
    {
        var registry = (await NewAsync()).Registry;
        registry.Merge(Record(1));
        Time.Advance(TimeSpan.FromMinutes(1));
        registry.Merge(Record(2));
        await registry.CommitAsync(Cancelled).WaitAsync(Patience, Cancelled);
        Assert.Equal(TestRecord.NodeOf(2), Assert.Single(await LogAsync(registry, Time.GetUtcNow())).Node);
        Assert.Empty(await LogAsync(registry, Time.GetUtcNow() + TimeSpan.FromMilliseconds(1)));
    }

    [Fact(Timeout = Limit)]
    public async Task Many_commits_at_once_all_end()
    {
        var registry = (await NewAsync()).Registry;
        await Task.WhenAll(Enumerable.Range(0, 50).Select(node => Task.Run(async () =>
        {
            registry.Merge(Record(node));
            await registry.CommitAsync(Cancelled);
        }))).WaitAsync(Patience, Cancelled);
        Assert.Equal(50, (await LogAsync(registry)).Count);
    }

    [Fact(Timeout = Limit)]
    public async Task A_cancelled_commit_says_so_or_is_done()
    {
        var registry = (await NewAsync()).Registry;
        registry.Merge(Record(1));
        var error = await Xunit.Record.ExceptionAsync(() => registry.CommitAsync(new(true)).WaitAsync(Patience, Cancelled));
        Assert.True(error is null or OperationCanceledException, error?.ToString());
    }

    private static async Task<List<RegistryEvent>> LogAsync(IAgentRegistry registry, DateTimeOffset? since = null)
    {
        var lines = new List<RegistryEvent>();
        await foreach (var line in registry.ReadLogAsync(since, Cancelled))
        {
            lines.Add(line);
        }

        return lines;
    }

    private static string Text(RegistryEvent line) => $"{line.Number} {line.At:O} {line.Kind} {line.Node} {line.Sequence} {Convert.ToHexString(line.Encoded.Span)}";
}
