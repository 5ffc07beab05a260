using Dawn.Registries.OrSet;
using Dawn.Testing.Registries;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Dawn.Registries.Tests;

public class EventLogTests : RegistryTestBase
{
    [Theory]
    [InlineData("truncated")]
    [InlineData("header")]
    [InlineData("value")]
    [InlineData("rubbish")]
    public async Task A_damaged_log_is_moved_aside_and_a_new_one_begun(string damage)
    {
        var first = await StartAsync();
        for (var node = 0; node < 200; node++)
        {
            first.Merge(Record(node, 1, 200));
        }

        await CommitAsync(first);
        await first.DisposeAsync();
        using (var file = File.Open(Database, FileMode.Open))
        {
            Assert.True(file.Length > 40_000);
            switch (damage)
            {
                case "truncated":
                    file.SetLength(file.Length / 2);
                    break;
                case "header":
                    file.Write(new byte[100]);
                    break;
                case "value":
                    // Within a record's zeros, which SQLite does not check.
                    file.Position = 20_000;
                    var page = new byte[4_000];
                    file.ReadExactly(page);
                    file.Position = 20_000 + page.AsSpan().IndexOf(new byte[100]) + 50;
                    file.WriteByte(1);
                    break;
                default:
                    file.SetLength(0);
                    file.Write("This is no database at all, but a text of more than a hundred bytes, as it may lie there for reasons of its own."u8);
                    break;
            }
        }

        var again = await StartAsync();
        Assert.Equal(0, again.Count);
        Assert.Contains("damaged", Assert.Single(Lines.From(LogLevel.Error)), StringComparison.Ordinal);
        Assert.NotEmpty(Directory.GetFiles(Root, "registry.db.broken-20260101T000000Z"));
        again.Merge(Record(1));
        await CommitAsync(again);
        await again.DisposeAsync();
        Assert.Equal(1, (await StartAsync()).Count);
    }

