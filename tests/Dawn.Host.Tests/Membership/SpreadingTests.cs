using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Membership;

/// <summary>When one node sends its neighbours news, when it only tells them of it, and what it asks for (docs/protocol.md, "Registry").</summary>
public sealed class SpreadingTests
{
    private static readonly TimeSpan Gather = RegistryTidings.Gather;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly TestIdentity[] _nodes;
    private readonly TestIdentity _far;
    private readonly RecordTable _table;
    private readonly RecordExchange _exchange;
    private readonly ToyLink _a;
    private readonly ToyLink _b;

    // The node has the lowest NodeId of all: it begins reconciliations.
    public SpreadingTests()
    {
        var network = new TestNetwork();
        _nodes = [.. Enumerable.Range(1, 8).Select(i => network.Node(i)).OrderBy(n => n.Id)];
        _far = _nodes[3];
        _table = new(_nodes[0], _time, NullLogger<RecordTable>.Instance);
        _exchange = new(_table, _nodes[0], _time, NullLogger<RecordExchange>.Instance);
        _table.Put(Sign(_nodes[0], 1), out _);
        (_a, _b) = (Link(_nodes[1]), Link(_nodes[2]));
        _exchange.Favour([_nodes[1].Id, _nodes[2].Id]);
    }

    [Fact]
    public void Who_sends_what_is_known_already_is_told_so_once()
    {
        _exchange.OnRecord(_a, Record(_far, 1));
        for (ulong sequence = 1; sequence < 4; sequence++)
        {
            _exchange.OnRecord(_b, Record(_far, 1));
            _exchange.OnRecord(_b, Record(_far, sequence));
        }

        Assert.Equal([RegistryFrame.Prune()], Registry(_b));
        Assert.Empty(Registry(_a));
        // That is a word about what comes; what goes there goes on.
        Assert.True(_exchange.IsEager(_b));
    }

    [Fact]
    public void Who_prunes_is_told_of_news_after_a_tenth_of_a_second_instead_of_sent_it()
    {
        _exchange.OnRegistry(_b, RegistryFrame.Prune());
        Assert.False(_exchange.IsEager(_b));
        _exchange.OnRecord(_a, Record(_far, 3));
        _time.Advance(Gather / 2);
        _exchange.OnRecord(_a, Record(_far, 4));
        _exchange.OnRecord(_a, Record(_nodes[4], 7));
        _time.Advance(Gather / 2 - Tick);
        Assert.Empty(_b.Sent);
        _time.Advance(Tick);
        Assert.Equal([Convert.ToHexString(Have((_far.Id, 4), (_nodes[4].Id, 7)))], Registry(_b).Select(Convert.ToHexString));
        Assert.Empty(Records(_b));
        // The next news has a time of its own.
        _exchange.OnRecord(_a, Record(_far, 5));
        _time.Advance(Gather - Tick);
        Assert.Single(_b.Sent);
        _time.Advance(Tick);
        Assert.Equal(Have((_far.Id, 5)), Registry(_b)[1]);
    }

    [Fact]
    public void Who_prunes_and_is_no_neighbour_of_the_view_is_told_nothing_of_others()
    {
        _exchange.Favour([_nodes[1].Id]);
        _exchange.OnRegistry(_b, RegistryFrame.Prune());
        _exchange.OnRecord(_a, Record(_far, 3));
        _time.Advance(2 * Gather);
        Assert.Empty(_b.Sent);
    }

    [Fact]
    public void Who_has_no_neighbours_prunes_nothing_and_takes_back_its_prunes()
    {
        _exchange.OnRecord(_a, Record(_far, 1));
        _exchange.OnRecord(_b, Record(_far, 1));
        _exchange.Favour([]);
        Assert.Equal([RegistryFrame.Prune(), RegistryFrame.Want([])], Registry(_b));
        Assert.Empty(Registry(_a));
        _exchange.OnRecord(_b, Record(_far, 1));
        Assert.Equal(2, Registry(_b).Count());
        // And at the other end it counts as a neighbour that is sent all.
        _exchange.OnRegistry(_a, RegistryFrame.Prune());
        Assert.False(_exchange.IsEager(_a));
        _exchange.OnRegistry(_a, RegistryFrame.Want([]));
        Assert.True(_exchange.IsEager(_a));
    }

