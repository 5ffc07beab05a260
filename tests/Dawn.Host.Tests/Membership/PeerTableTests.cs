using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Membership;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Membership;

public sealed class PeerTableTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly TestNetwork _network = new();
    private readonly RecordTable _records;
    private readonly PeerTable _peers;
    private readonly List<NodeId> _changed = [];

    public PeerTableTests()
    {
        var self = _network.Node(1);
        _records = new(self, _time, NullLogger<RecordTable>.Instance);
        _peers = new(self, _records, new Random(1), _time, NullLogger<PeerTable>.Instance);
        _peers.Changed += _changed.Add;
    }

    [Fact]
    public void A_record_makes_a_node_known_and_its_end_makes_it_unknown()
    {
        var node = Learn(2, "ws://198.51.100.2:7610");
        Assert.Equal(["known"], _peers.Snapshot.Select(p => p.State));
        Assert.Equal(Learned.Gossip, _peers.Find(node)!.LearnedFrom);
        Assert.Equal([node], _changed);
        _time.Advance(TimeSpan.FromHours(25));
        _records.Sweep();
        Assert.Null(_peers.Find(node));
        Assert.Equal([node, node], _changed);
    }

    [Fact]
    public void This_node_is_no_peer_of_itself()
    {
        Learn(1, "ws://198.51.100.1:7610");
        Assert.Empty(_peers.Snapshot);
        Assert.Empty(_changed);
    }

    [Fact]
    public void A_state_is_what_weighs_most()
    {
        var node = Learn(2, "ws://198.51.100.2:7610");
        _peers.OnHealth(node, PeerHealth.Suspect);
        Assert.Equal(("suspect", true), (_peers.Find(node)!.State, _peers.Find(node)!.IsOnline));
        _peers.OnHealth(node, PeerHealth.Dead);
        Assert.Equal(("dead", false), (_peers.Find(node)!.State, _peers.Find(node)!.IsOnline));
        _peers.OnConflict(node, true);
        Assert.Equal("conflict", _peers.Find(node)!.State);
        _peers.OnConflict(node, false);
        _peers.OnHealth(node, PeerHealth.Alive);
        Assert.Equal(("known", true), (_peers.Find(node)!.State, _peers.Find(node)!.IsOnline));
        Assert.Equal(1, _peers.CountByState()["known"]);
    }

    [Fact]
    public void Dials_in_vain_wait_longer_each_time_up_to_half_a_minute_and_a_new_address_begins_anew()
    {
        var node = Learn(2, "ws://198.51.100.2:7610");
        var waits = new List<TimeSpan>();
        for (var i = 0; i < 12; i++)
        {
            _peers.OnDialFailed(node);
            var peer = _peers.Find(node)!;
            Assert.False(_peers.IsDue(peer));
            waits.Add(TimeSpan.FromSeconds((peer.NextTry - _time.GetTimestamp()) / (double)_time.TimestampFrequency));
        }

        Assert.InRange(waits[0].TotalMilliseconds, 250, 500);
        Assert.All(waits, w => Assert.True(w <= TimeSpan.FromSeconds(30)));
        Assert.InRange(waits[^1].TotalSeconds, 15, 30);
        Assert.False(_peers.Find(node)!.IsOnline);
        Learn(2, "ws://198.51.100.9:7610");
        Assert.True(_peers.IsDue(_peers.Find(node)!));
        Assert.True(_peers.Find(node)!.IsOnline);
    }

    [Fact]
    public void Without_an_address_a_node_is_online_only_while_linked()
    {
        var node = Learn(2);
        Assert.False(_peers.Find(node)!.IsOnline);
    }

    private NodeId Learn(int number, params string[] addresses)
    {
        _time.Advance(TimeSpan.FromMilliseconds(5));
        var node = _network.Node(number);
        ImmutableArray<Uri> uris = [.. addresses.Select(a => new Uri(a))];
        _records.Put(NodeRecord.Sign(node, (ulong)_time.GetUtcNow().ToUnixTimeMilliseconds(), _time.GetUtcNow(), EncryptionMode.Required, uris, [], out _), out _);
        return node.Id;
    }
}
