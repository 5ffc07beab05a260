using System.Buffers.Binary;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Testing.InMemory;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Links;

public class LinkTests
{
    private static readonly TestNetwork Network = new();

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();
    private readonly ConnectionFaults _faults = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Frames_arrive_whole_and_in_order_both_ways(bool isSealed)
    {
        var (a, b) = await LinkAsync(new() { Encryption = isSealed ? EncryptionMode.Required : EncryptionMode.Off });
        Assert.Equal(isSealed, a.Link.IsSealed);
        Assert.Equal(isSealed, b.Link.IsSealed);
        Assert.True(a.Link.IsInitiator);
        Assert.False(b.Link.IsInitiator);
        Assert.Equal(CertificateRole.Member, b.Link.Certificate!.Role);
        Assert.StartsWith("mem://203.0.113.1:", b.Link.Address.AbsoluteUri, StringComparison.Ordinal);
        const int Count = 3_000;
        await Task.WhenAll(SendNumberedAsync(a.Link, Count), SendNumberedAsync(b.Link, Count));
        await ReceiveNumberedAsync(a.Node, Count);
        await ReceiveNumberedAsync(b.Node, Count);
        await CloseAsync(a, b);
    }

    [Fact]
    public async Task Head_and_body_are_one_frame_of_any_size_that_fits()
    {
        var (a, b) = await LinkAsync();
        foreach (var size in new[] { 0, 1, 4_096, Link.MaxFrame })
        {
            var bytes = new SeededEntropy(size).Bytes(size);
            var head = bytes.AsSpan(0, Math.Min(88, size));
            Assert.True(a.Link.TrySend(LinkFrame.Record, head, bytes.AsSpan(head.Length)));
            var received = await b.Node.Handler.NextAsync(LinkEventKind.Frame);
            Assert.Equal(LinkFrame.Record, received.Type);
            Assert.True(received.Body.AsSpan().SequenceEqual(bytes));
        }

        Assert.Throws<ArgumentException>(() => a.Link.TrySend(LinkFrame.Record, default, new byte[Link.MaxFrame + 1]));
        await CloseAsync(a, b);
    }

    [Fact]
    public async Task What_is_queued_together_leaves_in_few_records()
    {
        var (a, b) = await LinkAsync();
        var before = _faults.ToListener.Seen.Length;
        // While the writer waits for the kernel, whose buffer these two fill, frames queue up.
        _faults.ToListener.Pause();
        const int Frames = 2_000;
        Assert.True(a.Link.TrySend(LinkFrame.Envelope, default, new byte[Link.MaxFrame]));
        Assert.True(a.Link.TrySend(LinkFrame.Envelope, default, new byte[Link.MaxFrame]));
        for (var i = 0; i < Frames; i++)
        {
            Assert.True(a.Link.TrySend(LinkFrame.Envelope, new byte[88], new byte[12]));
        }

        _faults.ToListener.Resume();
        for (var i = 0; i < 2 + Frames; i++)
        {
            await b.Node.Handler.NextAsync(LinkEventKind.Frame);
        }

        // Each frame has 103 bytes; each record costs 18 more, and holds more than 600 of them.
        var overhead = _faults.ToListener.Seen.Length - before - 2 * (SendQueue.FrameHead + Link.MaxFrame) - Frames * 103;
        Assert.InRange(overhead / 18, 3, 8);
        await CloseAsync(a, b);
    }

    [Fact]
    public async Task The_first_round_trip_is_measured_at_once()
    {
        var (a, b) = await LinkAsync();
        await Eventually.HoldsAsync(() => a.Link.RoundTrip is not null && b.Link.RoundTrip is not null);
        Assert.Equal(TimeSpan.Zero, a.Link.RoundTrip);
        await CloseAsync(a, b);
    }