    [Fact]
    public void What_a_node_says_of_itself_it_sends_to_those_who_prune_too()
    {
        _exchange.OnRegistry(_b, RegistryFrame.Prune());
        _table.Put(Sign(_nodes[0], 2), out _);
        _exchange.Spread(_nodes[0].Id);
        Assert.Equal([Record(_nodes[0], 2)], Records(_b));
    }

    [Fact]
    public void News_is_told_to_nobody_who_is_gone()
    {
        _exchange.OnRegistry(_b, RegistryFrame.Prune());
        _exchange.OnRecord(_a, Record(_far, 1));
        _exchange.Remove(_b);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Empty(_b.Sent);
        Assert.False(_exchange.IsEager(_b));
    }

    [Fact]
    public void What_somebody_tells_of_and_what_does_not_come_is_asked_for_after_a_tenth_of_a_second()
    {
        _exchange.OnRecord(_a, Record(_nodes[5], 9));
        _exchange.OnRegistry(_b, Have((_far.Id, 5), (_nodes[4].Id, 5), (_nodes[5].Id, 9), (_nodes[6].Id, 2)));
        _time.Advance(Gather - Tick);
        // One of them comes after all, and newer.
        _exchange.OnRecord(_a, Record(_nodes[4], 6));
        Assert.Empty(Registry(_b));
        _time.Advance(Tick);
        Assert.Equal([Convert.ToHexString(RegistryFrame.Want([_far.Id, _nodes[6].Id]))], Registry(_b).Select(Convert.ToHexString));
        Assert.Empty(Registry(_a));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Single(Registry(_b));
    }

    [Fact]
    public void Of_several_who_tell_of_the_same_the_first_is_asked_and_whoever_has_a_newer_one()
    {
        var c = Link(_nodes[7]);
        _exchange.OnRegistry(_a, Have((_far.Id, 5)));
        _time.Advance(10 * Tick);
        _exchange.OnRegistry(_b, Have((_far.Id, 5)));
        Assert.Empty(_a.Sent);
        _time.Advance(Gather);
        Assert.Equal([RegistryFrame.Want([_far.Id])], Registry(_a));
        Assert.Empty(_b.Sent);
        // It does not answer. Who tells of it from here on is asked, and of two the one whose is newer.
        _exchange.OnRegistry(_b, Have((_far.Id, 5)));
        _exchange.OnRegistry(c, Have((_far.Id, 6)));
        _time.Advance(Gather);
        Assert.Empty(_b.Sent);
        Assert.Equal([RegistryFrame.Want([_far.Id])], Registry(c));
        Assert.Single(_a.Sent);
        // Nor does that one: the same is asked for again where somebody tells of it again.
        _exchange.OnRegistry(_b, Have((_far.Id, 6)));
        _time.Advance(Gather);
        Assert.Equal([RegistryFrame.Want([_far.Id])], Registry(_b));
    }

    [Fact]
    public void A_liar_who_tells_of_what_does_not_exist_delays_others_by_a_second()
    {
        var liar = Link(_nodes[7]);
        _exchange.OnRegistry(_a, Have((_far.Id, 5)));
        _exchange.OnRegistry(liar, Have((_far.Id, ulong.MaxValue - 100)));
        _exchange.OnRegistry(_b, Have((_far.Id, 5)));
        _time.Advance(Gather);
        Assert.Equal([RegistryFrame.Want([_far.Id])], Registry(liar));
        // Nor does it help it to go on.
        for (var i = 1UL; i < 10; i++)
        {
            _exchange.OnRegistry(liar, Have((_far.Id, ulong.MaxValue - 100 + i)));
            _time.Advance(Gather);
        }

        Assert.Empty(_a.Sent);
        _time.Advance(RegistryMissing.AnswerWithin - 9 * Gather);
        Assert.Equal([RegistryFrame.Want([_far.Id])], Registry(_a));
        Assert.Empty(_b.Sent);
        // It answers: the third need not be asked.
        _exchange.OnRecord(_a, Record(_far, 5));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Empty(Registry(_b));
    }

    [Fact]
    public void Who_tells_of_the_same_as_one_that_does_not_answer_is_asked_a_second_later()
    {
        _exchange.OnRegistry(_a, Have((_far.Id, 5)));
        _exchange.OnRegistry(_b, Have((_far.Id, 5)));
        _time.Advance(Gather);
        Assert.Single(_a.Sent);
        _time.Advance(RegistryMissing.AnswerWithin - Tick);
        Assert.Empty(_b.Sent);
        _time.Advance(Tick);
        Assert.Equal([RegistryFrame.Want([_far.Id])], Registry(_b));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Single(_a.Sent);
        Assert.Single(_b.Sent);
    }

