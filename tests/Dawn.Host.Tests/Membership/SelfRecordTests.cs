using Dawn.Agents;
using Dawn.Identity;
using Dawn.Membership;
using Dawn.Sessions;
using Dawn.Tests.Agents;
using Dawn.Tests.Links;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Membership;

public sealed class SelfRecordTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly TempDirectory _temp = new();
    private readonly AgentHost _host;
    private readonly ListLogger _log = new();
    private INodeIdentity _self = new TestNetwork().Node(1);
    private RecordTable _table = null!;
    private RecordExchange _exchange = null!;
    private SelfRecord _record = null!;

    public SelfRecordTests() => _host = new(NullLogger<AgentHost>.Instance, _time);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private NodeRecord Own => _table.Find(_self.Id)!;

    public async ValueTask DisposeAsync()
    {
        await _record.StopAsync(CancellationToken.None);
        _record.Dispose();
        await _host.DisposeAsync();
        _temp.Dispose();
    }

    [Fact]
    public async Task An_agent_that_comes_is_published()
    {
        await StartAsync();
        _host.TryAdd(new EchoAgent());
        await Eventually.HoldsAsync(() => Own.Agents.Length == 1, () => _time.Advance(TimeSpan.FromMilliseconds(10)));
    }

    [Fact]
    public async Task A_record_of_this_node_from_outside_is_outbid_but_not_in_a_war()
    {
        await StartAsync();
        var start = _time.GetUtcNow();
        for (var round = 0; round < 5; round++)
        {
            var theirs = Sign(Own.Sequence + 1_000);
            _exchange.OnRecord(null!, theirs.Encoded.Span);
            // Never taken for its own.
            Assert.True(Own.Sequence < theirs.Sequence);
            await Eventually.HoldsAsync(() => Own.Sequence > theirs.Sequence, () => _time.Advance(TimeSpan.FromMilliseconds(round == 0 ? 10 : 1_000)));
            // The first is answered at once, and each that follows waits for a tick of a minute.
            var took = _time.GetUtcNow() - start;
            Assert.True(round == 0 ? took < TimeSpan.FromMinutes(1) : took >= TimeSpan.FromMinutes(round));
        }
    }

    [Fact]
    public async Task It_is_renewed_by_the_calendar()
    {
        await StartAsync();
        var first = Own.Sequence;
        _time.Advance(TimeSpan.FromHours(11));
        Assert.Equal(first, Own.Sequence);
        await Eventually.HoldsAsync(() => Own.Sequence > first, () => _time.Advance(TimeSpan.FromMinutes(5)));
        Assert.True(Own.NotAfter > _time.GetUtcNow() + TimeSpan.FromHours(20));
    }

    [Fact]
    public async Task A_certificate_that_runs_out_makes_no_storm_of_records()
    {
        _self = new TestNetwork().Node(1, CertificateRole.Guest, _time.GetUtcNow() + TimeSpan.FromMinutes(20));
        await StartAsync();
        var changes = 0;
        _table.Changed += _ => Interlocked.Increment(ref changes);
        var end = _time.GetUtcNow() + TimeSpan.FromMinutes(40);
        await Eventually.HoldsAsync(() => _time.GetUtcNow() >= end, () => _time.Advance(TimeSpan.FromSeconds(5)));
        Assert.InRange(Volatile.Read(ref changes), 1, 21);
        Assert.Null(_table.Find(_self.Id));
        // Said before, and after, and not each minute.
        Assert.Single(_log.Lines, line => line.StartsWith("Warning This node's certificate expires at 2030-01-01 00:20:00Z", StringComparison.Ordinal) && line.Contains("dawn join --replace", StringComparison.Ordinal));
        Assert.Single(_log.Lines, line => line.StartsWith("Error This node's certificate expired", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_certificate_that_nobody_renews_is_warned_of_from_a_week_before()
    {
        _self = new TestNetwork().Node(1, CertificateRole.Guest, _time.GetUtcNow() + TimeSpan.FromDays(10));
        await StartAsync();
        var start = _time.GetUtcNow();
        foreach (var (day, warnings) in new[] { (2.9, 0), (3.1, 1), (3.9, 1), (4.2, 2) })
        {
            await Eventually.HoldsAsync(() => _time.GetUtcNow() >= start.AddDays(day), () => _time.Advance(TimeSpan.FromMinutes(30)));
            await Eventually.HoldsAsync(() => _log.Lines.Count(line => line.Contains("certificate expires", StringComparison.Ordinal)) == warnings);
        }
    }

    [Fact]
    public async Task A_renewed_certificate_is_published_within_a_minute()
    {
        var identity = new RenewableIdentity(new TestNetwork().Node(1));
        _self = identity;
        await StartAsync();
        var first = Own;
        identity.Renew(new TestNetwork().Node(1, notAfter: _time.GetUtcNow().AddDays(30)));
        await Eventually.HoldsAsync(() => Own.Sequence > first.Sequence, () => _time.Advance(TimeSpan.FromSeconds(10)));
        Assert.Equal(identity.Certificate.NotAfter, Own.Certificate.NotAfter);
        Assert.InRange(_time.GetUtcNow() - first.Issued, TimeSpan.Zero, TimeSpan.FromMinutes(10));
        Assert.DoesNotContain(_log.Lines, line => line.Contains("expire", StringComparison.Ordinal));
    }

    [Fact]
    public async Task After_a_clock_that_was_ahead_the_sequence_starts_from_the_right_one()
    {
        _temp.Open().WriteText("record.sequence", $"{_time.GetUtcNow().AddYears(5).ToUnixTimeMilliseconds()}\n");
        await StartAsync();
        Assert.Equal((ulong)_time.GetUtcNow().ToUnixTimeMilliseconds(), Own.Sequence);
        // Within what others put up with it only goes up.
        await DisposeRecordAsync();
        var ahead = (ulong)_time.GetUtcNow().AddMinutes(9).ToUnixTimeMilliseconds();
        _temp.Open().WriteText("record.sequence", $"{ahead}\n");
        await StartAsync();
        Assert.Equal(ahead + 1, Own.Sequence);
    }

    [Fact]
    public async Task A_disk_that_is_full_for_a_while_does_not_end_it()
    {
        await StartAsync();
        var path = Path.Combine(_temp.Path, "record.sequence.new");
        // Nothing can be written where a directory stands.
        Directory.CreateDirectory(path);
        _host.TryAdd(new EchoAgent());
        var end = _time.GetUtcNow() + TimeSpan.FromSeconds(5);
        await Eventually.HoldsAsync(() => _time.GetUtcNow() >= end, () => _time.Advance(TimeSpan.FromMilliseconds(50)));
        Assert.Empty(Own.Agents);
        Directory.Delete(path);
        await Eventually.HoldsAsync(() => Own.Agents.Length == 1, () => _time.Advance(TimeSpan.FromSeconds(5)));
        Assert.False(_record.ExecuteTask!.IsCompleted);
    }

    [Theory]
    [InlineData("throws")]
    [InlineData("hangs")]
    [InlineData("gives up by itself")]
    public async Task A_registry_that_cannot_keep_it_is_said_once_and_the_record_is_published(string how)
    {
        await StartAsync();
        var registry = new UnableRegistry(_self.Id, _time, how);
        _table.Use(registry);
        for (var i = 1; i <= 2; i++)
        {
            var before = registry.Commits;
            _host.TryAdd(new NamedAgent($"agent-{i}"));
            await Eventually.HoldsAsync(() => Own is { } own && own.Agents.Length == i && registry.Commits > before, () => _time.Advance(TimeSpan.FromMilliseconds(100)));
        }

        await Eventually.HoldsAsync(() => _log.Lines.Any(line => line.StartsWith("Error The registry could not keep this node's record", StringComparison.Ordinal)), () => _time.Advance(TimeSpan.FromMilliseconds(100)));
        var end = _time.GetUtcNow() + TimeSpan.FromSeconds(10);
        await Eventually.HoldsAsync(() => _time.GetUtcNow() >= end, () => _time.Advance(TimeSpan.FromMilliseconds(250)));
        Assert.Single(_log.Lines, line => line.StartsWith("Error The registry could not keep", StringComparison.Ordinal));
        Assert.False(_record.ExecuteTask!.IsCompleted);
    }

    [Fact]
    public async Task A_registry_that_remembers_a_later_record_of_this_node_is_gone_above()
    {
        var former = Sign((ulong)_time.GetUtcNow().AddMinutes(5).ToUnixTimeMilliseconds());
        await StartAsync(former);
        Assert.Equal(former.Sequence + 1, Own.Sequence);
    }

    [Fact]
    public async Task A_second_record_with_its_own_sequence_is_a_conflict_and_is_outbid()
    {
        await StartAsync();
        var own = Own;
        var theirs = NodeRecord.Sign(_self, own.Sequence, _time.GetUtcNow(), EncryptionMode.Required, [new("ws://192.0.2.1:7610")], [], out _);
        _exchange.OnRecord(null, theirs.Encoded.Span);
        Assert.NotNull(_table.Conflicts.Own);
        await Eventually.HoldsAsync(() => Own.Sequence > own.Sequence, () => _time.Advance(TimeSpan.FromMilliseconds(10)));
        // Told again it changes nothing any more.
        var outbid = Own.Sequence;
        _exchange.OnRecord(null, theirs.Encoded.Span);
        var end = _time.GetUtcNow() + TimeSpan.FromSeconds(2);
        await Eventually.HoldsAsync(() => _time.GetUtcNow() >= end, () => _time.Advance(TimeSpan.FromMilliseconds(50)));
        Assert.Equal(outbid, Own.Sequence);
    }

    private NodeRecord Sign(ulong sequence) => NodeRecord.Sign(_self, sequence, _time.GetUtcNow(), EncryptionMode.Required, [], [], out _);

    private async Task StartAsync(NodeRecord? held = null)
    {
        _table = new(_self, _time, NullLogger<RecordTable>.Instance);
        if (held is not null)
        {
            _table.Put(held, out _);
        }

        _exchange = new(_table, _self, _time, NullLogger<RecordExchange>.Instance);
        var settings = MeshNode.SettingsOf(_temp.Path, EncryptionMode.Required);
        // Never started: this node listens nowhere.
        var listeners = new Listeners(settings, null!, null!, _time, NullLogger<Listeners>.Instance);
        _record = new(_self, _temp.Open(), _host, listeners, settings, _table, _exchange, _time, new Logger<SelfRecord>(_log));
        await _record.StartAsync(Cancel);
    }

    private sealed class NamedAgent(string id) : IHostedAgent
    {
        public string Id => id;

        public string Origin => "test";

        public AgentPolicy Policy => AgentPolicy.Members;

        public AgentCard? Card { get; } = new(id, id, [.. new byte[32]], []);

        public string? Problem => null;

        public event Action? Changed
        {
            add { }
            remove { }
        }

        public Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask DisposeAsync() => default;
    }

    private sealed class UnableRegistry(NodeId self, TimeProvider time, string how) : IAgentRegistry
    {
        private readonly RegistryInMemory _inner = new(self, time);
        private int _commits;

        public int Commits => Volatile.Read(ref _commits);

        public int Count => _inner.Count;

        public IReadOnlyList<RegistryRecord> Snapshot => _inner.Snapshot;

        public IReadOnlyList<RegistryConflict> Conflicts => _inner.Conflicts;

        public event Action<RegistryChange>? Changed
        {
            add => _inner.Changed += value;
            remove => _inner.Changed -= value;
        }

        public ReadOnlyMemory<byte> Summary => _inner.Summary;

        public RegistryRecord? Find(NodeId node) => _inner.Find(node);

        public RegistryMerge Merge(RegistryRecord record) => _inner.Merge(record);

        public void Sweep() => _inner.Sweep();

        public RegistryReply Reconcile(ReadOnlyMemory<byte> message) => _inner.Reconcile(message);

        public Task CommitAsync(CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _commits);
            return how switch
            {
                "throws" => throw new IOException("The disk is full. Make room."),
                "hangs" => new TaskCompletionSource().Task,
                _ => Task.FromCanceled(new(true)),
            };
        }

        public IAsyncEnumerable<RegistryEvent> ReadLogAsync(DateTimeOffset? since, CancellationToken cancellationToken) => _inner.ReadLogAsync(since, cancellationToken);
    }

    private async Task DisposeRecordAsync()
    {
        await _record.StopAsync(Cancel);
        _record.Dispose();
    }
}
