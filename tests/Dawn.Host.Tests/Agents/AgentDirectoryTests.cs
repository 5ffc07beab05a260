using Dawn.Agents;
using Dawn.Identity;
using Dawn.Membership;
using Dawn.Routing;
using Dawn.Tests.Membership;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Agents;

public sealed class AgentDirectoryTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly TestNetwork _network = new();
    private readonly TestIdentity _self;
    private readonly CountingPaths _paths = new();
    private readonly AgentHost _host;
    private readonly RecordTable _records;
    private readonly PeerTable _peers;
    private readonly AgentDirectory _directory;
    private int _changes;

    public AgentDirectoryTests()
    {
        _self = _network.Node(0);
        _host = new(NullLogger<AgentHost>.Instance, _time);
        _records = new(_self, _time, NullLogger<RecordTable>.Instance);
        _peers = new(_self, _records, new Random(1), _time, NullLogger<PeerTable>.Instance);
        _directory = new(_self, _host, _records, _paths, _peers);
        _directory.Changed += () => _changes++;
    }

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public void A_registry_that_brings_many_records_costs_what_each_has_alone()
    {
        const int Count = 500;
        var registry = new RegistryInMemory(_self.Id, _time);
        foreach (var number in Enumerable.Range(1, Count))
        {
            registry.Merge(Sign(number, 1, "echo", "notes"));
        }

        _records.Use(registry);
        // Twice for each: its record came, and so it is a peer. Looking at all for each of them would ask a quarter of a million times.
        Assert.InRange(_paths.Asked, Count, 2 * Count);
        Assert.Equal(2 * Count, _directory.Snapshot.Length);
        Assert.Equal(Count, _changes);
    }

    [Fact]
    public void Its_own_come_first_and_then_all_by_address()
    {
        _host.TryAdd(new EchoAgent());
        foreach (var number in Enumerable.Range(1, 20))
        {
            _records.Put(Sign(number, 1, "b", "a"), out _);
        }

        _records.Put(Sign(0, 1, "echo"), out _);
        Assert.Equal(
            [new(_self.Id, "echo"), .. Enumerable.Range(1, 20).Select(i => _network.Node(i).Id).Order().SelectMany(id => new AgentAddress[] { new(id, "a"), new(id, "b") })],
            _directory.Snapshot.Select(e => e.Address).OrderBy(a => a.Node != _self.Id).ThenBy(a => a.Node).ThenBy(a => a.Agent, StringComparer.Ordinal));
        Assert.Equal(_directory.Snapshot.Select(e => e.Address.Node).Distinct(), [_self.Id, .. Enumerable.Range(1, 20).Select(i => _network.Node(i).Id).Order()]);
    }

    [Fact]
    public void What_changes_nothing_is_told_to_nobody()
    {
        var record = Sign(1, 1, "echo");
        _records.Put(record, out _);
        Assert.Equal(1, _changes);
        var before = _directory.Snapshot;
        _records.Put(Sign(1, 2, "echo"), out _);
        _paths.Raise(record.Node);
        _paths.Raise(_self.Id);
        Assert.Equal(1, _changes);
        Assert.Equal(before, _directory.Snapshot);
        _records.Put(Sign(1, 3, "notes"), out _);
        Assert.Equal(2, _changes);
        Assert.Equal("notes", Assert.Single(_directory.Snapshot).Address.Agent);
        _records.Put(Sign(1, 4), out _);
        Assert.Equal(3, _changes);
        Assert.Empty(_directory.Snapshot);
    }

    [Fact]
    public void A_record_that_is_read_anew_and_says_the_same_of_agents_is_no_change()
    {
        // As they come from others: each is read from its bytes.
        Assert.Equal(RecordVerdict.News, _records.Offer(Sign(1, 1, new Uri("ws://198.51.100.1:7610"), "echo", "notes").Encoded.Span, out var first, out _));
        Assert.Equal(1, _changes);
        Assert.Equal(RecordVerdict.News, _records.Offer(Sign(1, 2, new Uri("ws://198.51.100.1:7610"), "echo", "notes").Encoded.Span, out var renewed, out _));
        Assert.Equal(1, _changes);
        Assert.Equal(first!.Agents, renewed!.Agents);
        Assert.Equal(first.Agents[0].GetHashCode(), renewed.Agents[0].GetHashCode());
    }

    [Fact]
    public void A_card_that_differs_in_anything_is_a_change()
    {
        AgentCard[] cards = [Card("echo"), Card("echo") with { Title = "Echo" }, Card("echo") with { Digest = [1, .. new byte[31]] }, Card("echo") with { Tools = ["say"] }, Card("echo") with { Tools = ["say", "tell"] }];
        for (var i = 0; i < cards.Length; i++)
        {
            _records.Put(NodeRecord.Sign(_network.Node(1), (ulong)i + 1, _time.GetUtcNow(), EncryptionMode.Required, [], [cards[i]], out _), out _);
            Assert.Equal(i + 1, _changes);
        }
    }

    [Fact]
    public void What_expires_is_gone()
    {
        _records.Put(Sign(1, 1, "echo"), out _);
        _time.Advance(TimeSpan.FromHours(25));
        _records.Sweep();
        Assert.Empty(_directory.Snapshot);
        Assert.Equal(2, _changes);
    }

    [Fact]
    public void A_link_may_put_others_into_reach_than_the_node_at_its_end()
    {
        _records.Put(Sign(1, 1, "echo"), out _);
        _records.Put(Sign(2, 1, "echo"), out _);
        Assert.All(_directory.Snapshot, e => Assert.False(e.Online));
        _paths.Reachable.UnionWith([_network.Node(1).Id, _network.Node(2).Id]);
        _paths.Raise(_network.Node(1).Id);
        Assert.All(_directory.Snapshot, e => Assert.True(e.Online));
        Assert.Equal(3, _changes);
    }

    [Fact]
    public void Who_could_not_be_dialled_is_online_again_once_back_offs_are_reset()
    {
        var node = Sign(1, 1, new Uri("ws://198.51.100.1:7610"), "echo").Node;
        _records.Put(Sign(1, 1, new Uri("ws://198.51.100.1:7610"), "echo"), out _);
        Assert.True(Assert.Single(_directory.Snapshot).Online);
        for (var i = 0; i < PeerTable.OfflineAfter; i++)
        {
            _peers.OnDialFailed(node);
        }

        Assert.False(Assert.Single(_directory.Snapshot).Online);
        _peers.ResetBackoffs();
        Assert.True(Assert.Single(_directory.Snapshot).Online);
    }

    private NodeRecord Sign(int number, ulong sequence, params string[] agents) => Sign(number, sequence, null, agents);

    private NodeRecord Sign(int number, ulong sequence, Uri? address, params string[] agents) => NodeRecord.Sign(
        _network.Node(number), sequence, _time.GetUtcNow(), EncryptionMode.Required, address is null ? [] : [address],
        [.. agents.Select(Card)], out _);

    private static AgentCard Card(string id) => new(id, id, [.. new byte[32]], ["say", "ask"]);

    private sealed class CountingPaths : IEnvelopePort
    {
        public event Action<IReadOnlyList<NodeId>>? PathsChanged;

        public int Asked { get; private set; }

        public HashSet<NodeId> Reachable { get; } = [];

        public void Raise(NodeId node) => PathsChanged?.Invoke([node]);

        public bool CanReach(NodeId node)
        {
            Asked++;
            return Reachable.Contains(node);
        }

        public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload) => false;

        public ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken) => default;
    }
}