    [Fact]
    public void Each_who_tells_is_asked_at_its_own_time()
    {
        _exchange.OnRegistry(_a, Have((_far.Id, 5)));
        _time.Advance(Gather / 2);
        _exchange.OnRegistry(_b, Have((_nodes[4].Id, 5)));
        _time.Advance(Gather / 2);
        Assert.Single(_a.Sent);
        Assert.Empty(_b.Sent);
        _time.Advance(Gather / 2 - Tick);
        Assert.Empty(_b.Sent);
        _time.Advance(Tick);
        Assert.Equal([RegistryFrame.Want([_nodes[4].Id])], Registry(_b));
    }

    [Fact]
    public void Who_asks_gets_it_and_all_news_at_once_again()
    {
        _exchange.OnRegistry(_b, RegistryFrame.Prune());
        _exchange.OnRecord(_a, Record(_far, 1));
        _exchange.OnRegistry(_b, RegistryFrame.Want([_far.Id]));
        Assert.Equal([Record(_far, 1)], Records(_b));
        Assert.True(_exchange.IsEager(_b));
        _time.Advance(RegistryFeed.Gather);
        _exchange.OnRecord(_a, Record(_far, 2));
        Assert.Equal(Record(_far, 2), Records(_b)[1]);
    }

    [Fact]
    public void Who_was_asked_may_be_told_again_that_it_is_too_late()
    {
        _exchange.OnRecord(_a, Record(_far, 1));
        _exchange.OnRecord(_b, Record(_far, 1));
        _exchange.OnRegistry(_b, Have((_far.Id, 2)));
        _time.Advance(Gather);
        _exchange.OnRecord(_b, Record(_far, 2));
        Assert.Equal(2, Registry(_b).Count);
        _exchange.OnRecord(_a, Record(_far, 3));
        _exchange.OnRecord(_b, Record(_far, 3));
        Assert.Equal(RegistryFrame.Prune(), Registry(_b)[2]);
        Assert.Equal(3, Registry(_b).Count);
    }

    [Fact]
    public void What_a_neighbour_says_of_itself_twice_prunes_nothing()
    {
        _exchange.OnRecord(_a, Record(_nodes[2], 1));
        _exchange.OnRecord(_b, Record(_nodes[2], 1));
        _exchange.OnRecord(_b, Record(_nodes[2], 1));
        Assert.Empty(Registry(_b));
    }

    [Fact]
    public void What_comes_twice_by_a_reconciliation_prunes_nothing()
    {
        _exchange.OnRecord(_a, Record(_far, 1));
        _exchange.OnRegistry(_b, RegistryFrame.Summary(RegistryForm.Listing, new byte[32]));
        var begun = Assert.Single(Registry(_b));
        Assert.Equal((byte)RegistryFrameKind.Message, begun[1]);
        _exchange.OnRecord(_b, Record(_far, 1));
        Assert.Single(Registry(_b));
        // The other end is done; what it sends from here on answers nothing.
        _exchange.OnRegistry(_b, RegistryFrame.Message(begun[2], 2, default));
        _exchange.OnRecord(_b, Record(_far, 1));
        Assert.Equal(RegistryFrame.Prune(), Registry(_b)[1]);
    }

    [Fact]
    public void A_word_that_finds_no_room_is_said_with_the_next_repetition()
    {
        _exchange.OnRecord(_a, Record(_far, 1));
        _b.IsFull = true;
        // Frames that wait for room, up to the bound.
        for (var i = 1; i <= 2 * RegistryConflicts.Max; i++)
        {
            _exchange.OnRegistry(_b, Have((new(SeededEntropy.Derive(i, "nobody")), 1)));
            _time.Advance(Gather);
        }

        _exchange.OnRecord(_b, Record(_far, 1));
        _b.Drain();
        Assert.DoesNotContain(Registry(_b), f => f[1] == (byte)RegistryFrameKind.Prune);
        _exchange.OnRecord(_b, Record(_far, 1));
        Assert.Equal(RegistryFrame.Prune(), Registry(_b)[^1]);
    }

