using System.Buffers.Binary;
using Dawn.Identity;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

public class CheckpointTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public void Salt_leaf_root_and_signature_are_those_that_the_protocol_page_gives()
    {
        var secret = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();
        using var sender = new SigningKey(Enumerable.Repeat((byte)1, 32).ToArray());
        using var recipient = new SigningKey(Enumerable.Repeat((byte)2, 32).ToArray());
        var key = Salts.Key(secret, fromInitiator: true);
        Assert.Equal("1974b41aa02543f74f0fc102ceaaf2c9b526362d040e56dafbbf49842cbd1c6d", Convert.ToHexStringLower(key));
        Assert.Equal("d9aff1cedc94f86c6b8d0d474542180121a6dda64568e7310365a073668b9fa9", Convert.ToHexStringLower(Salts.Key(secret, fromInitiator: false)));

        var (first, second) = (new byte[Frame.DataOverhead + 5], new byte[Frame.DataOverhead + 5]);
        Frame.WriteData(first, 63, 0, true, "hello"u8);
        Frame.WriteData(second, 64, 0, true, "world"u8);
        using var salts = new Salts(key);
        using var hash = new LeafHash();
        var leaves = new byte[64];
        Assert.Equal("8313284859b896aa88f3f6b44b6018bc", Convert.ToHexStringLower(salts.Of(63)));
        hash.Leaf(salts.Of(63), first, leaves);
        Assert.Equal("430b1a6cb0bde344569c99cecf2a7ca0", Convert.ToHexStringLower(salts.Of(64)));
        hash.Leaf(salts.Of(64), second, leaves.AsSpan(32));
        Assert.Equal("d055b9160b09d88f181634e0a809c0bc724c1776c410ea122f4c4b69120012a4", Convert.ToHexStringLower(leaves.AsSpan(0, 32)));
        var root = new byte[32];
        hash.Root(leaves, root);
        Assert.Equal("96889a814ba1af8f1dbf4801eb51848740eac10e35d47e88b71126f6b9ed1d39", Convert.ToHexStringLower(root));

        var direction = new SessionDirection(sender.Id, recipient.Id, true, 0x0102030405060708);
        var identity = new TestIdentity(sender, new TestNetwork().Keys, new TestNetwork().Node(1).Certificate);
        using var signer = new CheckpointSigner(identity, direction, [.. key], 64);
        signer.Add(63, first);
        signer.Add(64, second);
        var frame = new byte[Checkpoint.FrameSize];
        signer.Sign(frame, DateTimeOffset.FromUnixTimeMilliseconds(1_900_000_000_000));
        Frame.WriteSequence(frame, 65);
        Assert.Equal("150000000000000041005a0000000000000000000000000000003f0002000001ba60d338000a19b1646285ef530991f66f193bb6eb6f69120cc1f05c7a9bd66c85735e2a46b109a3d5a57a4879a60398a0c77673672e94a0eca09cf100f696e0db977e7f0c", Convert.ToHexStringLower(frame));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(64)]
    public async Task A_checkpoint_follows_as_many_frames_as_are_set(int every)
    {
        var peer = new RawPeer(initiator: false, every: every);
        var channel = peer.Session.OpenChannel("echo", "gateway");
        for (var i = 0; i < 3 * every; i++)
        {
            await channel.SendAsync(new byte[100], None);
            if (i % 10 == 9)
            {
                peer.Acknowledge();
            }
        }

        // The open frame is signed too.
        Assert.Equal(every == 1 ? (4, 0) : (3, 1), Cover(peer));
    }

    [Fact]
    public async Task What_is_fewer_is_signed_after_20_ms_and_then_there_is_silence()
    {
        var peer = new RawPeer(initiator: false, every: 64);
        var channel = peer.Session.OpenChannel("echo", "gateway");
        await channel.SendAsync("hello"u8.ToArray(), None);
        peer.Time.Advance(TimeSpan.FromMilliseconds(19));
        Assert.Equal((0, 2), Cover(peer));
        peer.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((1, 0), Cover(peer));
        peer.Acknowledge();
        var segments = peer.Segments.Count;
        for (var i = 0; i < 59; i++)
        {
            peer.Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(segments, peer.Segments.Count);
        Assert.False(peer.HasEnded);
    }

    [Fact]
    public async Task The_rest_is_signed_in_the_segment_of_the_goodbye()
    {
        var peer = new RawPeer(initiator: false, every: 64);
        var channel = peer.Session.OpenChannel("echo", "gateway");
        await channel.SendAsync("hello"u8.ToArray(), None);
        peer.Session.End(MeshError.Stopping, "The node is stopping.", tell: true);
        Assert.Equal((1, 0), Cover(peer));
        ReadOnlySpan<byte> last = peer.Segments[^1];
        Assert.True(Frame.TryRead(ref last, out var checkpoint));
        Assert.True(Frame.TryRead(ref last, out var goodbye));
        Assert.Equal((FrameType.Checkpoint, FrameType.Goodbye), (checkpoint.Type, goodbye.Type));
        Assert.True(last.IsEmpty);
    }

    [Fact]
    public async Task What_was_signed_and_could_not_leave_goes_with_the_goodbye_in_order()
    {
        var peer = new RawPeer(initiator: false, every: 1);
        var channel = peer.Session.OpenChannel("echo", "gateway");
        await channel.SendAsync("1"u8.ToArray(), None);
        peer.Acknowledge();
        peer.Fill();
        await channel.SendAsync("2"u8.ToArray(), None);
        peer.MakeRoom();
        await Eventually.HoldsAsync(() => peer.Sequenced.Count == 6);
        peer.Session.End(MeshError.None, "", tell: true);
        Assert.Equal((3, 0), Cover(peer));
    }

    [Fact]
    public async Task Frames_that_the_port_refused_are_signed_once()
    {
        var peer = new RawPeer(initiator: false, every: 4);
        var channel = peer.Session.OpenChannel("echo", "gateway");
        await channel.SendAsync("before"u8.ToArray(), None);
        peer.Fill();
        for (var i = 0; i < 8; i++)
        {
            await channel.SendAsync("while full"u8.ToArray(), None);
        }

        peer.MakeRoom();
        await Eventually.HoldsAsync(() => peer.Sequenced.Count == 12);
        Assert.Equal((2, 2), Cover(peer));
    }

    [Fact]
    public async Task A_checkpoint_overtakes_what_waits_to_be_sent()
    {
        var peer = new RawPeer(initiator: false, every: 8);
        var channel = peer.Session.OpenChannel("echo", "gateway");
        peer.Send(peer.Make((to, s) => Frame.WriteAccept(to, s, 0, 1 << 20)));
        peer.Fill();
        await channel.SendAsync(new byte[200_000], None);
        peer.MakeRoom();
        await Eventually.HoldsAsync(() => peer.Sequenced.Count == 15);
        var types = peer.Sequenced.Values.Select(f => f[0]).ToList();
        // The open and the first data of the refused segment, then six more: what is behind them was queued before the signature was.
        Assert.Equal(8, types.IndexOf((byte)FrameType.Checkpoint));
        Assert.Equal(1, Cover(peer).Checkpoints);
    }

    [Fact]
    public void The_same_frame_again_is_no_second_leaf()
    {
        var peer = new RawPeer(every: 64);
        var (open, data) = (peer.Open(0), peer.Data(0, 3));
        peer.Send(open, data);
        peer.Send(data, open);
        peer.Send(peer.Sign(open, data));
        peer.Send(data);
        Assert.False(peer.HasEnded);
    }

    [Fact]
    public void Frames_that_came_out_of_order_are_covered_in_order()
    {
        var sink = new Sink();
        var peer = new RawPeer(every: 64, evidence: sink);
        var frames = new[] { peer.Open(0), peer.Data(0, 3), peer.Data(0, 16_000), peer.Data(0, 5) };
        var (checkpoint, more) = (peer.Sign(frames), peer.Data(0, 7));
        peer.Send(more);
        peer.Send(checkpoint);
        peer.Send(frames[3]);
        peer.Send(frames[1]);
        peer.Send(frames[0]);
        Assert.Equal(0, sink.Checkpoints);
        peer.Send(frames[2]);
        Assert.Equal((1, 4), (sink.Checkpoints, sink.Frames.Count));
        Assert.Equal(frames, sink.Frames);
        peer.Send(peer.Sign(more));
        Assert.Equal([.. frames, more], sink.Frames);
        Assert.False(peer.HasEnded);
    }

    [Fact]
    public void Salts_differ_from_frame_to_frame_direction_to_direction_and_session_to_session()
    {
        var seen = new HashSet<string>();
        foreach (var (secret, fromInitiator) in new[] { (1, true), (1, false), (2, true), (2, false) })
        {
            using var salts = new Salts(Salts.Key(SeededEntropy.Derive(secret, "secret"), fromInitiator));
            for (var s = 0UL; s < 1_000; s++)
            {
                Assert.True(seen.Add(Convert.ToHexString(salts.Of(s))));
            }

            // Any order gives the same.
            Assert.Contains(Convert.ToHexString(salts.Of(64)), seen);
            Assert.DoesNotContain(new string('0', 32), seen);
        }
    }

    [Fact]
    public void Whoever_is_shown_one_frame_cannot_guess_its_sibling()
    {
        using var salts = new Salts(Salts.Key(SeededEntropy.Derive(1, "secret"), true));
        using var hash = new LeafHash();
        var frames = Enumerable.Range(0, 2).Select(s => Yes((ulong)s, s == 1)).ToArray();
        var leaves = new byte[2][];
        for (var s = 0; s < 2; s++)
        {
            hash.Leaf(salts.Of((ulong)s), frames[s], leaves[s] = new byte[32]);
        }

        // One of two answers, and all that the proof of the other shows to guess with: its salt, no salt, the leaves.
        byte[][] known = [salts.Of(0).ToArray(), new byte[16], [], leaves[0][..16], leaves[1][..16]];
        var guess = new byte[32];
        foreach (var salt in known)
        {
            foreach (var answer in (bool[])[true, false])
            {
                hash.Leaf(salt, Yes(1, answer), guess);
                Assert.NotEqual(leaves[1], guess);
            }
        }

        // With its own salt one guess is enough: it is the salt that hides it.
        hash.Leaf(salts.Of(1), Yes(1, true), guess);
        Assert.Equal(leaves[1], guess);

        static byte[] Yes(ulong sequence, bool answer)
        {
            var frame = new byte[Frame.DataOverhead + 4];
            Frame.WriteData(frame, sequence, 0, true, answer ? "true"u8 : "no  "u8);
            return frame;
        }
    }

    public static TheoryData<int, int> Paths => new() { { 1, 64 }, { 2, 64 }, { 3, 64 }, { 4, 1 }, { 5, 1 }, { 6, 7 }, { 7, 7 }, { 8, 1_024 }, { 9, 1_024 }, { 10, 64 } };

    [Theory]
    [MemberData(nameof(Paths))]
    public void All_that_is_said_over_a_bad_path_is_covered_once_and_in_order(int seed, int every) => Simulation.Run(seed, async simulation =>
    {
        var (heardByA, heardByB) = (new Sink(), new Sink());
        var a = simulation.AddNode(1, configure: s => s with { CheckpointEvery = every, Evidence = heardByA });
        var b = simulation.AddNode(2, SessionTests.Echo, configure: s => s with { CheckpointEvery = every, Evidence = heardByB });
        await a.Table.GetOrOpenAsync(b.Id, None);
        simulation.Path = new(Loss: 0.2, Duplication: 0.1, Corruption: 0.05, MaxDelayMilliseconds: 30);
        var random = new Random(seed);
        await using (var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", None))
        {
            for (var i = 0; i < 40; i++)
            {
                var message = new byte[i % 9 == 0 ? random.Next(100_000) : random.Next(500)];
                random.NextBytes(message);
                var sending = channel.SendAsync(message, None).AsTask();
                using var received = (await channel.ReceiveAsync(None))!.Value;
                Assert.True(message.AsSpan().SequenceEqual(received.Span));
                await sending;
            }
        }

        simulation.Path = new();
        await simulation.Delay(10_000);
        var sent = simulation.Sent.Count;
        foreach (var sink in (Sink[])[heardByA, heardByB])
        {
            Assert.Equal(0, sink.MissedCheckpoints);
            var sequences = sink.Frames.Select(f => BinaryPrimitives.ReadUInt64BigEndian(f.AsSpan(1))).ToList();
            Assert.Equal(sequences.Order(), sequences);
            // Every sequence is a frame's that was covered, or a checkpoint's.
            Assert.Equal((ulong)(sequences.Count + sink.Checkpoints), sequences[^1] + 2);
        }

        // Both ends agree on what was said, and nothing more is.
        await simulation.Delay(50_000);
        Assert.Equal(sent, simulation.Sent.Count);
        Assert.Equal("open", a.Table.Snapshot.Single().State);
        Assert.Equal("open", b.Table.Snapshot.Single().State);
    });

    [Fact]
    public void A_cut_in_mid_traffic_costs_no_session() => Simulation.Run(3, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", None);
        for (var i = 0; i < 5; i++)
        {
            await channel.SendAsync(new byte[100], None);
            (await channel.ReceiveAsync(None))!.Value.Dispose();
            await channel.SendAsync(new byte[100], None);
            await simulation.Delay(1);
            simulation.Swallows = true;
            await simulation.Delay(20_000);
            simulation.Heal();
            (await channel.ReceiveAsync(None))!.Value.Dispose();
        }

        await simulation.Delay(100);
        Assert.Equal(["open"], a.Table.Snapshot.Select(s => s.State));
    });

    /// <summary>Checks all that the session said; returns how many checkpoints there were and how many frames without one.</summary>
    private static (int Checkpoints, int Uncovered) Cover(RawPeer peer)
    {
        using var verifier = new CheckpointVerifier(
            peer.FromSession, peer.Certificate, Salts.Key(SeededEntropy.Derive(1, "secret"), peer.FromSession.FromInitiator), null);
        var (checkpoints, uncovered) = (0, 0);
        foreach (var (sequence, frame) in peer.Sequenced)
        {
            if (frame[0] == (byte)FrameType.Checkpoint)
            {
                Assert.Null(verifier.Take(frame.AsSpan(11)));
                checkpoints++;
                uncovered -= BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(27));
            }
            else
            {
                Assert.Null(verifier.Add(sequence, frame, 0));
                uncovered++;
            }
        }

        return (checkpoints, uncovered);
    }

    /// <summary>Takes evidence apart again.</summary>
    private sealed class Sink : IEvidenceSink
    {
        public int Checkpoints { get; private set; }

        public int MissedCheckpoints { get; private set; }

        public List<byte[]> Frames { get; } = [];

        public void Keep(in VerifiedCheckpoint checkpoint, ReadOnlySpan<byte> frames)
        {
            Checkpoints++;
            using var hash = new LeafHash();
            Span<byte> leaf = stackalloc byte[32];
            var reader = new WireReader(frames);
            for (var i = 0; i < checkpoint.Leaves.Length / 32; i++)
            {
                var salt = reader.Bytes(Salts.Size);
                var frame = reader.Block16(SegmentHeader.MaxPlaintext);
                hash.Leaf(salt, frame, leaf);
                Assert.True(leaf.SequenceEqual(checkpoint.Leaves.Slice(i * 32, 32)));
                Frames.Add(frame.ToArray());
            }

            Assert.True(reader.Complete);
        }

        public void Missed() => MissedCheckpoints++;
    }
}
