using System.Buffers.Binary;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Testing.InMemory;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Links;

/// <summary>New keys between two whole nodes: when, and what becomes of the frames meanwhile.</summary>
public class RekeyTests
{
    private static readonly TestNetwork Network = new();
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly ConnectionFaults _faults = new();
    private readonly RenewableIdentity _first = new(Network.Node(1));
    private readonly RenewableIdentity _second = new(Network.Node(2));

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true, 1)]
    [InlineData(true, 2)]
    [InlineData(false, 3)]
    public async Task Under_load_both_ways_no_frame_is_lost_or_overtaken(bool isSealed, int seed)
    {
        const int Epochs = 30;
        var options = new LinkOptions { RekeyAfter = Second, QueueBytes = 256 * 1024, Encryption = isSealed ? EncryptionMode.Required : EncryptionMode.Off };
        var (a, b) = await LinkAsync(options, options);
        var (fromA, fromB) = (SendAsync(a.Link, seed), SendAsync(b.Link, seed + 100));
        for (var epoch = 1; epoch <= Epochs; epoch++)
        {
            // Each at the first tick that it is due.
            _time.Advance(Second);
            await Eventually.HoldsAsync(() => (a.Link.Epoch == epoch && b.Link.Epoch == epoch) || a.Link.Ended.IsCompleted);
        }

        var (sentByA, sentByB) = (await fromA, await fromB);
        Assert.InRange(Math.Min(sentByA, sentByB), 2_000, int.MaxValue);
        await ReceiveAsync(b.Node, seed, sentByA);
        await ReceiveAsync(a.Node, seed + 100, sentByB);
        Assert.Equal(!isSealed, _faults.ToListener.Seen.AsSpan().IndexOf("a frame in words"u8) >= 0);
        await a.Link.CloseAsync(LinkEnd.Done).AsTask().WaitAsync(LinkNode.Patience, Cancel);
        Assert.Equal(LinkEnd.Done, await b.Link.Ended.WaitAsync(LinkNode.Patience, Cancel));

        // Until the last epoch but one, so that each switch has frames on both its sides; no more of them than tests have memory for.
        async Task<int> SendAsync(ILink link, int seed)
        {
            var random = new Random(seed);
            var sent = 0;
            for (; link.Epoch < Epochs - 1 && !link.Ended.IsCompleted; await Task.Yield())
            {
                for (var burst = random.Next(1, 40); burst > 0 && sent < 400 * (link.Epoch + 1); burst--)
                {
                    var (head, body) = FrameOf(seed, sent);
                    while (!link.TrySend(LinkFrame.Envelope, head, body))
                    {
                        await link.WaitForRoomAsync(Cancel);
                    }

                    sent++;
                }
            }

            return sent;
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task So_many_bytes_are_a_reason_for_either_end(bool atInitiator)
    {
        var few = new LinkOptions { RekeyBytes = 100_000 };
        var (a, b) = await LinkAsync(atInitiator ? few : new(), atInitiator ? new() : few);
        for (var epoch = 1; epoch <= 3; epoch++)
        {
            await ExchangeAsync(a, b, 99);
            _time.Advance(Second);
            await ExchangeAsync(a, b, 1);
            Assert.Equal((epoch - 1, epoch - 1), (a.Link.Epoch, b.Link.Epoch));
            // Counted anew from each switch, in either direction.
            await ExchangeAsync(b, a, 112);
            _time.Advance(Second);
            await Eventually.HoldsAsync(() => a.Link.Epoch == epoch && b.Link.Epoch == epoch);
        }
    }

    [Fact]
    public async Task Age_is_the_initiators_reason_and_the_responders_15_s_later()
    {
        Assert.Equal(TimeSpan.FromSeconds(15), new LinkOptions().RekeyMargin);
        Assert.Equal(TimeSpan.FromMinutes(10), new LinkOptions().RekeyAfter);
        var (a, b) = await LinkAsync(new(), new() { RekeyAfter = 4 * Second, RekeyMargin = 3 * Second });
        for (var second = 1; second < 7; second++)
        {
            _time.Advance(Second);
            await ExchangeAsync(b, a, 1);
            await ExchangeAsync(a, b, 1);
            Assert.Equal((0, 0), (a.Link.Epoch, b.Link.Epoch));
        }

        _time.Advance(Second);
        await Eventually.HoldsAsync(() => a.Link.Epoch == 1 && b.Link.Epoch == 1);
    }

    [Fact]
    public async Task Reasons_at_both_ends_at_once_make_one_rekeying()
    {
        for (var round = 0; round < 10; round++)
        {
            _first.Renew(Network.Node(1));
            _second.Renew(Network.Node(2));
            var (a, b) = await LinkAsync(new(), new());
            _first.Renew(Network.Node(1, notAfter: _time.GetUtcNow().AddYears(1)));
            _second.Renew(Network.Node(2, notAfter: _time.GetUtcNow().AddYears(2)));
            _time.Advance(Second);
            await Eventually.HoldsAsync(() => a.Link.Epoch == 1 && b.Link.Epoch == 1);
            Assert.Equal(_second.Certificate.NotAfter, a.Link.Certificate!.NotAfter);
            Assert.Equal(_first.Certificate.NotAfter, b.Link.Certificate!.NotAfter);
            for (var i = 0; i < 3; i++)
            {
                _time.Advance(Second);
                await ExchangeAsync(b, a, 1);
                await ExchangeAsync(a, b, 1);
            }

            Assert.Equal((1, 1), (a.Link.Epoch, b.Link.Epoch));
            await a.Link.CloseAsync(LinkEnd.Done).AsTask().WaitAsync(LinkNode.Patience, Cancel);
        }
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(false, false)]
    public async Task A_renewed_certificate_keeps_the_link_past_the_old_ones_expiry(bool atInitiator, bool isSealed)
    {
        var old = _time.GetUtcNow() + 10 * Second;
        var number = atInitiator ? 1 : 2;
        var renewing = atInitiator ? _first : _second;
        renewing.Renew(Network.Node(number, notAfter: old));
        var options = new LinkOptions { Encryption = isSealed ? EncryptionMode.Required : EncryptionMode.Off };
        var (a, b) = await LinkAsync(options, options);
        var seenBy = atInitiator ? b : a;
        Assert.Equal(old, seenBy.Link.Certificate!.NotAfter);
        _time.Advance(3 * Second);
        await ExchangeAsync(a, b, 1);
        Assert.Equal(0, a.Link.Epoch);
        renewing.Renew(Network.Node(number, notAfter: old.AddDays(30)));
        for (var i = 0; i < 12; i++)
        {
            _time.Advance(Second);
            await ExchangeAsync(a, b, 1);
            await ExchangeAsync(b, a, 1);
            await Eventually.HoldsAsync(() => a.Link.Epoch == 1 && b.Link.Epoch == 1);
        }

        Assert.True(_time.GetUtcNow() > old);
        Assert.Equal(old.AddDays(30), Assert.Single(seenBy.Node.Table.Snapshot).Certificate!.NotAfter);
    }

    [Fact]
    public async Task A_link_whose_certificate_was_renewed_ends_with_the_new_one()
    {
        var (a, b) = await LinkAsync(new(), new());
        _first.Renew(Network.Node(1, notAfter: _time.GetUtcNow() + 5 * Second));
        _time.Advance(Second);
        await Eventually.HoldsAsync(() => a.Link.Epoch == 1 && b.Link.Epoch == 1);
        _time.Advance(4 * Second);
        Assert.Equal(LinkEnd.CertificateExpired, (await b.Node.Handler.NextAsync(LinkEventKind.Down)).End);
        Assert.Equal(LinkEnd.CertificateExpired, (await a.Node.Handler.NextAsync(LinkEventKind.Down)).End);
    }

    [Fact]
    public async Task A_queue_that_is_full_holds_up_no_new_keys()
    {
        const int Size = 3 + 4 + 1_000;
        var options = new LinkOptions { RekeyAfter = Second, QueueBytes = 256 * 1024 };
        var (a, b) = await LinkAsync(options, options);
        _faults.ToListener.Pause();
        var (sent, seen) = (0, _faults.ToListener.Seen.Length);
        Assert.True(a.Link.TrySend(LinkFrame.Envelope, BitConverter.GetBytes(sent++), new byte[1_000]));
        // Held with this in its hands the transport takes no more than a pipe's threshold, which leaves most of a full queue full.
        await Eventually.HoldsAsync(() => _faults.ToListener.Seen.Length > seen);
        Fill();
        Assert.InRange(sent * Size, options.QueueBytes - Size - 100, int.MaxValue);
        Assert.False(a.Link.WaitForRoomAsync(Cancel).IsCompleted);
        _time.Advance(Second);
        Fill();
        _faults.ToListener.Resume();
        await Eventually.HoldsAsync(() => a.Link.Epoch == 1 && b.Link.Epoch == 1);
        for (var i = 0; i < sent; i++)
        {
            Assert.Equal(i, BitConverter.ToInt32((await b.Node.Handler.NextAsync(LinkEventKind.Frame)).Body));
        }

        void Fill()
        {
            while (a.Link.TrySend(LinkFrame.Envelope, BitConverter.GetBytes(sent), new byte[1_000]))
            {
                sent++;
            }
        }
    }

    [Fact]
    public async Task A_link_that_is_closed_under_load_while_keys_change_delivers_what_was_queued()
    {
        for (var round = 0; round < 20; round++)
        {
            var options = new LinkOptions { RekeyAfter = Second };
            var (a, b) = await LinkAsync(options, options);
            for (var i = 0; i < 500; i++)
            {
                Assert.True(a.Link.TrySend(LinkFrame.Envelope, BitConverter.GetBytes(i), new byte[round * 20]));
            }

            _time.Advance(Second);
            for (var spins = new Random(round).Next(2_000); spins > 0; spins--)
            {
                await Task.Yield();
            }

            var closing = a.Link.CloseAsync(LinkEnd.Stopping).AsTask();
            for (var i = 0; i < 500; i++)
            {
                Assert.Equal(i, BitConverter.ToInt32((await b.Node.Handler.NextAsync(LinkEventKind.Frame)).Body));
            }

            Assert.Equal(LinkEnd.Stopping, (await b.Node.Handler.NextAsync(LinkEventKind.Down)).End);
            await closing.WaitAsync(LinkNode.Patience, Cancel);
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    public async Task A_tickets_link_has_no_rekeying(byte type)
    {
        var (id, psk) = (new SeededEntropy(7).Bytes(16), new SeededEntropy(8).Bytes(32));
        var network = new InMemoryNetwork();
        await using var issuer = await new LinkNode(Network.Node(2), network, _time, new() { RekeyAfter = Second }, new TestTickets(id, psk)).ListenAsync();
        await using var newcomer = new LinkNode(Network.Node(1), network, _time, new() { RekeyAfter = Second });
        var link = await newcomer.Dialer.DialNewcomerAsync(issuer.Address, issuer.Id, new(id, psk), Cancel).WaitAsync(LinkNode.Patience, Cancel);
        await issuer.Handler.NextAsync(LinkEventKind.Up);
        _time.Advance(5 * Second);
        Assert.Equal(0, link.Epoch);
        Assert.True(link.TrySend((LinkFrame)type, default, (byte[])(type == 5 ? [0] : [])));
        Assert.Equal(LinkEnd.Protocol, (await issuer.Handler.NextAsync(LinkEventKind.Down)).End);
    }

    private static (byte[] Head, byte[] Body) FrameOf(int seed, int number)
    {
        var head = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(head, number);
        var body = new byte[(uint)(seed * 7_919 + number * 104_729) % 1_500 + 16];
        "a frame in words"u8.CopyTo(body);
        return (head, body);
    }

    private static async Task ReceiveAsync(LinkNode node, int seed, int count)
    {
        for (var i = 0; i < count; i++)
        {
            var (head, body) = FrameOf(seed, i);
            var received = (await node.Handler.NextAsync(LinkEventKind.Frame)).Body;
            Assert.True(received.AsSpan().SequenceEqual((byte[])[.. head, .. body]), $"frame {i} of {count}");
        }
    }

    private static async Task ExchangeAsync((LinkNode Node, ILink Link) from, (LinkNode Node, ILink Link) to, int kilobytes)
    {
        for (var i = 0; i < kilobytes; i++)
        {
            Assert.True(from.Link.TrySend(LinkFrame.Envelope, default, new byte[900]));
        }

        for (var i = 0; i < kilobytes; i++)
        {
            await to.Node.Handler.NextAsync(LinkEventKind.Frame);
        }
    }

    private async Task<((LinkNode Node, ILink Link) Dialer, (LinkNode Node, ILink Link) Listener)> LinkAsync(LinkOptions dialer, LinkOptions listener)
    {
        var network = new InMemoryNetwork { Faults = _ => _faults };
        var a = new LinkNode(_first, network, _time, dialer);
        var b = await new LinkNode(_second, network, _time, listener).ListenAsync();
        var link = await a.DialAsync(b, b.Id);
        await a.Handler.NextAsync(LinkEventKind.Up);
        return ((a, link), (b, (await b.Handler.NextAsync(LinkEventKind.Up)).Link));
    }
}
