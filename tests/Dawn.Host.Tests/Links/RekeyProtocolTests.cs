using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Testing.InMemory;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Links;

/// <summary>A node against a peer that says each thing at each moment of a rekeying.</summary>
public class RekeyProtocolTests
{
    private static readonly TestNetwork Network = new();
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly RenewableIdentity _identity = new(Network.Node(1));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // Whose turn it is, seen from the node under test.
    public static TheoryData<bool, string> States => new()
    {
        { false, "idle" }, { false, "asked" }, { false, "answer" }, { false, "switch" },
        { true, "idle" }, { true, "answer" }, { true, "switch" },
    };

    [Theory]
    [MemberData(nameof(States))]
    public async Task What_is_out_of_turn_or_malformed_ends_the_link(bool nodeIsInitiator, string state)
    {
        (string Name, (LinkFrame, byte[])[] Frames)[] injections =
        [
            ("nothing in it", [(LinkFrame.Rekey, [])]),
            ("a request", [(LinkFrame.Rekey, [0])]),
            ("a request that says more", [(LinkFrame.Rekey, [0, 0])]),
            ("garbage as 1", [(LinkFrame.Rekey, RawPeer.Numbered(1, new SeededEntropy(1).Bytes(48)))]),
            ("garbage as 2", [(LinkFrame.Rekey, RawPeer.Numbered(2, new SeededEntropy(2).Bytes(320)))]),
            ("garbage as 3", [(LinkFrame.Rekey, RawPeer.Numbered(3, new SeededEntropy(3).Bytes(288)))]),
            ("an empty 1", [(LinkFrame.Rekey, [1])]),
            ("an empty 2", [(LinkFrame.Rekey, [2])]),
            ("an empty 3", [(LinkFrame.Rekey, [3])]),
            ("a 1 that is too long", [(LinkFrame.Rekey, RawPeer.Numbered(1, new byte[PeerHandshake.MaxMessage + 1]))]),
            ("a 2 that is too long", [(LinkFrame.Rekey, RawPeer.Numbered(2, new byte[PeerHandshake.MaxMessage + 1]))]),
            ("a 3 that is too long", [(LinkFrame.Rekey, RawPeer.Numbered(3, new byte[PeerHandshake.MaxMessage + 1]))]),
            ("an unknown number", [(LinkFrame.Rekey, [4, 0])]),
            ("a switch", [(LinkFrame.Switch, [])]),
            ("a switch with a body", [(LinkFrame.Switch, [0])]),
            ("a switch that is not the last of its record", [(LinkFrame.Switch, []), (LinkFrame.Padding, [])]),
        ];
        foreach (var (name, frames) in injections)
        {
            var (node, peer, link) = await LinkAsync(nodeIsInitiator);
            await using var _ = node;
            using var handshake = await EnterAsync(peer, nodeIsInitiator, state);
            await peer.SendAsync(frames);
            var inTurn = name == "a switch" ? state == "switch" : name == "a request" && nodeIsInitiator && state != "switch";
            if (inTurn)
            {
                Assert.False(link.Ended.IsCompleted);
                await peer.DisposeAsync();
                Assert.Equal(LinkEnd.Broken, (await node.Handler.NextAsync(LinkEventKind.Down)).End);
                continue;
            }

            var close = await peer.ExpectAsync(LinkFrame.Close);
            Assert.True(close[0] == (byte)LinkEnd.Protocol, $"{name}: {(LinkEnd)close[0]}");
            await peer.DisposeAsync();
            Assert.Equal(LinkEnd.Protocol, (await node.Handler.NextAsync(LinkEventKind.Down)).End);
        }
    }