    [Fact]
    public async Task A_few_damaged_logs_are_kept()
    {
        for (var i = 0; i < 6; i++)
        {
            await File.WriteAllTextAsync(Database, new string('x', 4_096), Cancelled);
            var registry = await StartAsync();
            await registry.DisposeAsync();
            Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(3, Directory.GetFiles(Root, "registry.db.broken-*Z").Length);
    }

    [Fact]
    public async Task A_full_disk_is_said_once_and_costs_nothing_once_there_is_room()
    {
        var registry = await StartAsync();
        registry.Merge(Record(0));
        await CommitAsync(registry);
        registry.Log.MaxPages = 1;
        for (var node = 1; node < 100; node++)
        {
            registry.Merge(Record(node, 1, 1_000));
        }

        var error = await Assert.ThrowsAsync<IOException>(() => CommitAsync(registry));
        Assert.Contains("full: free some space", error.Message, StringComparison.Ordinal);
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(100, registry.Count);
        Assert.Equal(100, (await LogAsync(registry)).Count);
        Assert.Single(Lines.From(LogLevel.Error));
        registry.Log.MaxPages = 1_000_000;
        await RecoveredAsync();
        await CommitAsync(registry);
        Assert.Single(Lines.From(LogLevel.Error));
        Assert.Contains(Lines.From(LogLevel.Information), line => line.Contains("written again", StringComparison.Ordinal));
        await registry.DisposeAsync();
        Assert.Equal(100, (await StartAsync()).Count);
    }

    [Fact]
    public async Task Lines_beyond_the_bound_are_left_out_and_the_log_goes_on_with_all_records()
    {
        var registry = await StartAsync();
        registry.Log.MaxPages = 1;
        for (var node = 0; node < 1_500; node++)
        {
            registry.Merge(Record(node, 1, 30_000));
        }

        await Assert.ThrowsAsync<IOException>(() => CommitAsync(registry));
        Assert.Single(Lines.From(LogLevel.Warning), line => line.Contains("leaves out", StringComparison.Ordinal));
        registry.Log.MaxPages = 1_000_000;
        await RecoveredAsync();
        await CommitAsync(registry);
        await registry.DisposeAsync();
        Assert.Equal(1_500, (await StartAsync()).Count);
    }

    [Fact]
    public async Task A_log_that_another_program_holds_is_said_and_tried_again()
    {
        var registry = await StartAsync();
        registry.Merge(Record(0));
        await CommitAsync(registry);
        using (var other = new Sqlite(Database, false))
        {
            other.Execute("BEGIN IMMEDIATE");
            registry.Merge(Record(1));
            Assert.Contains("in use by another program", (await Assert.ThrowsAsync<IOException>(() => CommitAsync(registry))).Message, StringComparison.Ordinal);
        }

        await RecoveredAsync();
    }

    [Fact]
    public async Task A_newer_schema_is_left_alone()
    {
        var first = await StartAsync();
        await first.DisposeAsync();
        using (var other = new Sqlite(Database, false))
        {
            other.Execute("PRAGMA user_version = 2");
        }

        var registry = await StartAsync();
        Assert.Contains("update Dawn", Assert.Single(Lines.From(LogLevel.Error)), StringComparison.Ordinal);
        registry.Merge(Record(1));
        Assert.Equal(1, registry.Count);
        await Assert.ThrowsAsync<IOException>(() => CommitAsync(registry));
        Assert.Empty(Directory.GetFiles(Root, "*.broken-*"));
    }

    [Fact]
    public async Task The_log_is_bounded_and_keeps_each_nodes_newest_line()
    {
        Settings.LogSize = 512 * 1024;
        var registry = await StartAsync();
        for (var sequence = 1ul; sequence <= 100; sequence++)
        {
            for (var node = 0; node < 20; node++)
            {
                registry.Merge(Record(node, sequence, 2_000));
            }

            await CommitAsync(registry);
        }

        Assert.InRange(new FileInfo(Database).Length, 0, 3 * Settings.LogSize);
        var log = await LogAsync(registry);
        Assert.InRange(log.Count, 20, 400);
        Assert.Equal(2_000, log[^1].Number);
        Assert.Equal(20, log.Where(line => line.Sequence == 100).DistinctBy(line => line.Node).Count());
        await registry.DisposeAsync();
        Assert.Equal(20, (await StartAsync()).Count);
    }

    [Fact]
    public async Task Old_lines_go_and_so_do_nodes_that_are_gone_for_long()
    {
        Settings.LogAge = TimeSpan.FromDays(2);
        var registry = await StartAsync();
        registry.Merge(Record(1, 1));
        registry.Merge(Record(2, 1));
        registry.Merge(Record(2, 2));
        await CommitAsync(registry);
        Time.Advance(TimeSpan.FromDays(1));
        registry.Sweep();
        Time.Advance(TimeSpan.FromDays(3));
        registry.Sweep();
        registry.Merge(Record(3, 1));
        await CommitAsync(registry);
        await registry.DisposeAsync();
        var again = await StartAsync();
        again.Merge(Record(3, 2));
        await CommitAsync(again);
        await again.DisposeAsync();
        Assert.Equal(
            [(TestRecord.NodeOf(3), 1ul), (TestRecord.NodeOf(3), 2ul)], (await LogAsync(await StartAsync())).Select(line => (line.Node, line.Sequence)));
    }

    [Fact]
    public async Task The_state_of_any_time_is_in_the_log()
    {
        var registry = await StartAsync();
        var began = Time.GetUtcNow();
        registry.Merge(Record(1, 1));
        Time.Advance(TimeSpan.FromHours(1));
        registry.Merge(Record(1, 2));
        registry.Merge(Record(2, 1));
        Time.Advance(TimeSpan.FromHours(24));
        registry.Sweep();
        await CommitAsync(registry);
        Assert.Empty(await registry.StateAtAsync(began - TimeSpan.FromSeconds(1), Cancelled));
        Assert.Equal(1ul, Assert.Single(await registry.StateAtAsync(began, Cancelled)).Sequence);
        Assert.Equal([1ul, 2ul], (await registry.StateAtAsync(began + TimeSpan.FromHours(2), Cancelled)).Select(line => line.Sequence).Order());
        Assert.Empty(await registry.StateAtAsync(Time.GetUtcNow(), Cancelled));
    }

    [Fact]
    public async Task Records_that_count_no_more_are_left_out_with_one_line()
    {
        var first = await StartAsync();
        for (var node = 0; node < 10; node++)
        {
            first.Merge(Record(node));
        }

        await CommitAsync(first);
        await first.DisposeAsync();
        Time.Advance(TimeSpan.FromHours(24));
        var again = await StartAsync();
        Assert.Equal(0, again.Count);
        Assert.Contains("10 records", Assert.Single(Lines.From(LogLevel.Information)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_the_owner_may_read_the_log()
    {
        var registry = await StartAsync();
        registry.Merge(Record(1));
        await CommitAsync(registry);
        Assert.All(Directory.GetFiles(Root), file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
    }
}
