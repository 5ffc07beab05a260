using Dawn.Links;
using Dawn.Routing;
using Dawn.Tests.Membership;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Routing;

/// <summary>What waits to be passed on: in turn, within limits, charged to who sent it.</summary>
public sealed class RelayQueueTests
{
    private const int Payload = 16 * 1024;

    private readonly ToyLink _to = new(TestNetworkNodes.Of(9)) { IsFull = true };
    private readonly FakeTimeProvider _time = new();
    private readonly RelayMemory _memory = new(64 * 1024 * 1024);

    [Fact]
    public async Task A_session_that_sends_a_lot_delays_itself_alone()
    {
        using var queue = new RelayQueue(_to, _time);
        var account = Account();
        for (var i = 0; i < 100; i++)
        {
            Assert.True(queue.TryAdd(account, Header(tag: 1), new byte[Payload]));
        }

        Assert.True(queue.TryAdd(account, Header(tag: 2), new byte[Payload]));
        Assert.Equal(101L * (EnvelopeHeader.Size + Payload), _memory.Used);
        _to.Drain();
        await Eventually.HoldsAsync(() => _memory.Used == 0);

        // Two of the first go before it at most: a quantum's worth.
        var tags = _to.Sent.Select(frame => Read(frame.Body).Tag).ToList();
        Assert.Equal(101, tags.Count);
        Assert.InRange(tags.IndexOf(2), 1, 2);
    }

    [Fact]
    public async Task What_came_first_of_a_session_leaves_first()
    {
        using var queue = new RelayQueue(_to, _time);
        var account = Account();
        for (ulong i = 0; i < 50; i++)
        {
            Assert.True(queue.TryAdd(account, Header(tag: 1, id: i), new byte[10]));
        }

        _to.Drain();
        await Eventually.HoldsAsync(() => _memory.Used == 0);
        Assert.Equal(Enumerable.Range(0, 50).Select(i => (ulong)i), _to.Sent.Select(frame => Read(frame.Body).Id));
    }

    [Fact]
    public void One_session_may_have_so_much_waiting_and_no_more()
    {
        using var queue = new RelayQueue(_to, _time);
        var account = Account();
        var taken = Enumerable.Range(0, 1_000).Count(_ => queue.TryAdd(account, Header(tag: 1), new byte[Payload]));
        Assert.Equal(RelayQueue.MaxLine / (EnvelopeHeader.Size + Payload), taken);
        Assert.True(queue.TryAdd(account, Header(tag: 2), new byte[Payload]), "another session has a line of its own");
    }

    [Fact]
    public void One_neighbour_may_fill_a_quarter_of_the_memory()
    {
        using var queue = new RelayQueue(_to, _time);
        var (greedy, other) = (Account(), Account());
        var taken = 0L;
        for (ulong tag = 0; tag < 2_000 && queue.TryAdd(greedy, Header(tag), new byte[Payload]); tag++)
        {
            taken += EnvelopeHeader.Size + Payload;
        }

        Assert.InRange(taken, _memory.Limit / 4 - 2 * Payload, _memory.Limit / 4);
        Assert.True(queue.TryAdd(other, Header(5_000), new byte[Payload]));
    }

    [Fact]
    public void When_the_link_goes_all_is_given_back()
    {
        var queue = new RelayQueue(_to, _time);
        var account = Account();
        Assert.True(queue.TryAdd(account, Header(1), new byte[Payload]));
        queue.Dispose();
        Assert.Equal(0, _memory.Used);
        Assert.False(queue.TryAdd(account, Header(1), new byte[Payload]));
        Assert.Equal(0, _memory.Used);
    }

    [Fact]
    public async Task A_link_that_is_closing_is_not_asked_in_a_loop()
    {
        var closing = new ToyLink(TestNetworkNodes.Of(9)) { IsClosing = true };
        using var queue = new RelayQueue(closing, _time);
        Assert.True(queue.TryAdd(Account(), Header(1), new byte[Payload]));
        await Eventually.HoldsAsync(() => closing.Refusals == 2);
        for (var pauses = 3; pauses < 10; pauses++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(10));
            await Eventually.HoldsAsync(() => closing.Refusals == pauses);
        }
    }

    [Fact]
    public void A_rate_is_kept_after_the_first_second()
    {
        var account = new RelayAccount(100_000, _memory, TimeSpan.FromMilliseconds(5), 50);
        var passed = 0;
        for (var ms = 0; ms < 10_000; ms++)
        {
            passed += account.TryPass(1_000, TimeSpan.FromMilliseconds(ms)) ? 1_000 : 0;
        }

        Assert.InRange(passed, 1_000_000, 1_110_000);
    }

    private RelayAccount Account() => new(null, _memory, TimeSpan.FromMilliseconds(5), 50);

    private static EnvelopeHeader Header(ulong tag, ulong id = 0) => new(EnvelopeKind.Segment, 0, 16, id, TestNetworkNodes.Of(1), TestNetworkNodes.Of(2), tag, Payload);

    private static EnvelopeHeader Read(byte[] envelope)
    {
        EnvelopeHeader.TryRead([.. envelope[..EnvelopeHeader.Size], .. new byte[Payload]], out var header);
        return header;
    }

    private static class TestNetworkNodes
    {
        public static NodeId Of(byte number) => new(Enumerable.Repeat(number, NodeId.Size).ToArray());
    }
}