    [Fact]
    public void Tidings_of_the_node_itself_ask_nothing()
    {
        _exchange.OnRegistry(_b, Have((_nodes[0].Id, ulong.MaxValue), (_nodes[0].Id, 2)));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Empty(_b.Sent);
        Assert.Null(_b.Violation);
    }

    [Fact]
    public void Wants_of_nodes_that_nobody_knows_send_nothing()
    {
        _exchange.OnRegistry(_b, RegistryFrame.Want([_far.Id, _nodes[6].Id]));
        Assert.Empty(_b.Sent);
        _exchange.OnRecord(_a, Record(_nodes[6], 1));
        _b.Sent.Clear();
        _exchange.OnRegistry(_b, RegistryFrame.Want([_far.Id, _nodes[6].Id, _nodes[6].Id, _nodes[0].Id]));
        Assert.Equal([Record(_nodes[6], 1), Record(_nodes[0], 1)], Records(_b));
        Assert.Null(_b.Violation);
    }

    [Fact]
    public void What_is_wanted_of_who_does_not_read_waits_once_for_each_record()
    {
        _exchange.OnRecord(_a, Record(_far, 1));
        _b.Sent.Clear();
        _b.IsFull = true;
        for (var i = 0; i < 150; i++)
        {
            _exchange.OnRegistry(_b, RegistryFrame.Want([_far.Id, new(SeededEntropy.Derive(i, "nobody"))]));
        }

        _b.Drain();
        // The one whose turn it was, and one that came to wait behind it.
        Assert.Equal([Record(_far, 1), Record(_far, 1)], Records(_b));
        Assert.Null(_b.Violation);
    }

    [Fact]
    public void Wants_of_nobody_do_not_wait_for_who_does_not_read()
    {
        _exchange.OnRecord(_a, Record(_nodes[6], 1));
        _b.Sent.Clear();
        _b.IsFull = true;
        _exchange.OnRegistry(_b, RegistryFrame.Want([_nodes[6].Id]));
        _exchange.OnRegistry(_b, RegistryFrame.Want([_far.Id]));
        _exchange.OnRegistry(_b, RegistryFrame.Prune());
        // Known by the time that there is room: had the wish been kept, it would go out now instead of being told of.
        _exchange.OnRecord(_a, Record(_far, 1));
        _b.Drain();
        Assert.Equal([Record(_nodes[6], 1)], Records(_b));
        _time.Advance(Gather);
        Assert.Equal([Have((_far.Id, 1))], Registry(_b));
    }

    public static TheoryData<string, byte[]> Malformed => new()
    {
        { "a prune with a body", [.. RegistryFrame.Prune(), 0] },
        { "no tidings", Have() },
        { "too many tidings", Have([.. Enumerable.Range(1, 257).Select(i => (Nobody(i), 1UL))]) },
        { "tidings cut short", Have((Nobody(1), 1), (Nobody(2), 1))[..^1] },
        { "tidings that are wants", [1, 5, .. new byte[32]] },
        { "too many wants", RegistryFrame.Want(Enumerable.Range(1, 257).Select(Nobody)) },
        { "wants cut short", RegistryFrame.Want([Nobody(1), Nobody(2)])[..^1] },
        { "wants that are tidings", [1, 6, .. new byte[40]] },
    };

    [Theory]
    [MemberData(nameof(Malformed))]
    public void Who_speaks_wrongly_loses_the_link(string how, byte[] frame)
    {
        Assert.NotEmpty(how);
        _exchange.OnRegistry(_b, frame);
        Assert.Equal("a malformed registry frame", _b.Violation);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Empty(_b.Sent);
        Assert.Null(_a.Violation);
    }

    [Fact]
    public void As_many_as_may_be_are_taken()
    {
        _exchange.OnRegistry(_b, Have([.. Enumerable.Range(1, 256).Select(i => (Nobody(i), 1UL))]));
        _exchange.OnRegistry(_b, RegistryFrame.Want(Enumerable.Range(1, 256).Select(Nobody)));
        _exchange.OnRegistry(_b, Have((Nobody(257), 1)));
        _time.Advance(Gather);
        Assert.Null(_b.Violation);
        // Asked for in frames of no more than that.
        Assert.Equal([2 + 256 * NodeId.Size, 2 + NodeId.Size], Registry(_b).Select(f => f.Length));
    }

