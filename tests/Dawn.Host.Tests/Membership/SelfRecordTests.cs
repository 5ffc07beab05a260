using Dawn.Agents;
using Dawn.Identity;
using Dawn.Membership;
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
        for (var round = 0; round < 5; round++)
        {
            var theirs = Sign(Own.Sequence + 1_000);
            _exchange.OnRecord(null!, theirs.Encoded.Span);
            // Never taken for its own.
            Assert.True(Own.Sequence < theirs.Sequence);
            var since = _time.GetUtcNow();
            await Eventually.HoldsAsync(() => Own.Sequence > theirs.Sequence, () => _time.Advance(TimeSpan.FromMilliseconds(round == 0 ? 10 : 1_000)));
            Assert.True(round == 0 ? _time.GetUtcNow() - since < TimeSpan.FromSeconds(30) : _time.GetUtcNow() - since > TimeSpan.FromSeconds(1));
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

    private NodeRecord Sign(ulong sequence) => NodeRecord.Sign(_self, sequence, _time.GetUtcNow(), EncryptionMode.Required, [], [], out _);

    private async Task StartAsync()
    {
        _table = new(_self, _time, NullLogger<RecordTable>.Instance);
        _exchange = new(_table, _self, _time, NullLogger<RecordExchange>.Instance);
        var settings = MeshNode.SettingsOf(_temp.Path, EncryptionMode.Required);
        // Never started: this node listens nowhere.
        var listeners = new Listeners(settings, null!, null!, _time, NullLogger<Listeners>.Instance);
        _record = new(_self, _temp.Open(), _host, listeners, settings, _table, _exchange, _time, new Logger<SelfRecord>(_log));
        await _record.StartAsync(Cancel);
    }

    private async Task DisposeRecordAsync()
    {
        await _record.StopAsync(Cancel);
        _record.Dispose();
    }
}