    [Theory]
    [MemberData(nameof(States))]
    public async Task At_each_step_the_peer_may_die_and_either_end_may_close(bool nodeIsInitiator, string state)
    {
        foreach (var how in new[] { "die", "it closes", "we close" })
        {
            var (node, peer, link) = await LinkAsync(nodeIsInitiator);
            await using var _ = node;
            using var handshake = await EnterAsync(peer, nodeIsInitiator, state);
            // What was queued before the end still arrives, whatever is going on.
            Assert.True(link.TrySend(LinkFrame.Envelope, default, [7]));
            Assert.Equal([7], await peer.ExpectAsync(LinkFrame.Envelope));
            await peer.SendAsync((LinkFrame.Envelope, [8]));
            Assert.Equal([8], (await node.Handler.NextAsync(LinkEventKind.Frame)).Body);
            var closing = Task.CompletedTask;
            if (how == "it closes")
            {
                await peer.SendAsync((LinkFrame.Close, [(byte)LinkEnd.Stopping, 0]));
            }
            else if (how == "we close")
            {
                closing = link.CloseAsync(LinkEnd.Done).AsTask();
                Assert.Equal((byte)LinkEnd.Done, (await peer.ExpectAsync(LinkFrame.Close))[0]);
            }

            await peer.DisposeAsync();
            Assert.Equal(how switch { "die" => LinkEnd.Broken, "it closes" => LinkEnd.Stopping, _ => LinkEnd.Done }, (await node.Handler.NextAsync(LinkEventKind.Down)).End);
            await closing.WaitAsync(LinkNode.Patience, Cancel);
            Assert.Empty(node.Table.Snapshot);
        }
    }

