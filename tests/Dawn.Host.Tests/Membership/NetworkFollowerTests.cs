using Dawn.Agents;
using Dawn.Identity;
using Dawn.Membership;
using Dawn.Tests.Agents;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Membership;

public sealed class NetworkFollowerTests : IAsyncDisposable
{
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly TempDirectory _temp = new();
    private readonly TestNetwork _network = new();
    private readonly ToyWatch _watch = new();
    private readonly ListLogger _log = new();
    private readonly RecordTable _records;
    private readonly PeerTable _peers;
    private readonly Listeners _listeners;
    private readonly NetworkFollower _follower;
    private readonly NodeId _peer;
    private int _refreshed;

    public NetworkFollowerTests()
    {
        var self = _network.Node(1);
        _records = new(self, _time, NullLogger<RecordTable>.Instance);
        _peers = new(self, _records, new Random(1), _time, NullLogger<PeerTable>.Instance);
        // Never started: this node listens nowhere.
        _listeners = new(MeshNode.SettingsOf(_temp.Path, EncryptionMode.Required), null!, null!, _time, NullLogger<Listeners>.Instance);
        _listeners.Changed += () => _refreshed++;
        _follower = new(_watch, _peers, _listeners, _time, new Logger<NetworkFollower>(_log));
        _peer = _network.Node(2).Id;
        _records.Put(NodeRecord.Sign(_network.Node(2), 1, _time.GetUtcNow(), EncryptionMode.Required, [new("ws://198.51.100.2:7610")], [], out _), out _);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        await _follower.StopAsync(CancellationToken.None);
        _follower.Dispose();
        _temp.Dispose();
    }

    [Fact]
    public async Task Whom_it_dialled_in_vain_is_dialled_at_once()
    {
        await _follower.StartAsync(Cancel);
        Fail(10);
        var told = new List<NodeId>();
        _peers.Changed += told.Add;
        Assert.False(_peers.Find(_peer)!.IsOnline);
        _watch.Raise();
        _time.Advance(Settle - Tick);
        Assert.False(_peers.IsDue(_peers.Find(_peer)!));
        _time.Advance(Tick);
        Assert.True(_peers.IsDue(_peers.Find(_peer)!));
        Assert.True(_peers.Find(_peer)!.IsOnline);
        Assert.Equal([_peer], told);
        // And the next dial in vain waits as the first does.
        Fail(1);
        _time.Advance(TimeSpan.FromMilliseconds(500));
        Assert.True(_peers.IsDue(_peers.Find(_peer)!));
    }

    [Fact]
    public async Task Several_events_of_one_change_are_followed_once()
    {
        await _follower.StartAsync(Cancel);
        for (var i = 0; i < 5; i++)
        {
            _watch.Raise();
            _time.Advance(Settle / 2);
        }

        Assert.Equal(0, _refreshed);
        _time.Advance(Settle / 2);
        Assert.Equal(1, _refreshed);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(1, _refreshed);
        _watch.Raise();
        _time.Advance(Settle);
        Assert.Equal(2, _refreshed);
    }

    [Fact]
    public async Task Its_record_says_anew_where_it_is()
    {
        var self = _network.Node(1);
        await using var host = new AgentHost(NullLogger<AgentHost>.Instance, _time);
        var exchange = new RecordExchange(_records, self, _time, NullLogger<RecordExchange>.Instance);
        using var record = new SelfRecord(
            self, _temp.Open(), host, _listeners, MeshNode.SettingsOf(_temp.Path, EncryptionMode.Required), _records, exchange, _time, NullLogger<SelfRecord>.Instance);
        var neighbour = new ToyLink(_peer);
        exchange.Add(neighbour);
        await record.StartAsync(Cancel);
        await _follower.StartAsync(Cancel);
        var before = _records.Find(self.Id)!.Sequence;
        _watch.Raise();
        await Eventually.HoldsAsync(() => _records.Find(self.Id)!.Sequence > before, () => _time.Advance(TimeSpan.FromMilliseconds(100)));
        var told = _records.Find(self.Id)!.Encoded.ToArray();
        await Eventually.HoldsAsync(() => neighbour.Sent.ToArray().Any(f => f.Body.SequenceEqual(told)));
        await record.StopAsync(Cancel);
    }

    [Fact]
    public async Task What_fails_is_logged_and_the_next_change_is_followed()
    {
        await _follower.StartAsync(Cancel);
        var isFailing = true;
        _listeners.Changed += () => _ = isFailing ? throw new InvalidOperationException("not now") : 0;
        _watch.Raise();
        _time.Advance(Settle);
        Assert.Single(_log.Lines, line => line.StartsWith("Warning Following a change of the network failed", StringComparison.Ordinal));
        isFailing = false;
        Fail(1);
        _watch.Raise();
        _time.Advance(Settle);
        Assert.True(_peers.IsDue(_peers.Find(_peer)!));
        Assert.Single(_log.Lines, line => line.StartsWith("Warning", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Once_stopped_it_follows_nothing()
    {
        await _follower.StartAsync(Cancel);
        _watch.Raise();
        await _follower.StopAsync(Cancel);
        Assert.False(_watch.IsWatched);
        _watch.Raise();
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(0, _refreshed);
    }

    private void Fail(int times)
    {
        for (var i = 0; i < times; i++)
        {
            _peers.OnDialFailed(_peer);
        }
    }
}
