using Dawn.Evidence;
using Xunit;

namespace Dawn.Tests.Evidence;

public class EvidenceStoreTests
{
    private const string Call = """{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"roll"}}""";

    [Fact]
    public async Task What_is_kept_is_read_back_across_a_restart_and_is_for_the_owner_alone()
    {
        await using var fixture = new EvidenceFixture();
        await fixture.StartAsync();
        fixture.Say(fixture.Open(0, "dice"), fixture.Message(0, Call));
        await fixture.RestartAsync();
        fixture.Say(fixture.Message(0, "second"));
        await fixture.StopAsync();

        var all = fixture.All;
        Assert.Equal([2, 1], all.Select(e => e.Entry.Frames.Count));
        Assert.Equal([0UL, 1], all.Select(e => e.Entry.Checkpoint.Number));
        Assert.All(all, e => Assert.Equal(fixture.Direction, e.Entry.Direction));
        Assert.Equal(all[1].Entry.Frames[0].Frame, EvidenceFile.Find(fixture.Folder, all[1].Id)!.Frames[0].Frame);
        Assert.Equal(0, fixture.Store.Dropped);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(EvidenceFile.PathOf(fixture.Folder, 1)));
        }
    }

    [Fact]
    public async Task The_files_stay_within_their_size_and_the_oldest_goes_first()
    {
        await using var fixture = new EvidenceFixture(limit: 80_000);
        await fixture.StartAsync();
        for (var i = 0; i < 200; i++)
        {
            fixture.Say(fixture.Message(0, new string('x', 1_000)));
        }

        await fixture.RestartAsync();
        for (var i = 0; i < 20; i++)
        {
            fixture.Say(fixture.Message(0, new string('x', 1_000)));
        }

        await fixture.StopAsync();
        Assert.InRange(Directory.EnumerateFiles(fixture.Folder).Sum(f => new FileInfo(f).Length), 60_000, 80_000);
        var numbers = fixture.All.Select(e => e.Entry.Checkpoint.Number).ToList();
        Assert.Equal(219UL, numbers[^1]);
        Assert.Equal([.. numbers.Order()], numbers);
        Assert.Equal(numbers.Count, (int)(219 - numbers[0] + 1));
        Assert.Null(EvidenceFile.Find(fixture.Folder, new(1, 0)));
    }

    [Fact]
    public async Task A_kill_in_mid_write_costs_the_last_entry_at_most_wherever_it_falls()
    {
        await using var fixture = await EvidenceFixture.WithAsync(f => [f.Open(0, "dice")], f => [f.Message(0, Call)], f => [f.Message(0, "last")]);
        var path = EvidenceFile.PathOf(fixture.Folder, 1);
        var whole = await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
        var last = (int)fixture.All[2].Id.Offset;
        for (var length = last; length < whole.Length; length += 7)
        {
            await File.WriteAllBytesAsync(path, whole[..length], TestContext.Current.CancellationToken);
            Assert.Equal(2, fixture.All.Count);
        }

        // What is there is garbage instead: a file system may lose the bytes of a length that it kept.
        await File.WriteAllBytesAsync(path, [.. whole[..(last + 20)], .. new byte[whole.Length - last - 20]], TestContext.Current.CancellationToken);
        Assert.Equal(2, fixture.All.Count);
        await fixture.RestartAsync();
        fixture.Say(fixture.Message(0, "after the restart"));
        await fixture.StopAsync();
        Assert.Equal([0UL, 1, 3], fixture.All.Select(e => e.Entry.Checkpoint.Number));
    }

    [Fact]
    public async Task What_the_disk_cannot_take_in_time_is_dropped_and_counted_and_nobody_waits()
    {
        // Not started: nothing is written, as on a disk that hangs.
        await using var fixture = new EvidenceFixture(limit: 1L << 30);
        for (var i = 0; i < 40; i++)
        {
            fixture.Say([.. Enumerable.Range(0, 100).Select(_ => fixture.Message(0, new string('x', 16_000)))]);
        }

        Assert.InRange(fixture.Store.Dropped, 15, 25);
        await fixture.StartAsync();
        await fixture.StopAsync();
        Assert.Equal(40, fixture.Store.Dropped + fixture.Store.Kept);
        Assert.Equal(fixture.Store.Kept, fixture.All.Count);
    }

    [Fact]
    public async Task Frames_that_wait_too_long_for_their_signature_are_not_held_for_ever()
    {
        await using var fixture = new EvidenceFixture();
        fixture.Say([.. Enumerable.Range(0, 400).Select(_ => fixture.Message(0, new string('x', 16_000)))]);
        Assert.Equal(1, fixture.Store.Dropped);
        await fixture.StartAsync();
        fixture.Say(fixture.Message(0, "short"));
        await fixture.StopAsync();
        Assert.Equal(1UL, Assert.Single(fixture.All).Entry.Checkpoint.Number);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_costs_evidence_and_nothing_else()
    {
        await using var fixture = new EvidenceFixture();
        await File.WriteAllTextAsync(fixture.Folder, "a file in its place", TestContext.Current.CancellationToken);
        await fixture.StartAsync();
        fixture.Say(fixture.Message(0, Call));
        fixture.Say(fixture.Message(0, Call));
        await fixture.StopAsync();
        Assert.Equal(2, fixture.Store.Dropped);
    }

    [Fact]
    public async Task The_list_shows_messages_shortly_and_filters()
    {
        await using var fixture = await EvidenceFixture.WithAsync(
            f => [f.Open(0, "dice"), f.Open(2, "clock"), f.Message(0, Call), f.Message(2, """{"jsonrpc":"2.0","id":"a","result":{}}""")],
            f => [f.Message(2, """{"jsonrpc":"2.0","method":"notifications/x"}""")],
            f => [f.Message(0, """{"json"""), f.Message(2, "{}"), f.Message(9, "not JSON")]);
        var lines = EvidenceListing.Read(fixture.Folder, null, null, null, 10);
        Assert.Equal([2UL, 1, 0], lines.Select(l => l.Number));
        Assert.Equal(["tools/call roll #1", "result #\"a\""], lines[2].Messages.Select(m => m.Text));
        Assert.Equal([2UL, 3], lines[2].Messages.Select(m => m.Sequence));
        Assert.Equal(["notifications/x"], lines[1].Messages.Select(m => m.Text));
        Assert.Equal(["6 bytes", "result", "8 bytes"], lines[0].Messages.Select(m => m.Text));
        Assert.Equal(["dice", "clock"], lines[2].Agents);
        Assert.Equal([2UL, 0], EvidenceListing.Read(fixture.Folder, null, "dice", null, 10).Select(l => l.Number));
        Assert.Equal([2UL], EvidenceListing.Read(fixture.Folder, null, null, null, 1).Select(l => l.Number));
        Assert.Equal(3, EvidenceListing.Read(fixture.Folder, fixture.Direction.Sender.ToShortString(), null, EvidenceFixture.Time, 10).Count);
        Assert.Empty(EvidenceListing.Read(fixture.Folder, null, null, EvidenceFixture.Time.AddSeconds(1), 10));
        Assert.Empty(EvidenceListing.Read(fixture.Folder, "aaaaaaaa", null, null, 10));
    }

    [Fact]
    public async Task A_message_is_all_of_its_frames_and_no_other()
    {
        await using var fixture = await EvidenceFixture.WithAsync(
            f => [f.Message(0, "a", false), f.Message(2, "b"), f.Message(0, "c"), f.Message(0, "d"), f.Message(0, "e", false)]);
        var entry = fixture.All[0].Entry;
        Assert.Equal([0UL, 2], EvidenceListing.MessageOf(entry, 0).Order().ToArray());
        Assert.Equal([0UL, 2], EvidenceListing.MessageOf(entry, 2).Order().ToArray());
        Assert.Equal([1UL], EvidenceListing.MessageOf(entry, 1));
        Assert.Equal([3UL], EvidenceListing.MessageOf(entry, 3));
        Assert.Equal([4UL], EvidenceListing.MessageOf(entry, 4));
        Assert.Empty(EvidenceListing.MessageOf(entry, 5));
    }
}
