using Dawn.Identity;
using Dawn.Links;
using Dawn.Routing;
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using Dawn.Tests.Membership;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Routing;

/// <summary>Two nodes that can't dial each other, and those between them.</summary>
public sealed class RelayTests : IAsyncLifetime
{

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();
    private readonly List<MeshNode> _nodes = [];
    private readonly List<ConnectionFaults> _faults = [];
    private MeshNode _a = null!;
    private MeshNode _b = null!;
    private MeshNode _one = null!;
    private MeshNode _two = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _network.Faults = _ =>
        {
            var faults = new ConnectionFaults();
            lock (_faults)
            {
                _faults.Add(faults);
            }

            return faults;
        };
        (_a, _b, _one, _two) = (Node(), Node(), Node(), Node());
        foreach (var relay in new[] { _one, _two })
        {
            await relay.ListenAsync();
            await _a.LinkToAsync(relay);
            await _b.LinkToAsync(relay);
        }

        foreach (var node in _nodes)
        {
            foreach (var end in new[] { _a, _b }.Where(end => end != node))
            {
                node.Know(end, [_one.Id, _two.Id]);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_call_goes_over_a_relay_that_opens_nothing()
    {
        Assert.Contains("say", await _a.CallAsync(_b), StringComparison.Ordinal);
        Assert.True(_one.Router.Relay.Envelopes + _two.Router.Relay.Envelopes > 0);
        Assert.Empty(_one.Sessions.Snapshot);
        Assert.Empty(_two.Sessions.Snapshot);
    }

    [Fact]
    public async Task When_the_relay_in_use_goes_the_session_goes_on_over_the_other()
    {
        await _a.CallAsync(_b);
        var session = Assert.Single(_a.Sessions.Sessions());
        var (first, second) = _a.Router.HopTo(_b.Id) == _one.Id ? (_one, _two) : (_two, _one);
        await first.CrashAsync();
        await Eventually.HoldsAsync(() => _a.Router.HopTo(_b.Id) == second.Id);

        Assert.Contains("say", await CallAsync(), StringComparison.Ordinal);
        Assert.Same(session, Assert.Single(_a.Sessions.Sessions()));
    }

    [Fact]
    public async Task When_all_relays_in_use_fall_silent_another_is_dialled()
    {
        var three = await Node().ListenAsync();
        await _b.LinkToAsync(three);
        three.Know(_b, [_one.Id, _two.Id, three.Id]);
        _a.Know(three, [], three.Address);
        _a.Know(_b, [_one.Id, _two.Id, three.Id]);
        _b.Know(_a, [_one.Id, _two.Id]);
        three.Know(_a, [three.Id]);
        await _a.Paths.StartAsync(Cancel);

        // Both of this node's links, the first and the third that were made.
        foreach (var faults in new[] { _faults[0], _faults[2] })
        {
            faults.ToListener.Pause();
            faults.ToDialer.Pause();
        }

        Assert.Contains("say", await CallAsync(), StringComparison.Ordinal);
        Assert.Equal(three.Id, _a.Router.HopTo(_b.Id));
        await _a.Paths.StopAsync(Cancel);
    }

    [Fact]
    public async Task A_relay_that_has_lost_the_target_is_left_out()
    {
        await _a.CallAsync(_b);
        var (first, second) = _a.Router.HopTo(_b.Id) == _one.Id ? (_one, _two) : (_two, _one);
        Assert.True(first.Links.TryGet(_b.Id, out var lost));
        await lost.CloseAsync(LinkEnd.Done);

        // The record still names it; the relay's own word moves the session.
        Assert.Contains("say", await CallAsync(), StringComparison.Ordinal);
        Assert.Equal(second.Id, _a.Router.HopTo(_b.Id));
    }

    [Fact]
    public async Task Without_any_way_the_caller_is_told_that_nothing_was_sent()
    {
        var stranger = Node();
        _a.Know(stranger, []);
        var call = _a.CallAsync(stranger);
        await Eventually.HoldsAsync(() => call.IsCompleted, () => _time.Advance(TimeSpan.FromMilliseconds(100)));
        var refused = await Assert.ThrowsAsync<MeshException>(() => call);
        Assert.Equal(MeshError.Unreachable, refused.Error);
        Assert.Contains("nothing was sent", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_busy_pair_leaves_the_relay_for_a_direct_link()
    {
        await _a.CallAsync(_b);
        Assert.NotEqual(_b.Id, _a.Router.HopTo(_b.Id));
        var session = Assert.Single(_a.Sessions.Sessions());
        await _b.ListenAsync();
        _a.Know(_b, [_one.Id, _two.Id], _b.Address);
        await _a.Paths.StartAsync(Cancel);
        await Eventually.HoldsAsync(() => _a.Router.HopTo(_b.Id) == _b.Id, () => _time.Advance(TimeSpan.FromSeconds(1)));

        Assert.Contains("say", await CallAsync(), StringComparison.Ordinal);
        Assert.Same(session, Assert.Single(_a.Sessions.Sessions()));

        // And back, when the direct link goes.
        Assert.True(_a.Links.TryGet(_b.Id, out var direct));
        await direct.CloseAsync(LinkEnd.Done);
        await Eventually.HoldsAsync(() => _a.Router.HopTo(_b.Id) is { } hop && hop != _b.Id);
        Assert.Contains("say", await CallAsync(), StringComparison.Ordinal);
        await _a.Paths.StopAsync(Cancel);
    }

    [Fact]
    public async Task An_envelope_crosses_so_many_links_as_its_limit_says()
    {
        Assert.True(_a.Links.TryGet(_one.Id, out var link));
        var before = _one.Router.Relay.Unroutable;
        link.TrySend(LinkFrame.Envelope, Envelope(EnvelopeKind.Segment, _a.Id, _b.Id, hopLimit: 1), default);
        await Eventually.HoldsAsync(() => _one.Router.Relay.Unroutable == before + 1);
    }

    [Fact]
    public async Task What_a_relay_was_chosen_for_it_hands_to_no_other_relay()
    {
        Assert.True(_one.Links.TryGet(_b.Id, out var lost));
        await lost.CloseAsync(LinkEnd.Done);
        await _one.LinkToAsync(_two);
        await Eventually.HoldsAsync(() => !_one.Links.TryGet(_b.Id, out _));
        Assert.True(_a.Links.TryGet(_one.Id, out var link));
        var (before, unroutable) = (_two.Router.Relay.Envelopes, _one.Router.Relay.Unroutable);

        link.TrySend(LinkFrame.Envelope, Envelope(EnvelopeKind.Segment, _a.Id, _b.Id, flags: EnvelopeFlags.ToRelay), default);
        await Eventually.HoldsAsync(() => _one.Router.Relay.Unroutable == unroutable + 1);
        Assert.Equal(before, _two.Router.Relay.Envelopes);

        link.TrySend(LinkFrame.Envelope, Envelope(EnvelopeKind.Segment, _a.Id, _b.Id), default);
        await Eventually.HoldsAsync(() => _two.Router.Relay.Envelopes > before);
    }

    [Fact]
    public async Task Who_is_taken_for_a_hub_dials_whom_it_is_asked_for()
    {
        var far = await Node().ListenAsync();
        _one.Know(far, [], far.Address);
        await _one.Paths.StartAsync(Cancel);
        Assert.True(_a.Links.TryGet(_one.Id, out var link));
        var unroutable = _one.Router.Relay.Unroutable;

        // Whoever chose it as a relay knows that it had a link.
        link.TrySend(LinkFrame.Envelope, Envelope(EnvelopeKind.Segment, _a.Id, far.Id, flags: EnvelopeFlags.ToRelay), default);
        await Eventually.HoldsAsync(() => _one.Router.Relay.Unroutable == unroutable + 1);
        Assert.Equal(0, _one.Peers.Find(far.Id)!.FailedDials);
        Assert.False(_one.Router.CanReach(far.Id));

        link.TrySend(LinkFrame.Envelope, Envelope(EnvelopeKind.Segment, _a.Id, far.Id), default);
        await Eventually.HoldsAsync(() => _one.Router.CanReach(far.Id));
        var passed = _one.Router.Relay.Envelopes;
        await Eventually.HoldsAsync(() => _one.Router.Relay.Envelopes > passed, () => link.TrySend(LinkFrame.Envelope, Envelope(EnvelopeKind.Segment, _a.Id, far.Id), default));
        await _one.Paths.StopAsync(Cancel);
    }

    [Fact]
    public async Task Nobody_has_a_relay_ask_everybody_for_a_stranger()
    {
        await _one.Paths.StartAsync(Cancel);
        Assert.True(_a.Links.TryGet(_one.Id, out var link));
        var unroutable = _one.Router.Relay.Unroutable;
        link.TrySend(LinkFrame.Envelope, Envelope(EnvelopeKind.Segment, _a.Id, new NodeId(Enumerable.Repeat((byte)9, 32).ToArray())), default);
        await Eventually.HoldsAsync(() => _one.Router.Relay.Unroutable == unroutable + 1);
        Assert.Equal(0, _b.Router.FloodsPassed + _two.Router.FloodsPassed);
        await _one.Paths.StopAsync(Cancel);
    }

    [Fact]
    public async Task A_flood_that_nobody_signed_so_ends_the_link_that_brought_it()
    {
        Assert.True(_a.Links.TryGet(_one.Id, out var link));
        var payload = new byte[8 + 16 + Signatures.Size];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(payload, (ulong)(_time.GetUtcNow() + Floods.Lifetime).ToUnixTimeMilliseconds());
        link.TrySend(LinkFrame.Envelope, Envelope(EnvelopeKind.Seek, _a.Id, _b.Id, payload: payload), default);
        Assert.Equal(LinkEnd.Protocol, await link.Ended.WaitAsync(MeshNode.Patience, Cancel));
    }

    [Fact]
    public async Task A_flood_crosses_each_link_once_however_the_network_is_knit()
    {
        // Everybody linked with everybody: the worst there is for floods.
        await _one.LinkToAsync(_two);
        var three = Node();
        await three.ListenAsync();
        foreach (var other in new[] { _a, _b, _one, _two })
        {
            await other.LinkToAsync(three);
        }

        var stranger = Node();
        _a.Router.Seek(stranger.Id);
        await Eventually.HoldsAsync(() => _one.Router.FloodsPassed + _two.Router.FloodsPassed + three.Router.FloodsPassed + _b.Router.FloodsPassed == 4);
        for (var i = 0; i < 20; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(50));
            await Task.Yield();
        }

        Assert.All([_one, _two, three, _b], node => Assert.Equal(1, node.Router.FloodsPassed));
        Assert.Equal(0, _a.Router.FloodsPassed);
    }

    // Time goes on meanwhile: what was handed to a link just as it ended is sent again after a while.
    private async Task<string> CallAsync()
    {
        var call = _a.CallAsync(_b);
        await Eventually.HoldsAsync(() => call.IsCompleted, () => _time.Advance(TimeSpan.FromMilliseconds(20)));
        return await call;
    }

    private static byte[] Envelope(EnvelopeKind kind, NodeId source, NodeId target, byte hopLimit = EnvelopeHeader.DefaultHopLimit, EnvelopeFlags flags = EnvelopeFlags.None, byte[]? payload = null)
    {
        payload ??= new byte[40];
        var envelope = new byte[EnvelopeHeader.Size + payload.Length];
        new EnvelopeHeader(kind, (byte)flags, hopLimit, 1, source, target, 7, payload.Length).Write(envelope);
        payload.CopyTo(envelope, EnvelopeHeader.Size);
        return envelope;
    }

    private MeshNode Node()
    {
        var node = new MeshNode(_network, _time);
        _nodes.Add(node);
        return node;
    }
}
