using System.Collections.Immutable;
using CsCheck;
using Dawn.Identity;
using Dawn.Membership;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Identity;

public class NodeRecordTests : IDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly NodeIdentity _self;

    public NodeRecordTests() => _self = NodeIdentity.Open(_temp.Open(), "home", null, _time, Entropy.System);

    public void Dispose()
    {
        _self.Dispose();
        _temp.Dispose();
    }

    private static AgentCard Card(string id, params string[] tools) => new(id, $"Title of {id}", [.. new byte[32]], [.. tools]);

    private NodeRecord Sign(ulong sequence = 1, params ImmutableArray<AgentCard> agents) =>
        NodeRecord.Sign(_self, sequence, _time.GetUtcNow(), EncryptionMode.Required, [new("ws://10.0.0.1:7610"), new("tcp://[fe00::1]:99")], agents, out _);

    private string? Read(ReadOnlySpan<byte> encoded, out NodeRecord? record) => NodeRecord.TryRead(encoded, _self.Network.Key, _time.GetUtcNow(), out record);

    [Fact]
    public void ARecordRoundTrips()
    {
        var record = Sign(7, Card("first", "ping", "echo"), Card("notes"));
        Assert.Null(Read(record.Encoded.Span, out var read));
        Assert.Equal(record with { Agents = [], Addresses = [], Certificate = null!, Encoded = default }, read! with { Agents = [], Addresses = [], Certificate = null!, Encoded = default });
        Assert.Equal(record.Addresses, read.Addresses);
        Assert.Equal(["first", "notes"], read.Agents.Select(a => a.Id));
        Assert.Equal(["ping", "echo"], read.Agents[0].Tools);
    }

    [Fact]
    public void EveryFlippedBitIsRefused()
    {
        var encoded = Sign(7, Card("first", "ping")).Encoded.ToArray();
        for (var bit = 0; bit < encoded.Length * 8; bit++)
        {
            encoded[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotNull(Read(encoded, out _));
            encoded[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        Assert.Null(Read(encoded, out _));
    }

    [Fact]
    public void TruncatedAndRandomBytesAreRefused()
    {
        var encoded = Sign(7, Card("first", "ping")).Encoded.ToArray();
        for (var length = 0; length < encoded.Length; length++)
        {
            Assert.NotNull(Read(encoded.AsSpan(0, length), out _));
        }

        Gen.Byte.Array[0, 400].Sample(bytes => Assert.NotNull(NodeRecord.TryRead(bytes, _self.Network.Key, _time.GetUtcNow(), out _)));
    }

    [Fact]
    public void SignedNonsenseIsRefused() => Gen.Byte.Array[0, 300].Sample(tail =>
    {
        // A hostile member signs whatever it likes.
        var body = new WireWriter().UInt8(1).NodeId(_self.Id).Bytes(tail);
        var encoded = body.Bytes(_self.Sign(SigningLabel.Record, body.Written)).ToArray();
        Assert.NotNull(NodeRecord.TryRead(encoded, _self.Network.Key, _time.GetUtcNow(), out _));
    });

    [Fact]
    public void AForeignNetworksRecordIsRefused()
    {
        using var temp = new TempDirectory();
        using var stranger = NodeIdentity.Open(temp.Open(), "home", null, _time, Entropy.System);
        Assert.Contains("not signed by this network", NodeRecord.TryRead(Sign().Encoded.Span, stranger.Network.Key, _time.GetUtcNow(), out _), StringComparison.Ordinal);
    }

    [Fact]
    public void ExpiredAndFutureRecordsAreRefused()
    {
        var record = Sign();
        Assert.Contains("ahead", Read(Sign((ulong)(_time.GetUtcNow() + TimeSpan.FromMinutes(11)).ToUnixTimeMilliseconds()).Encoded.Span, out _), StringComparison.Ordinal);
        _time.Advance(TimeSpan.FromHours(25));
        Assert.Contains("expired", Read(record.Encoded.Span, out _), StringComparison.Ordinal);
    }

    [Fact]
    public void WhatDoesNotFitIsLeftOut()
    {
        var many = Enumerable.Range(0, 200).Select(i => Card($"agent-{i}", [.. Enumerable.Range(0, 100).Select(t => $"tool-{t}")])).ToImmutableArray();
        var record = NodeRecord.Sign(_self, 1, _time.GetUtcNow(), EncryptionMode.Required, [], many, out var omitted);
        Assert.True(record.Encoded.Length <= NodeRecord.MaxSize);
        Assert.Equal(200, record.Agents.Length + omitted);
        Assert.Null(Read(record.Encoded.Span, out _));
    }

    [Fact]
    public void AnAgentIsNamedOnce() => Assert.NotNull(Read(Sign(1, Card("first"), Card("notes"), Card("first")).Encoded.Span, out _));

    [Fact]
    public void ARecordFromTheFutureIsNotBelieved()
    {
        var future = NodeRecord.Sign(_self, 1, _time.GetUtcNow().AddMinutes(11), EncryptionMode.Required, [], [], out _);
        Assert.NotNull(Read(future.Encoded.Span, out _));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(Read(future.Encoded.Span, out _));
    }

    [Fact]
    public void TheTableForgetsWhatAWrongClockLetIn()
    {
        var now = _time.GetUtcNow();
        var table = new RecordTable(new TestNetwork().Node(99) with { Network = _self.Network }, new FakeTimeProvider(now), NullLogger<RecordTable>.Instance);
        var future = NodeRecord.Sign(_self, 1, now.AddDays(9), EncryptionMode.Required, [], [], out _);
        Assert.Equal(RecordVerdict.News, table.Put(future, out _));
        table.Sweep();
        Assert.Empty(table.Snapshot());
    }

    [Theory]
    [InlineData("ws://host:7610", true)]
    [InlineData("ws://host:7610/", true)]
    [InlineData("ws://host:7610/path", false)]
    [InlineData("ws://host:7610/?q=1", false)]
    [InlineData("ws://user@host:7610", false)]
    public void AddressesAreSchemeHostAndPort(string uri, bool good) => Assert.Equal(good, NodeRecord.IsAddress(new Uri(uri)));

    [Fact]
    public void TheTableKeepsTheNewestAndForgetsTheExpired()
    {
        var table = new RecordTable(new TestNetwork().Node(99) with { Network = _self.Network }, _time, NullLogger<RecordTable>.Instance);
        var changes = 0;
        table.Changed += _ => changes++;
        var (old, newer) = (Sign(5), Sign(6));
        Assert.Equal(RecordVerdict.News, table.Offer(newer.Encoded.Span, out var read, out _));
        Assert.Equal(_self.Id, read!.Node);
        Assert.Equal(RecordVerdict.Known, table.Offer(newer.Encoded.Span, out _, out _));
        Assert.Equal(RecordVerdict.Known, table.Offer(old.Encoded.Span, out _, out _));
        Assert.Equal(RecordVerdict.Refused, table.Offer([1, 2, 3], out _, out var problem));
        Assert.NotNull(problem);
        Assert.Equal(6ul, Assert.Single(table.Snapshot()).Sequence);
        _time.Advance(TimeSpan.FromHours(25));
        table.Sweep();
        Assert.Empty(table.Snapshot());
        Assert.Equal(2, changes);
    }
}
