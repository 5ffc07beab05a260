using Xunit;

namespace Dawn.Testing.Registries;

/// <summary>What every <see cref="IAgentRegistry"/> promises, as tests: derive from it, say how to open yours, and run.</summary>
/// <remarks>The cases with two registries, and those of the log, are in <see cref="RegistryTestKit"/>'s other parts.</remarks>
public abstract partial class RegistryTestKit : IAsyncLifetime
{
    /// <summary>How long a case waits for what must come at once; generous, for machines that are busy.</summary>
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private const int Limit = 60_000;
    private static readonly TimeSpan Day = TimeSpan.FromHours(24);

    private readonly List<OpenRegistry> _open = [];
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("registry-");
    private int _directories;

    /// <summary>Opens a registry.</summary>
    /// <param name="surroundings">What it keeps in the directory must be there when it is opened again with the same one.</param>
    protected abstract Task<OpenRegistry> OpenAsync(RegistrySurroundings surroundings);

    /// <summary>The clock of all registries of a case.</summary>
    protected ManualTime Time { get; } = new();

    /// <summary>Gives up with the test.</summary>
    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <inheritdoc/>
    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var registry in _open)
        {
            await registry.DisposeAsync();
        }

        _directory.Delete(true);
    }

    /// <summary>A new directory below the case's own.</summary>
    protected string NewDirectory() => _directory.CreateSubdirectory($"{_directories++}").FullName;

    /// <summary>Opens a registry in a directory, a new one where none is given; closed after the case.</summary>
    protected async Task<OpenRegistry> NewAsync(string? directory = null)
    {
        var registry = await OpenAsync(new(directory ?? NewDirectory(), new TestRecordReader(Time), Time)).WaitAsync(Patience, Cancelled);
        _open.Add(registry);
        return registry;
    }

    /// <summary>A record of the clock's time.</summary>
    protected TestRecord Record(int node, ulong sequence = 1, string content = "", TimeSpan? lifetime = null) =>
        new(TestRecord.NodeOf(node), sequence, Time.GetUtcNow(), lifetime ?? Day, System.Text.Encoding.UTF8.GetBytes(content));

    [Fact(Timeout = Limit)]
    public async Task A_new_registry_is_empty()
    {
        var registry = (await NewAsync()).Registry;
        Assert.Equal(0, registry.Count);
        Assert.Empty(registry.Snapshot);
        Assert.Empty(registry.Conflicts);
        Assert.Null(registry.Find(TestRecord.NodeOf(1)));
        Assert.Equal(32, registry.Summary.Length);
        await registry.CommitAsync(Cancelled).WaitAsync(Patience, Cancelled);
        Assert.Empty(await LogAsync(registry));
    }

    [Fact(Timeout = Limit)]
    public async Task A_record_that_is_merged_is_found()
    {
        var registry = (await NewAsync()).Registry;
        var record = Record(1);
        Assert.Equal(new(RegistryVerdict.News), registry.Merge(record));
        Assert.Same(record, registry.Find(record.Node));
        Assert.Equal(1, registry.Count);
        Assert.Same(record, Assert.Single(registry.Snapshot));
    }

    [Fact(Timeout = Limit)]
    public async Task The_same_record_again_is_known()
    {
        var registry = (await NewAsync()).Registry;
        registry.Merge(Record(1));
        var summary = registry.Summary.ToArray();
        Assert.Equal(RegistryVerdict.Known, registry.Merge(Record(1)).Verdict);
        Assert.Equal(1, registry.Count);
        Assert.Equal(summary, registry.Summary.ToArray());
    }

    [Fact(Timeout = Limit)]
    public async Task The_higher_sequence_counts()
    {
        var registry = (await NewAsync()).Registry;
        registry.Merge(Record(1, 5));
        var newer = Record(1, 9);
        Assert.Equal(RegistryVerdict.News, registry.Merge(newer).Verdict);
        Assert.Equal(RegistryVerdict.Known, registry.Merge(Record(1, 7)).Verdict);
        Assert.Same(newer, registry.Find(newer.Node));
        Assert.Equal(1, registry.Count);
    }

    [Fact(Timeout = Limit)]
    public async Task Sequences_are_unsigned()
    {
        var registry = (await NewAsync()).Registry;
        registry.Merge(Record(1, long.MaxValue));
        Assert.Equal(RegistryVerdict.News, registry.Merge(Record(1, ulong.MaxValue)).Verdict);
        Assert.Equal(RegistryVerdict.Known, registry.Merge(Record(1, 1)).Verdict);
    }

    [Fact(Timeout = Limit)]
    public async Task The_snapshot_is_in_the_order_of_the_nodes_and_stays_as_it_is()
    {
        var registry = (await NewAsync()).Registry;
        foreach (var node in Enumerable.Range(0, 100))
        {
            registry.Merge(Record(node));
        }

        var snapshot = registry.Snapshot;
        registry.Merge(Record(100));
        Assert.Equal(100, snapshot.Count);
        Assert.Equal(Enumerable.Range(0, 101).Select(TestRecord.NodeOf).Order(), registry.Snapshot.Select(record => record.Node));
    }

    [Fact(Timeout = Limit)]
    public async Task Changes_are_told_before_the_merge_returns()
    {
        var registry = (await NewAsync()).Registry;
        var told = new List<RegistryChange>();
        registry.Changed += told.Add;
        var (first, second) = (Record(1, 1), Record(1, 2));
        registry.Merge(first);
        registry.Merge(first);
        registry.Merge(second);
        Assert.Equal([new(first.Node, null, first), new(first.Node, first, second)], told);
    }

    [Fact(Timeout = Limit)]
    public async Task Whoever_is_told_may_ask_and_merge()
    {
        var registry = (await NewAsync()).Registry;
        var told = new List<RegistryChange>();
        var (first, second) = (Record(1), Record(2));
        registry.Changed += change =>
        {
            told.Add(change);
            Assert.Same(change.Now, registry.Find(change.Node));
            Assert.True(Task.Run(() => registry.Count).Wait(Patience), "A lock is held while a change is told.");
            if (change.Node == first.Node)
            {
                registry.Merge(second);
            }
        };
        registry.Merge(first);
        Assert.Equal([first.Node, second.Node], told.Select(change => change.Node));
    }

    [Fact(Timeout = Limit)]
    public async Task Many_threads_end_as_one_would_and_changes_of_a_node_come_in_order()
    {
        var registry = (await NewAsync()).Registry;
        var (last, isOrdered) = (new Dictionary<NodeId, ulong>(), true);
        registry.Changed += change =>
        {
            lock (last)
            {
                isOrdered &= change.Before?.Sequence == (last.TryGetValue(change.Node, out var before) ? before : null);
                last[change.Node] = change.Now!.Sequence;
            }
        };
        var records = Enumerable.Range(1, 200).SelectMany(sequence => Enumerable.Range(0, 5).Select(node => Record(node, (ulong)sequence))).ToList();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => Task.Run(() =>
        {
            var mine = records.ToArray();
            new Random(seed).Shuffle(mine);
            foreach (var record in mine)
            {
                registry.Merge(record);
            }
        }))).WaitAsync(Patience, Cancelled);
        Assert.True(isOrdered);
        Assert.All(registry.Snapshot, record => Assert.Equal(200ul, record.Sequence));
        Assert.Equal(5, registry.Count);
    }

    [Fact(Timeout = Limit)]
    public async Task The_summary_follows_from_what_is_held_alone()
    {
        var (one, two) = ((await NewAsync()).Registry, (await NewAsync()).Registry);
        var records = Enumerable.Range(0, 300).Select(node => Record(node, 2)).ToArray();
        foreach (var record in records)
        {
            one.Merge(record);
        }

        new Random(1).Shuffle(records);
        foreach (var record in records)
        {
            two.Merge(Record(0, 1));
            two.Merge(record);
        }

        Assert.Equal(one.Summary.ToArray(), two.Summary.ToArray());
        two.Merge(Record(7, 3));
        Assert.NotEqual(one.Summary.ToArray(), two.Summary.ToArray());
        one.Merge(Record(7, 3));
        Assert.Equal(one.Summary.ToArray(), two.Summary.ToArray());
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_over_goes_when_swept_and_is_told()
    {
        var registry = (await NewAsync()).Registry;
        var empty = registry.Summary.ToArray();
        var (shorter, longer) = (Record(1, 1, lifetime: TimeSpan.FromHours(1)), Record(2));
        registry.Merge(shorter);
        registry.Merge(longer);
        var told = new List<RegistryChange>();
        registry.Changed += told.Add;
        Time.Advance(TimeSpan.FromHours(1) - TimeSpan.FromMilliseconds(1));
        registry.Sweep();
        Assert.Equal(2, registry.Count);
        Time.Advance(TimeSpan.FromMilliseconds(1));
        registry.Sweep();
        Assert.Null(registry.Find(shorter.Node));
        Assert.Equal([new(shorter.Node, shorter, null)], told);
        Time.Advance(Day);
        registry.Sweep();
        Assert.Equal(empty, registry.Summary.ToArray());
    }

    [Fact(Timeout = Limit)]
    public async Task Nothing_old_comes_back_for_25_hours()
    {
        var registry = (await NewAsync()).Registry;
        registry.Merge(Record(1, 5, lifetime: TimeSpan.FromHours(1)));
        Time.Advance(TimeSpan.FromHours(2));
        registry.Sweep();
        Assert.Equal(RegistryVerdict.Known, registry.Merge(Record(1, 4)).Verdict);
        Time.Advance(TimeSpan.FromHours(23) - TimeSpan.FromMilliseconds(1));
        registry.Sweep();
        Assert.Equal(RegistryVerdict.Known, registry.Merge(Record(1, 4)).Verdict);
        Assert.Equal(RegistryVerdict.News, registry.Merge(Record(1, 6)).Verdict);
    }

    [Fact(Timeout = Limit)]
    public async Task After_25_hours_a_node_may_begin_again()
    {
        var registry = (await NewAsync()).Registry;
        registry.Merge(Record(1, 5, lifetime: TimeSpan.FromHours(1)));
        Time.Advance(TimeSpan.FromHours(2));
        registry.Sweep();
        Time.Advance(TimeSpan.FromHours(23));
        registry.Sweep();
        Assert.Equal(RegistryVerdict.News, registry.Merge(Record(1, 1)).Verdict);
    }

    [Fact(Timeout = Limit)]
    public async Task What_came_while_a_clock_was_ahead_is_forgotten_with_its_sequence()
    {
        var registry = (await NewAsync()).Registry;
        var ahead = TimeSpan.FromHours(30);
        Time.Advance(ahead);
        var (future, over) = (Record(1, 50), Record(2, 50, lifetime: TimeSpan.FromMinutes(1)));
        registry.Merge(future);
        registry.Merge(over);
        Time.Advance(TimeSpan.FromMinutes(1));
        registry.Sweep();
        Assert.Same(future, registry.Find(future.Node));
        // It is set right. What is ahead by no more than clocks may disagree stays.
        Time.Advance(-ahead);
        var near = new TestRecord(TestRecord.NodeOf(3), 50, Time.GetUtcNow() + TimeSpan.FromMinutes(10), Day);
        registry.Merge(near);
        var told = new List<RegistryChange>();
        registry.Changed += told.Add;
        registry.Sweep();
        Assert.Equal([new(future.Node, future, null)], told);
        Assert.Equal([near], registry.Snapshot);
        Assert.True((await LogAsync(registry))[^1] is { Kind: RegistryEventKind.Expired, Sequence: 0, Encoded.Length: 0 } line && line.Node == future.Node);
        Assert.All([1, 2], node => Assert.Equal(RegistryVerdict.News, registry.Merge(Record(node)).Verdict));
        Assert.Equal(RegistryVerdict.Known, registry.Merge(Record(3)).Verdict);
        Assert.Equal(3, registry.Count);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_over_does_not_count()
    {
        var registry = (await NewAsync()).Registry;
        var record = Record(1, lifetime: TimeSpan.FromMinutes(1));
        Time.Advance(TimeSpan.FromMinutes(1));
        var merge = registry.Merge(record);
        Assert.Equal(RegistryVerdict.Refused, merge.Verdict);
        Assert.False(string.IsNullOrWhiteSpace(merge.Problem));
        Assert.Equal(0, registry.Count);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Of_two_records_with_one_sequence_the_higher_hash_counts(bool isHigherFirst)
    {
        var registry = (await NewAsync()).Registry;
        var (lower, higher) = Twins(1, 3);
        var (first, second) = isHigherFirst ? (higher, lower) : (lower, higher);
        Assert.Null(registry.Merge(first).Conflict);
        var merge = registry.Merge(second);
        Assert.Equal(isHigherFirst ? RegistryVerdict.Conflict : RegistryVerdict.News, merge.Verdict);
        Assert.Same(higher, registry.Find(higher.Node));
        Assert.Equal(new(higher, lower, Time.GetUtcNow()), merge.Conflict);
        Assert.Equal(merge.Conflict, Assert.Single(registry.Conflicts));
    }

    [Fact(Timeout = Limit)]
    public async Task One_proof_a_node_is_kept_and_a_hundred_at_most()
    {
        var registry = (await NewAsync()).Registry;
        for (var node = 0; node < 110; node++)
        {
            var (lower, higher) = Twins(node, 1);
            registry.Merge(lower);
            registry.Merge(higher);
            registry.Merge(lower);
        }

        Assert.Equal(100, registry.Conflicts.Count);
        Assert.Equal(100, registry.Conflicts.Select(conflict => conflict.Node).Distinct().Count());
        Assert.Equal(registry.Conflicts.OrderBy(conflict => conflict.Seen), registry.Conflicts);
    }

    [Fact(Timeout = Limit)]
    public async Task A_newer_record_ends_a_conflict_but_not_its_proof()
    {
        var registry = (await NewAsync()).Registry;
        var (lower, higher) = Twins(1, 1);
        registry.Merge(lower);
        registry.Merge(higher);
        var newer = Record(1, 2);
        Assert.Null(registry.Merge(newer).Conflict);
        Assert.Same(newer, registry.Find(newer.Node));
        Assert.Single(registry.Conflicts);
    }
}