    [Theory]
    [InlineData(false, "asked")]
    [InlineData(false, "answer")]
    [InlineData(false, "switch")]
    [InlineData(true, "answer")]
    [InlineData(true, "switch")]
    public async Task A_step_that_does_not_come_ends_the_link_though_it_is_busy(bool nodeIsInitiator, string state)
    {
        var (node, peer, link) = await LinkAsync(nodeIsInitiator);
        await using var _ = node;
        using var handshake = await EnterAsync(peer, nodeIsInitiator, state);
        // It has read all that before its time begins to count.
        await peer.PingAsync();
        for (var i = 0; i < 59; i++)
        {
            _time.Advance(Second);
            await peer.PingAsync();
        }

        Assert.False(link.Ended.IsCompleted);
        _time.Advance(Second);
        Assert.Equal(LinkEnd.Limit, (await node.Handler.NextAsync(LinkEventKind.Down)).End);
        await peer.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task After_the_switch_old_keys_open_nothing_and_new_ones_count_from_0(bool nodeIsInitiator)
    {
        var (node, peer, link) = await LinkAsync(nodeIsInitiator);
        await using var _ = node;
        var old = peer.Writer;
        if (nodeIsInitiator)
        {
            _identity.Renew(Network.Node(1, notAfter: _time.GetUtcNow().AddYears(1)));
            _time.Advance(Second);
        }

        await peer.RekeyAsync();
        var before = peer.Records.Count;
        for (byte i = 0; i < 5; i++)
        {
            Assert.True(link.TrySend(LinkFrame.Envelope, default, [i]));
            Assert.Equal([i], await peer.ExpectAsync(LinkFrame.Envelope));
        }

        Assert.True(peer.Records.Count >= before + 5);
        foreach (var record in peer.Records[before..])
        {
            for (var nonce = 0UL; nonce < 64; nonce++)
            {
                Assert.False(peer.FirstReceive.TryOpen(nonce, default, record, new byte[record.Length - Aead.TagSize]));
            }
        }

        await peer.SendAsync((LinkFrame.Envelope, [9]));
        Assert.Equal([9], (await node.Handler.NextAsync(LinkEventKind.Frame)).Body);
        Assert.Equal(1, link.Epoch);
        // And the node takes nothing more under the old one.
        old.Write([(byte)LinkFrame.Envelope, 0, 1, 1]);
        await peer.SendAsync((LinkFrame.Padding, []));
        Assert.Equal(LinkEnd.Protocol, (await node.Handler.NextAsync(LinkEventKind.Down)).End);
        await peer.DisposeAsync();
    }

    [Fact]
    public async Task Frames_between_the_last_message_and_the_switch_are_under_the_old_key()
    {
        var (node, peer, link) = await LinkAsync(nodeIsInitiator: false);
        await using var _ = node;
        using var handshake = await EnterAsync(peer, false, "switch");
        await peer.SendAsync((LinkFrame.Envelope, [1]));
        Assert.Equal([1], (await node.Handler.NextAsync(LinkEventKind.Frame)).Body);
        await peer.SendAsync((LinkFrame.Envelope, [2]), (LinkFrame.Switch, []));
        await peer.FinishAsync(handshake!, withSwitch: false);
        await peer.SendAsync((LinkFrame.Envelope, [3]));
        Assert.Equal([2], (await node.Handler.NextAsync(LinkEventKind.Frame)).Body);
        Assert.Equal([3], (await node.Handler.NextAsync(LinkEventKind.Frame)).Body);
        Assert.Equal(1, link.Epoch);
        await peer.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Whoever_answers_a_rekeying_must_be_who_the_link_is_with(bool nodeIsInitiator)
    {
        var year = _time.GetUtcNow().AddYears(1);
        var psk = new SeededEntropy(1).Bytes(32);
        List<(Func<HandshakeSettings, HandshakeSettings>? Change, INodeIdentity? Identity, LinkEnd End)> wrongs =
        [
            (null, Network.Node(3), LinkEnd.Protocol),
            (null, Network.Node(2) with { Id = Network.Node(3).Id }, LinkEnd.Protocol),
            (null, Network.Node(2) with { Certificate = Network.Node(3).Certificate }, LinkEnd.Protocol),
            (null, new TestNetwork(2).Node(2) with { Network = Network.Keys }, LinkEnd.Protocol),
            (null, Network.Node(2, notAfter: _time.GetUtcNow() - Second), LinkEnd.CertificateExpired),
            (s => s with { Psk = psk }, null, LinkEnd.Protocol),
            (s => s with { Prologue = psk }, null, LinkEnd.Protocol),
            (s => s with { Offer = EncryptionMode.Optional }, null, LinkEnd.Protocol),
        ];
        if (nodeIsInitiator)
        {
            // Only a responder says something under its label before it has had to check the other's.
            wrongs.Add((s => s with { Label = SigningLabel.Session.ToArray() }, null, LinkEnd.Protocol));
        }

        foreach (var (change, identity, end) in wrongs)
        {
            var (node, peer, _) = await LinkAsync(nodeIsInitiator);
            await using var __ = node;
            using var handshake = peer.Handshake(change, identity);
            if (nodeIsInitiator)
            {
                _identity.Renew(Network.Node(1, notAfter: year = year.AddDays(1)));
                _time.Advance(Second);
                var first = await peer.ExpectAsync(LinkFrame.Rekey);
                try
                {
                    handshake.ReadMessage(first.AsSpan(1));
                    await peer.SendAsync((LinkFrame.Rekey, RawPeer.Numbered(2, handshake.WriteMessage())));
                }
                catch (HandshakeException)
                {
                    // A wrong PSK or prologue shows here already; the node would see nothing that it could take for an answer.
                    await peer.SendAsync((LinkFrame.Rekey, RawPeer.Numbered(2, new byte[320])));
                }
            }
            else
            {
                await peer.SendAsync((LinkFrame.Rekey, RawPeer.Numbered(1, handshake.WriteMessage())));
                if (change?.Invoke(new(default, default, default, EncryptionMode.Required)) is not { Psk.Length: > 0 } and not { Prologue.Length: > 0 })
                {
                    await peer.ReadAsync(handshake, 2);
                    await peer.SendAsync((LinkFrame.Rekey, RawPeer.Numbered(3, handshake.WriteMessage())), (LinkFrame.Switch, []));
                }
            }

            var close = await peer.ExpectAsync(LinkFrame.Close);
            Assert.Equal(end, (LinkEnd)close[0]);
            await peer.DisposeAsync();
            Assert.Equal(end, (await node.Handler.NextAsync(LinkEventKind.Down)).End);
        }
    }

    [Fact]
    public async Task A_rekeying_right_after_another_ends_the_link_and_one_later_does_not()
    {
        var (node, peer, link) = await LinkAsync(nodeIsInitiator: false);
        await using var _ = node;
        for (var epoch = 1; epoch <= 10; epoch++)
        {
            await peer.RekeyAsync();
            Assert.Equal(epoch, link.Epoch);
            _time.Advance(Second);
        }

        await peer.RekeyAsync();
        using var handshake = peer.Handshake();
        await peer.SendAsync((LinkFrame.Rekey, RawPeer.Numbered(1, handshake.WriteMessage())));
        Assert.Equal((byte)LinkEnd.Protocol, (await peer.ExpectAsync(LinkFrame.Close))[0]);
        await peer.DisposeAsync();
        Assert.Equal(11, link.Epoch);
    }

    [Fact]
    public async Task A_request_waits_until_a_second_has_passed_and_a_second_request_ends_the_link()
    {
        var (node, peer, link) = await LinkAsync(nodeIsInitiator: true);
        await using var _ = node;
        await peer.SendAsync((LinkFrame.Rekey, [0]));
        // Were it begun already, its first message would stand before the pong.
        await peer.PingAsync();
        _time.Advance(Second);
        await peer.RekeyAsync();
        await peer.PingAsync();
        Assert.Equal(1, link.Epoch);
        _time.Advance(TimeSpan.FromSeconds(3));
        await peer.PingAsync();
        // Old enough: at once.
        await peer.SendAsync((LinkFrame.Rekey, [0]));
        await peer.RekeyAsync();
        await peer.SendAsync((LinkFrame.Rekey, [0]), (LinkFrame.Rekey, [0]));
        Assert.Equal((byte)LinkEnd.Protocol, (await peer.ExpectAsync(LinkFrame.Close))[0]);
        Assert.Equal(2, link.Epoch);
        await peer.DisposeAsync();
    }

    [Fact]
    public async Task A_request_that_crosses_the_first_message_has_what_it_asks_for()
    {
        var (node, peer, link) = await LinkAsync(nodeIsInitiator: true);
        await using var _ = node;
        _identity.Renew(Network.Node(1, notAfter: _time.GetUtcNow().AddYears(1)));
        _time.Advance(Second);
        await peer.SendAsync((LinkFrame.Rekey, [0]));
        await peer.RekeyAsync();
        _time.Advance(5 * Second);
        await peer.PingAsync();
        await peer.SendAsync((LinkFrame.Envelope, [1]));
        await node.Handler.NextAsync(LinkEventKind.Frame);
        Assert.Equal(1, link.Epoch);
        await peer.DisposeAsync();
    }

    private async Task<(LinkNode Node, RawPeer Peer, ILink Link)> LinkAsync(bool nodeIsInitiator)
    {
        _identity.Renew(Network.Node(1));
        var node = new LinkNode(_identity, new InMemoryNetwork(), _time);
        var (peer, link) = await RawPeer.LinkAsync(node, !nodeIsInitiator, Network.Node(2), _time);
        return (node, peer, link);
    }

    /// <summary>Brings the node to where it waits for a message 1 it has asked for, for the answer, or for the switch.</summary>
    private async Task<PeerHandshake?> EnterAsync(RawPeer peer, bool nodeIsInitiator, string state)
    {
        if (state == "idle")
        {
            return null;
        }

        var handshake = peer.Handshake();
        if (nodeIsInitiator || state == "asked")
        {
            _identity.Renew(Network.Node(1, notAfter: _time.GetUtcNow().AddYears(1)));
            _time.Advance(Second);
        }

        if (state == "asked")
        {
            Assert.Equal([0], await peer.ExpectAsync(LinkFrame.Rekey));
        }
        else if (nodeIsInitiator)
        {
            await peer.ReadAsync(handshake, 1);
            if (state == "switch")
            {
                await peer.SendAsync((LinkFrame.Rekey, RawPeer.Numbered(2, handshake.WriteMessage())));
                await peer.ReadAsync(handshake, 3);
                await peer.TakeSwitchAsync(handshake);
            }
        }
        else
        {
            await peer.SendAsync((LinkFrame.Rekey, RawPeer.Numbered(1, handshake.WriteMessage())));
            await peer.ReadAsync(handshake, 2);
            if (state == "switch")
            {
                await peer.SendAsync((LinkFrame.Rekey, RawPeer.Numbered(3, handshake.WriteMessage())));
            }
        }

        return handshake;
    }
}
