using System.Buffers.Binary;
using Dawn.Routing;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

public class RekeyTests
{
    private static readonly PathQuality Bad = new(Loss: 0.15, Duplication: 0.1, Corruption: 0.03, MaxDelayMilliseconds: 40);

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 20)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Keys_are_renewed_under_load_over_a_bad_path_and_nothing_is_lost_or_doubled(int seed) => Simulation.Run(seed, async simulation =>
    {
        simulation.RekeyAfter = TimeSpan.FromMilliseconds(1_200);
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        await a.Table.GetOrOpenAsync(b.Id, CancellationToken.None);
        simulation.Path = Bad;
        var random = new Random(seed);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async number =>
        {
            await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None);
            for (var i = 0; EpochOf(a) < 6; i++)
            {
                Assert.True(i < 3_000, "The keys are not renewed.");
                var message = new byte[8 + random.Next(i % 10 == 0 ? 60_000 : 500)];
                random.NextBytes(message);
                BinaryPrimitives.WriteInt64BigEndian(message, number * 10_000L + i);
                await channel.SendAsync(message, CancellationToken.None);
                using var answer = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
                Assert.True(answer.Span.SequenceEqual(message), "Another answer than to the message sent.");
            }
        }));
        Assert.Single(a.Table.Snapshot);
        Assert.InRange(EpochOf(b) - EpochOf(a), 0, 1);
    });

    [Fact]
    public void The_initiator_begins_and_both_ends_are_in_the_next_epoch_a_round_trip_and_a_half_later() => Simulation.Run(1, async simulation =>
    {
        simulation.Path = new(MaxDelayMilliseconds: 0);
        var (a, b) = await PairAsync(simulation);
        await simulation.Delay((int)TimeSpan.FromMinutes(10).TotalMilliseconds - 1_000);
        Assert.Equal((0, 0), (EpochOf(a), EpochOf(b)));
        await simulation.Delay(1_200);
        Assert.Equal((1, 1), (EpochOf(a), EpochOf(b)));
        var before = simulation.Sent.Count;
        await simulation.Delay(1_000);
        Assert.Equal(before, simulation.Sent.Count);
    }, limitSeconds: 700);

    [Fact]
    public void The_responder_asks_where_the_initiator_does_not_begin() => Simulation.Run(1, async simulation =>
    {
        var a = simulation.AddNode(1);
        simulation.RekeyAfter = TimeSpan.FromSeconds(10);
        var b = simulation.AddNode(2, Echo);
        await OpenAsync(a, b);
        await simulation.Delay(24_900);
        Assert.Equal(0, EpochOf(a));
        await simulation.Delay(200);
        Assert.Equal((1, 1), (EpochOf(a), EpochOf(b)));
    });

    [Fact]
    public void Bytes_bring_it_about_too_but_at_most_once_a_second() => Simulation.Run(1, async simulation =>
    {
        simulation.RekeyAfterBytes = 100_000;
        simulation.Path = new(MaxDelayMilliseconds: 1);
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None);
        while (simulation.Milliseconds < 5_000)
        {
            await channel.SendAsync(new byte[20_000], CancellationToken.None);
            (await channel.ReceiveAsync(CancellationToken.None))!.Value.Dispose();
        }

        Assert.InRange(EpochOf(a), 3, 5);
    });

    [Fact]
    public void A_renewed_certificate_of_either_end_is_shown_in_time() => Simulation.Run(1, async simulation =>
    {
        var soon = simulation.Time.GetUtcNow() + TimeSpan.FromMinutes(20);
        var (a, b) = (simulation.AddNode(1, notAfter: soon), simulation.AddNode(2, Echo, notAfter: soon));
        var channel = await OpenAsync(a, b);
        var later = simulation.Time.GetUtcNow() + TimeSpan.FromDays(30);
        a.Identity.Certificate = simulation.Network.Node(1, notAfter: later).Certificate;
        b.Identity.Certificate = simulation.Network.Node(2, notAfter: later).Certificate;
        await simulation.Delay((int)TimeSpan.FromMinutes(21).TotalMilliseconds);
        Assert.Equal(("open", "open"), (a.Table.Snapshot.Single().State, b.Table.Snapshot.Single().State));
        await channel.SendAsync("still there?"u8.ToArray(), CancellationToken.None);
        using var answer = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
        Assert.Equal("still there?"u8, answer.Span);
    }, limitSeconds: 1_300);

    [Fact]
    public void A_certificate_that_is_not_renewed_ends_the_session_when_it_expires() => Simulation.Run(1, async simulation =>
    {
        var soon = simulation.Time.GetUtcNow() + TimeSpan.FromMinutes(5);
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo, notAfter: soon));
        await OpenAsync(a, b);
        await simulation.Delay((int)TimeSpan.FromMinutes(5).TotalMilliseconds - 10);
        Assert.Single(a.Table.Snapshot);
        await simulation.Delay(20);
        Assert.Empty(a.Table.Snapshot);
    }, limitSeconds: 400);

    [Fact]
    public void The_old_key_opens_what_comes_late_for_half_a_minute_and_then_no_more() => Simulation.Run(1, async simulation =>
    {
        simulation.RekeyAfter = TimeSpan.FromMinutes(2);
        var (a, b) = await PairAsync(simulation);
        var late = new List<(EnvelopeHeader, byte[])>();
        await simulation.Delay(119_000);
        simulation.Filter = (header, payload) =>
        {
            if (header.Source != a.Id || header.Kind != EnvelopeKind.Segment || BinaryPrimitives.ReadUInt16BigEndian(payload) != 0 || late.Count == 2)
            {
                return true;
            }

            late.Add((header, payload));
            return false;
        };
        var session = await a.Table.GetOrOpenAsync(b.Id, CancellationToken.None);
        session.Ping();
        session.Ping();
        Assert.Equal(2, late.Count);

        await simulation.Delay(3_000);
        Assert.Equal(1, EpochOf(b));
        await simulation.Delay(20_000);
        var heard = b.Table.Snapshot.Single().BytesReceived;
        simulation.Inject(late[0].Item1, late[0].Item2);
        await simulation.Delay(5);
        Assert.Equal(heard + late[0].Item2.Length, b.Table.Snapshot.Single().BytesReceived);
        await simulation.Delay(15_000);
        heard = b.Table.Snapshot.Single().BytesReceived;
        simulation.Inject(late[1].Item1, late[1].Item2);
        await simulation.Delay(5);
        Assert.Equal(heard, b.Table.Snapshot.Single().BytesReceived);
    });

    [Fact]
    public void A_path_that_is_gone_in_the_middle_of_it_costs_nothing() => Simulation.Run(1, async simulation =>
    {
        for (var cutAfter = 1; cutAfter <= 5; cutAfter++)
        {
            simulation.RekeyAfter = TimeSpan.FromSeconds(10);
            var (a, b) = (simulation.AddNode(2 * cutAfter), simulation.AddNode(2 * cutAfter + 1, Echo));
            var channel = await OpenAsync(a, b);
            var left = cutAfter;
            simulation.Filter = (_, _) => left-- > 0;
            await simulation.Delay(15_000);
            simulation.Filter = (_, _) => true;
            await simulation.Delay(14_000);
            Assert.InRange(EpochOf(a), 1, 2);
            Assert.Equal(EpochOf(a), EpochOf(b));
            await channel.SendAsync("on"u8.ToArray(), CancellationToken.None);
            using var answer = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
            Assert.Equal("on"u8, answer.Span);
            await a.Table.CloseForAsync(b.Id);
        }
    });

    [Theory]
    [InlineData(true, 1)]
    [InlineData(true, 2)]
    [InlineData(true, 3)]
    [InlineData(true, 4)]
    [InlineData(false, 0)]
    [InlineData(false, 2)]
    [InlineData(false, 3)]
    [InlineData(false, 255)]
    public void A_message_out_of_turn_ends_the_session(bool toInitiator, int number)
    {
        var peer = new RawPeer(initiator: !toInitiator);
        peer.Send(peer.Rekey((byte)number, new byte[48]));
        Assert.True(peer.HasEnded);
        Assert.Equal(MeshError.Protocol, peer.Goodbye?.Code);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_message_1_too_soon_or_too_long_ends_the_session(bool tooSoon)
    {
        var peer = new RawPeer();
        if (!tooSoon)
        {
            peer.Time.Advance(TimeSpan.FromSeconds(2));
        }

        peer.Send(peer.Rekey(1, new byte[tooSoon ? 48 : 2_000]));
        Assert.Equal(MeshError.Protocol, peer.Goodbye?.Code);
    }

    [Fact]
    public void A_message_1_that_does_not_hold_ends_the_session()
    {
        var peer = new RawPeer();
        peer.Time.Advance(TimeSpan.FromSeconds(2));
        peer.Send(peer.Rekey(1, new byte[48]));
        Assert.Equal(MeshError.Protocol, peer.Goodbye?.Code);
        Assert.Contains("could not be renewed", peer.Goodbye?.Text);
    }

    [Fact]
    public void Asking_again_and_again_brings_one_about_and_a_peer_that_then_says_nothing_loses_the_session()
    {
        var peer = new RawPeer(initiator: false);
        peer.Send(peer.Rekey(0, []));
        Assert.DoesNotContain(peer.Frames, frame => frame.Type == FrameType.Rekey);
        for (var i = 0; i < 100; i++)
        {
            peer.Time.Advance(TimeSpan.FromMilliseconds(20));
            peer.Send(peer.Rekey(0, []));
        }

        peer.AckAll();
        Assert.Single(peer.Frames.Where(frame => frame.Type == FrameType.Rekey).Select(frame => frame.Sequence).Distinct());
        for (var i = 0; i < 62 && !peer.HasEnded; i++)
        {
            peer.Time.Advance(TimeSpan.FromSeconds(1));
            peer.AckAll();
        }

        Assert.Contains("did not finish renewing", peer.Goodbye?.Text);
    }

    private static int EpochOf(SimulatedNode node) => node.Table.Snapshot.Single(session => session.State != "ended").Epoch;

    private static async Task<(SimulatedNode A, SimulatedNode B)> PairAsync(Simulation simulation)
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        await OpenAsync(a, b);
        return (a, b);
    }

    private static async Task<MeshChannel> OpenAsync(SimulatedNode a, SimulatedNode b)
    {
        var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None);
        await channel.SendAsync("hello"u8.ToArray(), CancellationToken.None);
        (await channel.ReceiveAsync(CancellationToken.None))!.Value.Dispose();
        return channel;
    }

    private static async Task Echo(string agent, MeshChannel channel, Caller caller)
    {
        while (await channel.ReceiveAsync(CancellationToken.None) is { } message)
        {
            using (message)
            {
                await channel.SendAsync(message.Memory, CancellationToken.None);
            }
        }
    }
}