    [Theory]
    [InlineData("done", 0)]
    [InlineData("stopping", 1)]
    [InlineData("certificate expired", 4)]
    [InlineData("limit", 5)]
    public async Task A_close_tells_its_reason_after_what_was_queued(string text, byte code)
    {
        var reason = (LinkEnd)code;
        var (a, b) = await LinkAsync();
        Assert.True(a.Link.TrySend(LinkFrame.Envelope, default, [1]));
        await a.Link.CloseAsync(reason, text + new string('é', 300)).AsTask().WaitAsync(LinkNode.Patience, Cancel);
        Assert.False(a.Link.TrySend(LinkFrame.Envelope, default, [2]));
        Assert.Equal([1], (await b.Node.Handler.NextAsync(LinkEventKind.Frame)).Body);
        Assert.Equal(reason, (await b.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        Assert.Equal(reason, (await a.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        Assert.Equal(reason, await b.Link.Ended.WaitAsync(Cancel));
        Assert.Empty(a.Node.Table.Snapshot);
        Assert.Empty(b.Node.Table.Snapshot);
        await a.Link.CloseAsync(LinkEnd.Done);
        await a.Link.WaitForRoomAsync(Cancel);
    }

    [Fact]
    public async Task A_close_that_nobody_answers_ends_in_time()
    {
        var (a, _) = await LinkAsync();
        _faults.ToListener.Pause();
        _faults.ToDialer.Pause();
        var closing = a.Link.CloseAsync(LinkEnd.Stopping).AsTask();
        Assert.False(closing.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(2));
        await closing.WaitAsync(LinkNode.Patience, Cancel);
        Assert.Equal(LinkEnd.Stopping, await a.Link.Ended);
    }

    [Fact]
    public async Task A_stream_that_ends_without_a_close_is_broken()
    {
        _faults.ToListener.CutAt = 1_000;
        var (a, b) = await LinkAsync();
        a.Link.TrySend(LinkFrame.Envelope, default, new byte[1_000]);
        Assert.Equal(LinkEnd.Broken, (await b.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        Assert.Equal(LinkEnd.Broken, (await a.Node.Handler.NextAsync(LinkEventKind.Down)).End);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(1_000)]
    public async Task A_record_that_was_altered_ends_the_link(int at)
    {
        var (a, b) = await LinkAsync();
        await Eventually.HoldsAsync(() => a.Link.RoundTrip is not null && b.Link.RoundTrip is not null);
        _faults.ToListener.CorruptAt = _faults.ToListener.Seen.Length + at;
        a.Link.TrySend(LinkFrame.Envelope, default, new byte[2_000]);
        if (at == 1)
        {
            // A length that became too great waits for bytes that never come, and takes later records for them.
            await Eventually.HoldsAsync(() => !a.Link.TrySend(LinkFrame.Envelope, default, new byte[2_000]) || b.Link.Ended.IsCompleted);
        }

        Assert.Equal(LinkEnd.Protocol, (await b.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        await a.Node.Handler.NextAsync(LinkEventKind.Down);
    }

    [Fact]
    public async Task A_record_that_is_replayed_ends_the_link()
    {
        var (a, b) = await LinkAsync();
        await Eventually.HoldsAsync(() => a.Link.RoundTrip is not null && b.Link.RoundTrip is not null);
        _faults.ToListener.Alter = bytes => [.. bytes, .. bytes];
        a.Link.TrySend(LinkFrame.Envelope, default, [1]);
        Assert.Equal([1], (await b.Node.Handler.NextAsync(LinkEventKind.Frame)).Body);
        Assert.Equal(LinkEnd.Protocol, (await b.Node.Handler.NextAsync(LinkEventKind.Down)).End);
    }

    [Fact]
    public async Task An_idle_link_lives()
    {
        var (a, b) = await LinkAsync();
        for (var i = 0; i < 20; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(6));
            await Eventually.HoldsAsync(() => !((Link)a.Link).IsSuspect && !((Link)b.Link).IsSuspect);
        }

        Assert.False(a.Link.Ended.IsCompleted || b.Link.Ended.IsCompleted);
        await CloseAsync(a, b);
    }

    [Fact]
    public async Task A_link_on_which_nothing_is_heard_ends_after_15_s()
    {
        var (a, b) = await LinkAsync();
        _faults.ToListener.Pause();
        _faults.ToDialer.Pause();
        _time.Advance(TimeSpan.FromSeconds(14));
        Assert.False(a.Link.Ended.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(LinkEnd.Silent, (await a.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        Assert.Contains((await b.Node.Handler.NextAsync(LinkEventKind.Down)).End, new[] { LinkEnd.Silent, LinkEnd.Broken });
    }

    [Fact]
    public async Task A_doubted_link_that_is_dead_ends_after_5_s()
    {
        var (a, b) = await LinkAsync();
        _faults.ToListener.Pause();
        _faults.ToDialer.Pause();
        a.Link.Doubt();
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.False(a.Link.Ended.IsCompleted);
        // No news: it gains no time.
        a.Link.Doubt();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(LinkEnd.Silent, (await a.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        await b.Node.Handler.NextAsync(LinkEventKind.Down);
    }

    [Fact]
    public async Task A_doubted_link_that_answers_lives()
    {
        var (a, b) = await LinkAsync();
        for (var i = 0; i < 10; i++)
        {
            a.Link.Doubt();
            await Eventually.HoldsAsync(() => !((Link)a.Link).IsDoubted);
            // More than a dead one had, in silence.
            _time.Advance(TimeSpan.FromSeconds(4));
            await Eventually.HoldsAsync(() => !((Link)a.Link).IsSuspect && !((Link)b.Link).IsSuspect);
        }

        Assert.False(a.Link.Ended.IsCompleted || b.Link.Ended.IsCompleted);
        await CloseAsync(a, b);
    }

    [Fact]
    public async Task A_peer_that_never_reads_fills_a_bounded_queue_and_is_ended()
    {
        var options = new LinkOptions { QueueBytes = 256 * 1024, DeadAfter = TimeSpan.FromMinutes(5) };
        var (a, _) = await LinkAsync(options);
        _faults.ToListener.Pause();
        var taken = 0;
        for (var full = 0; full < 100; await Task.Yield())
        {
            if (a.Link.TrySend(LinkFrame.Envelope, default, new byte[16_000]))
            {
                (taken, full) = (taken + 1, 0);
            }
            else
            {
                full++;
            }
        }

        // The queue's worth, and at most thrice that in the buffers on the way.
        Assert.InRange(taken, 16, 64);
        var room = a.Link.WaitForRoomAsync(Cancel).AsTask();
        Assert.False(room.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(32));
        Assert.Equal(LinkEnd.Limit, (await a.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        await room.WaitAsync(LinkNode.Patience, Cancel);
    }

    [Fact]
    public async Task A_slow_reader_slows_its_sender_and_loses_nothing()
    {
        var (a, b) = await LinkAsync(new() { QueueBytes = 256 * 1024 });
        _faults.ToListener.Pause();
        var sending = SendNumberedAsync(a.Link, 1_000, size: 4_000);
        var full = a.Link.WaitForRoomAsync(Cancel);
        _faults.ToListener.Resume();
        await full;
        await ReceiveNumberedAsync(b.Node, 1_000);
        await sending;
        await CloseAsync(a, b);
    }

    [Fact]
    public async Task A_wait_for_room_can_be_cancelled()
    {
        var (a, _) = await LinkAsync(new() { QueueBytes = 256 * 1024 });
        _faults.ToListener.Pause();
        await Eventually.HoldsAsync(() => !a.Link.TrySend(LinkFrame.Envelope, default, new byte[16_000]));
        using var cancel = new CancellationTokenSource();
        var room = a.Link.WaitForRoomAsync(cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => room.WaitAsync(LinkNode.Patience, Cancel));
    }

    [Fact]
    public async Task A_handler_that_fails_costs_that_link_alone()
    {
        var (a, b) = await LinkAsync();
        b.Node.Handler.OnFrame = _ => throw new InvalidOperationException("a fault in the handler");
        a.Link.TrySend(LinkFrame.Envelope, default, [1]);
        Assert.Equal(LinkEnd.Protocol, (await a.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        Assert.Equal(LinkEnd.Protocol, (await b.Node.Handler.NextAsync(LinkEventKind.Down)).End);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(12)]
    [InlineData(255)]
    [InlineData(8)]
    public async Task Frames_that_do_not_belong_end_the_link(byte type)
    {
        var (a, b) = await LinkAsync();
        a.Link.TrySend((LinkFrame)type, default, [1]);
        Assert.Equal(LinkEnd.Protocol, (await a.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        Assert.Equal(LinkEnd.Protocol, (await b.Node.Handler.NextAsync(LinkEventKind.Down)).End);
    }

    [Fact]
    public async Task A_link_ends_with_its_certificate()
    {
        var expires = _time.GetUtcNow() + TimeSpan.FromSeconds(3);
        var (a, b) = await LinkAsync(first: Network.Node(1, notAfter: expires));
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(LinkEnd.CertificateExpired, (await a.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        Assert.Equal(LinkEnd.CertificateExpired, (await b.Node.Handler.NextAsync(LinkEventKind.Down)).End);
    }

    private static async Task SendNumberedAsync(ILink link, int count, int size = 100)
    {
        for (var i = 0; i < count; i++)
        {
            var head = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(head, i);
            while (!link.TrySend(LinkFrame.Envelope, head, new byte[size]))
            {
                await link.WaitForRoomAsync(Cancel);
            }
        }
    }

    private static async Task ReceiveNumberedAsync(LinkNode node, int count)
    {
        for (var i = 0; i < count; i++)
        {
            Assert.Equal(i, BinaryPrimitives.ReadInt32BigEndian((await node.Handler.NextAsync(LinkEventKind.Frame)).Body));
        }
    }

    private static async Task CloseAsync((LinkNode Node, ILink Link) a, (LinkNode Node, ILink Link) b)
    {
        await a.Link.CloseAsync(LinkEnd.Done).AsTask().WaitAsync(LinkNode.Patience, Cancel);
        Assert.Equal(LinkEnd.Done, await b.Link.Ended.WaitAsync(LinkNode.Patience, Cancel));
        Assert.Equal(LinkEnd.Done, await a.Link.Ended);
    }

    // For what another thread is about to do; it yields instead of sleeping, and gives up.

    private async Task<((LinkNode Node, ILink Link) Dialer, (LinkNode Node, ILink Link) Listener)> LinkAsync(LinkOptions? options = null, INodeIdentity? first = null)
    {
        _network.Faults = _ => _faults;
        var a = new LinkNode(first ?? Network.Node(1), _network, _time, options);
        var b = await new LinkNode(Network.Node(2), _network, _time, options).ListenAsync();
        var link = await a.DialAsync(b, b.Id);
        Assert.Same(link, (await a.Handler.NextAsync(LinkEventKind.Up)).Link);
        return ((a, link), (b, (await b.Handler.NextAsync(LinkEventKind.Up)).Link));
    }
}