    [Fact]
    public void Who_says_more_than_the_limit_loses_the_link()
    {
        var (interval, burst) = RegistryNeighbour.Spreadings;
        byte[][] kinds = [RegistryFrame.Prune(), Have((_far.Id, 1)), RegistryFrame.Want([_far.Id])];
        for (var i = 0; i < burst; i++)
        {
            _exchange.OnRegistry(_b, kinds[i % 3]);
        }

        for (var i = 0; i < burst; i++)
        {
            _time.Advance(interval);
            _exchange.OnRegistry(_b, kinds[i % 3]);
            Assert.Null(_b.Violation);
        }

        _exchange.OnRegistry(_b, kinds[0]);
        Assert.Equal("more tidings of records than the limit", _b.Violation);
    }

    [Fact]
    public void News_that_follows_soon_is_gathered_and_what_the_other_end_has_by_then_is_not_sent()
    {
        _exchange.OnRecord(_a, Record(_far, 1));
        Assert.Equal([Record(_far, 1)], Records(_b));
        _exchange.OnRecord(_a, Record(_far, 2));
        _exchange.OnRecord(_a, Record(_nodes[4], 1));
        _time.Advance(RegistryFeed.Gather - Tick);
        Assert.Single(Records(_b));
        _time.Advance(Tick);
        Assert.Equal([Record(_far, 1), Record(_far, 2), Record(_nodes[4], 1)], Records(_b));
        _exchange.OnRecord(_a, Record(_nodes[5], 1));
        _exchange.OnRecord(_a, Record(_far, 3));
        Assert.Equal(3, Records(_b).Count);
        // It is told so at once, and what waits goes along.
        _exchange.OnRecord(_b, Record(_nodes[5], 1));
        Assert.Equal([RegistryFrame.Prune()], Registry(_b));
        Assert.Equal([Record(_far, 3)], Records(_b)[3..]);
    }

    [Fact]
    public void Rumours_are_gathered_too_and_one_that_the_other_end_tells_itself_is_kept_to_oneself()
    {
        List<Suspicion> said = [.. Enumerable.Range(3, 3).Select(i => Suspicion.Sign(_nodes[1], _nodes[i].Id, 1, _time.GetUtcNow()))];
        said.ForEach(one => _exchange.Spread(one.Suspect, one, _nodes[1].Id));
        Assert.Equal([said[0].Encode()], Rumours(_b));
        Assert.Empty(Rumours(_a));
        _exchange.OnRumour(_b, said[1].Suspect);
        _time.Advance(RegistryFeed.Gather);
        Assert.Equal([said[0].Encode(), said[2].Encode()], Rumours(_b));
    }

    private static List<byte[]> Rumours(ToyLink link) => [.. link.Sent.Where(f => f.Type == LinkFrame.Membership).Select(f => f.Body)];

    private static NodeId Nobody(int number) => new(SeededEntropy.Derive(number, "nobody"));

    private static byte[] Have(params (NodeId Node, ulong Sequence)[] records) => RegistryFrame.Have(records);

    // What goes out when the link comes up is no matter here.
    private ToyLink Link(TestIdentity to)
    {
        var link = new ToyLink(to.Id);
        _exchange.Add(link);
        link.Sent.Clear();
        return link;
    }

    private static List<byte[]> Records(ToyLink link) => [.. link.Sent.Where(f => f.Type == LinkFrame.Record).Select(f => f.Body)];

    private static List<byte[]> Registry(ToyLink link) => [.. link.Sent.Where(f => f.Type == LinkFrame.Registry && f.Body[1] != (byte)RegistryFrameKind.Summary).Select(f => f.Body)];

    private NodeRecord Sign(TestIdentity node, ulong sequence) => NodeRecord.Sign(node, sequence, _time.GetUtcNow(), EncryptionMode.Required, [], [], out _);

    private readonly Dictionary<(NodeId, ulong), byte[]> _signed = [];

    // The same whenever it is asked for: a record of the same sequence and another time would be another one.
    private byte[] Record(TestIdentity node, ulong sequence)
    {
        if (!_signed.TryGetValue((node.Id, sequence), out var encoded))
        {
            _signed[(node.Id, sequence)] = encoded = node == _nodes[0] && _table.Find(node.Id) is { } own && own.Sequence == sequence ? own.Encoded.ToArray() : Sign(node, sequence).Encoded.ToArray();
        }

        return encoded;
    }
}
