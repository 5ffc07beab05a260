using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Dawn.Tests.Sessions;
using Xunit;

namespace Dawn.Tests.Hostile;

/// <summary>What a member may cost another through sessions, proven or not.</summary>
[Collection(MeasuresMemory.Name)]
public class SessionFloodTests
{
    [Fact]
    public void A_flood_of_handshakes_through_a_neighbour_holds_bounded_places_and_memory() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        var random = new Random(1);
        var before = Memory();
        // Garbage that anybody could send who has a link: dies before any Diffie–Hellman, answers nothing, holds nothing.
        for (var i = 0; i < 5_000; i++)
        {
            var message = new byte[random.Next(1, 1_100)];
            random.NextBytes(message);
            message[0] = (byte)(1 + i % 3);
            b.Table.OnEnvelope(new(EnvelopeKind.Handshake, 0, 16, (ulong)i, Stranger(i), b.Id, (ulong)i, message.Length), message);
        }

        Assert.Equal(0, b.Table.HalfOpen);
        Assert.Empty(simulation.Sent);
        // First messages of a member that knows the secret, under as many names as it likes.
        using var key = new StaticKey(new SeededEntropy(9));
        for (var number = 1_000; number < 1_600; number++)
        {
            var handshakes = new SessionHandshakes(new(key, EncryptionMode.Required), new TestIdentity(TestIdentity.KeyOf(number), simulation.Network.Keys, a.Identity.Certificate), new SeededEntropy(number), simulation.Time);
            using var handshake = handshakes.Create(HandshakeRole.Initiator, b.Id, 1);
            var message = SessionHandshakes.Numbered(1, handshake.WriteMessage());
            b.Table.OnEnvelope(new(EnvelopeKind.Handshake, 0, 16, 1, TestIdentity.KeyOf(number).Id, b.Id, 1, message.Length), message);
            // Segments before message 3 are held within a limit of their own.
            for (var early = 0; early < 70; early++)
            {
                b.Table.OnEnvelope(new(EnvelopeKind.Segment, 0, 16, 1, TestIdentity.KeyOf(number).Id, b.Id, 1, 1_000), new byte[1_000]);
            }
        }

        Assert.Equal(SessionTable.MaxHalfOpen, b.Table.HalfOpen);
        simulation.Sent.Clear();
        Assert.InRange(Memory() - before, long.MinValue, 16 * 1024 * 1024);
        await SessionTests.CallAsync(a, b);
        Assert.InRange(simulation.Milliseconds, 0, 100);

        NodeId Stranger(int number) => new(SeededEntropy.Derive(number, "stranger"));
    });

    [Fact]
    public void Channels_beyond_1_024_are_refused_and_the_others_live()
    {
        var peer = new RawPeer();
        var before = Memory();
        for (var i = 0; i < 3_000; i++)
        {
            peer.Send(peer.Open((uint)i * 2));
            // As an honest receiver, so that this end need not keep its answers.
            if (i % 100 == 99)
            {
                var last = peer.Frames.Where(f => (byte)f.Type >= Frame.FirstSequenced).Max(f => f.Sequence);
                peer.Send(Ack(last + 1));
            }
        }

        Assert.False(peer.HasEnded);
        Assert.Equal(Session.MaxChannels, peer.Opened.Count);
        Assert.Equal(Session.MaxChannels, peer.Session.Status.Channels);
        Assert.Equal(3_000 - Session.MaxChannels, peer.Frames.Count(f => f.Type == FrameType.Close && f.Code == (ushort)MeshError.Limit));
        for (var channel = 0; channel < Session.MaxChannels; channel++)
        {
            // One byte on each must not become a window on each.
            peer.Send(peer.Data((uint)channel * 2, 1, ends: false));
        }

        Assert.InRange(peer.Session.Budget.Used, Session.MaxChannels, Session.MaxChannels * 256);
        Assert.InRange(Memory() - before, long.MinValue, 24 * 1024 * 1024);
        // The oldest channel still works.
        peer.Send(peer.Data(0, 3));
        Assert.True(peer.Opened[0].Channel.ReceiveAsync(CancellationToken.None).IsCompletedSuccessfully);

        static byte[] Ack(ulong next)
        {
            var to = new byte[Frame.MaxAck];
            return to[..Frame.WriteAck(to, next, [])];
        }
    }

    [Fact]
    public void Messages_that_nobody_reads_stop_at_the_window()
    {
        var peer = new RawPeer();
        for (var channel = 0u; channel < 64; channel++)
        {
            peer.Send(peer.Open(channel * 2));
            for (var i = 0; i < SessionChannel.Window / 15_000; i++)
            {
                peer.Send(peer.Data(channel * 2, 15_000));
            }
        }

        Assert.False(peer.HasEnded);
        Assert.InRange(peer.Memory.Used, 1, 64 * SessionChannel.Window);
        peer.Send(peer.Data(0, 15_000));
        Assert.Equal(MeshError.Protocol, peer.Goodbye?.Code);
    }

    /// <summary>Found by the target <c>session</c>: the budget of the whole process shrank with each such segment until no node could send a long message.</summary>
    [Theory]
    [InlineData("violation")]
    [InlineData("goodbye")]
    public void What_one_segment_opens_fills_and_ends_is_given_back(string end)
    {
        var peer = new RawPeer();
        // All but the first frame come early and are held; the last segment sets them free, and ends the session.
        var open = peer.Open(0);
        for (var i = 0; i < 17; i++)
        {
            peer.Send(peer.Data(0, 15_000, ends: i % 2 == 0));
        }

        for (var i = 0; i < 17; i++)
        {
            peer.Send(i == 0 ? peer.Open(2) : peer.Data(2, 15_000));
        }

        Assert.Equal(0, peer.Session.Budget.Used);
        peer.Send([.. open, .. end == "violation" ? [0xee] : (byte[])[0x04, 0, 0, 0]]);
        Assert.True(peer.HasEnded);
        Assert.Empty(peer.Opened);
        Assert.Equal(0, peer.Session.Budget.Used);
        Assert.Equal(0, peer.Memory.Used);
    }

    private static long Memory() => GC.GetTotalMemory(forceFullCollection: true);
}
