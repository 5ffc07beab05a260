using System.Buffers.Binary;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

/// <summary>What a receiver takes, and for how long it waits.</summary>
public class CheckpointRulesTests
{
    public static TheoryData<string, string> Offences => new()
    {
        { "another byte in a frame", "not over what came" },
        { "another signature", "not over what came" },
        { "signed by somebody else", "not over what came" },
        { "of the other direction", "not over what came" },
        { "of another session", "not over what came" },
        { "twice", "checkpoint 0 where 1 was due" },
        { "one left out", "checkpoint 1 where 0 was due" },
        { "a frame left out at the front", "begins with frame 1" },
        { "a frame left out in the middle", "not over what came" },
        { "more than came", "covers 3 frames where 2 have come" },
        { "nothing", "covers 0 frames" },
        { "before any frame", "covers 1 frames where 0" },
        { "a time before the last", "before the last" },
        { "another chain", "not over what came" },
        { "too short", "a checkpoint of 89 bytes" },
    };

    [Theory]
    [MemberData(nameof(Offences))]
    public void A_checkpoint_that_does_not_hold_ends_the_session(string offence, string cause)
    {
        var peer = new RawPeer(every: 64);
        if (offence == "before any frame")
        {
            var unsent = peer.Open(0);
            peer.Sequence = 0;
            peer.Send(peer.Sign(unsent));
        }
        else
        {
            var (open, data) = (peer.Open(0), peer.Data(0, 3));
            peer.Send(open, data);
            Assert.False(peer.HasEnded);
            switch (offence)
            {
                case "another byte in a frame":
                    data[^1] ^= 1;
                    peer.Send(peer.Sign(open, data));
                    break;
                case "another signature":
                    var altered = peer.Sign(open, data);
                    altered[^1] ^= 1;
                    peer.Send(altered);
                    break;
                case "signed by somebody else":
                    Send(SignWith(peer.ToSession, node: 3));
                    break;
                case "of the other direction":
                    Send(SignWith(peer.ToSession with { FromInitiator = false }));
                    break;
                case "of another session":
                    Send(SignWith(peer.ToSession with { Tag = 1 }));
                    break;
                case "twice":
                    var first = peer.Sign(open, data);
                    peer.Send(first);
                    var more = peer.Data(0, 1);
                    peer.Send(more);
                    Frame.WriteSequence(first, peer.Sequence++);
                    peer.Send(first);
                    break;
                case "one left out":
                    peer.Sign(open);
                    peer.Sequence--;
                    peer.Send(peer.Sign(data));
                    break;
                case "a frame left out at the front":
                    peer.Send(peer.Sign(data));
                    break;
                case "a frame left out in the middle":
                    var third = peer.Data(0, 9);
                    peer.Send(third);
                    peer.Send(peer.Sign(open, third));
                    break;
                case "more than came":
                    var tooMany = peer.Sign(open, data, peer.Data(0, 1));
                    peer.Sequence = 2;
                    Send(tooMany);
                    break;
                case "nothing":
                    peer.Send(peer.SignAll());
                    break;
                case "a time before the last":
                    peer.Send(peer.Sign(open, data));
                    var last = peer.Data(0, 1);
                    peer.Send(last);
                    var early = peer.Sign(last);
                    BinaryPrimitives.WriteUInt64BigEndian(early.AsSpan(29), BinaryPrimitives.ReadUInt64BigEndian(early.AsSpan(29)) - 1);
                    peer.Send(early);
                    break;
                case "another chain":
                    peer.Send(peer.Sign(open, data));
                    var next = peer.Data(0, 1);
                    peer.Send(next);
                    var stranger = new RawPeer(every: 64);
                    stranger.Send(stranger.Sign(stranger.Open(2)));
                    stranger.Sequence = peer.Sequence;
                    peer.Send(stranger.Sign(next));
                    break;
                case "too short":
                    var whole = peer.Sign(open, data);
                    BinaryPrimitives.WriteUInt16BigEndian(whole.AsSpan(9), 89);
                    peer.Send(whole[..^1]);
                    break;
            }

            void Send(byte[] frame) => peer.Send(Renumbered(frame));

            byte[] Renumbered(byte[] frame)
            {
                Frame.WriteSequence(frame, peer.Sequence++);
                return frame;
            }

            byte[] SignWith(SessionDirection direction, int node = 2)
            {
                using var signer = new CheckpointSigner(new TestNetwork().Node(node), direction, Salts.Key(SeededEntropy.Derive(1, "secret"), true), 64);
                signer.Add(0, open);
                signer.Add(1, data);
                var frame = new byte[Checkpoint.FrameSize];
                signer.Sign(frame, peer.Time.GetUtcNow());
                return frame;
            }
        }

        Assert.True(peer.HasEnded);
        Assert.Equal(MeshError.Protocol, peer.Goodbye?.Code);
        Assert.Contains(cause, peer.Session.EndReason, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_altered_byte_of_a_checkpoint_ends_the_session()
    {
        for (var at = 11; at < Checkpoint.FrameSize; at++)
        {
            var peer = new RawPeer(every: 64);
            var open = peer.Open(0);
            peer.Send(open);
            var checkpoint = peer.Sign(open);
            checkpoint[at] ^= 0x10;
            peer.Send(checkpoint);
            Assert.True(peer.HasEnded);
        }
    }

    [Fact]
    public void A_clear_session_takes_no_checkpoint()
    {
        var peer = new RawPeer(isSealed: false, every: 64);
        var clear = new byte[SegmentHeader.Size + Checkpoint.FrameSize];
        new SegmentHeader(0, true, 0).Write(clear);
        peer.Signer.Add(0, new byte[20]);
        peer.SignAll().CopyTo(clear, SegmentHeader.Size);
        peer.Session.OnSegment(clear);
        Assert.True(peer.HasEnded);
        Assert.Equal(MeshError.Protocol, peer.Goodbye?.Code);
    }

    [Fact]
    public void Frames_without_a_signature_end_the_session_after_5_s()
    {
        var peer = new RawPeer(every: 64);
        peer.Send(peer.Open(0));
        for (var i = 0; i < 9; i++)
        {
            peer.Time.Advance(TimeSpan.FromMilliseconds(500));
            peer.Send([(byte)FrameType.Ping, 0, 0, 0, 0, 0, 0, 0, 1]);
        }

        peer.Time.Advance(TimeSpan.FromMilliseconds(499));
        Assert.False(peer.HasEnded);
        peer.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.True(peer.HasEnded);
        Assert.Equal(MeshError.Protocol, peer.Goodbye?.Code);
        Assert.Contains("no signature for 5 s", peer.Session.EndReason, StringComparison.Ordinal);
    }

    [Fact]
    public void Signing_only_the_first_of_many_frames_does_not_buy_the_others_time()
    {
        var peer = new RawPeer(every: 64);
        var frames = new List<byte[]> { peer.Open(0) };
        frames.AddRange(Enumerable.Range(0, 20).Select(_ => peer.Data(0, 1)));
        peer.Send([.. frames]);
        for (var i = 0; i < 10; i++)
        {
            peer.Time.Advance(TimeSpan.FromMilliseconds(500));
            if (!peer.HasEnded)
            {
                peer.Send(peer.Sign(frames[i]));
            }
        }

        Assert.True(peer.HasEnded);
    }

    [Fact]
    public void A_path_that_was_down_does_not_cost_the_session()
    {
        var peer = new RawPeer(every: 64);
        var (open, data) = (peer.Open(0), peer.Data(0, 1));
        peer.Send(open);
        peer.Time.Advance(TimeSpan.FromSeconds(20));
        Assert.False(peer.HasEnded);
        peer.Acknowledge();
        peer.Send(data);
        for (var i = 0; i < 8; i++)
        {
            peer.Time.Advance(TimeSpan.FromMilliseconds(600));
            peer.Send([(byte)FrameType.Ping, 0, 0, 0, 0, 0, 0, 0, 1]);
        }

        Assert.False(peer.HasEnded);
        peer.Send(peer.Sign(open, data));
        peer.Acknowledge();
        for (var i = 0; i < 100; i++)
        {
            peer.Time.Advance(TimeSpan.FromMilliseconds(500));
            peer.Send([(byte)FrameType.Ping, 0, 0, 0, 0, 0, 0, 0, 1]);
        }

        Assert.False(peer.HasEnded);
    }

    [Fact]
    public void A_path_that_is_back_and_brings_no_signature_does()
    {
        var peer = new RawPeer(every: 64);
        peer.Send(peer.Open(0));
        peer.Time.Advance(TimeSpan.FromSeconds(10));
        peer.Acknowledge();
        for (var i = 0; i < 9; i++)
        {
            peer.Time.Advance(TimeSpan.FromMilliseconds(500));
            peer.Send([(byte)FrameType.Ping, 0, 0, 0, 0, 0, 0, 0, 1]);
        }

        Assert.False(peer.HasEnded);
        peer.Time.Advance(TimeSpan.FromMilliseconds(500));
        Assert.True(peer.HasEnded);
    }

    [Fact]
    public void Nor_does_silence_put_it_off_for_ever()
    {
        var peer = new RawPeer(every: 64);
        peer.Send(peer.Open(0));
        for (var i = 0; i < 17; i++)
        {
            peer.Acknowledge();
            peer.Time.Advance(TimeSpan.FromSeconds(2));
            peer.Send([(byte)FrameType.Ping, 0, 0, 0, 0, 0, 0, 0, 1]);
        }

        Assert.False(peer.HasEnded);
        peer.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(peer.HasEnded);
        Assert.Contains("no signature for 35 s", peer.Session.EndReason, StringComparison.Ordinal);
    }

    [Fact]
    public void More_than_8192_frames_without_a_signature_end_the_session()
    {
        using var verifier = new CheckpointVerifier(new(TestIdentity.KeyOf(1).Id, TestIdentity.KeyOf(2).Id, true, 1), new TestNetwork().Node(1).Certificate, new byte[32], null);
        for (var i = 0; i < CheckpointVerifier.MaxUncovered; i++)
        {
            Assert.Null(verifier.Add((ulong)i, [0x12], 0));
        }

        Assert.NotNull(verifier.Add(CheckpointVerifier.MaxUncovered, [0x12], 0));
    }
}
