using CsCheck;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

public class SessionProtocolTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    public static TheoryData<string> Offences =>
    [
        "unknown frame", "reserved checkpoint", "cut off frame", "oversize segment", "ours to open", "opened twice", "opened backwards",
        "data on no channel", "data after close", "close after close", "more than the window", "accept of its own channel", "ack of what was never sent",
        "ack ranges that overlap", "early frame that breaks its layout",
    ];

    [Theory]
    [MemberData(nameof(Offences))]
    public void Breaking_the_protocol_ends_the_session_with_goodbye_4(string offence)
    {
        var peer = new RawPeer();
        peer.Send(peer.Open(0));
        Assert.False(peer.HasEnded);
        peer.Send(offence switch
        {
            "unknown frame" => [0x2f],
            "reserved checkpoint" => [0x15, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
            "cut off frame" => peer.Data(0, 100)[..50],
            "oversize segment" => new byte[SegmentHeader.MaxPlaintext + 1],
            "ours to open" => peer.Open(1),
            "opened twice" => peer.Open(0),
            "opened backwards" => [.. peer.Open(4), .. peer.Open(2)],
            "data on no channel" => peer.Data(2, 1),
            "data after close" => [.. peer.Close(0), .. peer.Data(0, 1)],
            "close after close" => [.. peer.Close(0), .. peer.Close(0)],
            "more than the window" => Flood(),
            "accept of its own channel" => peer.Make((to, s) => Frame.WriteAccept(to, s, 0, 5)),
            "ack of what was never sent" => peer.Make((to, _) => Frame.WriteAck(to, 100, [])),
            "ack ranges that overlap" => peer.Make((to, _) => Frame.WriteAck(to, 0, [(0, 1)])),
            "early frame that breaks its layout" => [.. peer.Make((to, _) => Frame.WriteData(to, 9, 0, true, "x"u8)), 0x12, 0],
            _ => throw new ArgumentOutOfRangeException(nameof(offence)),
        });
        Assert.True(peer.HasEnded);
        Assert.Equal(MeshError.Protocol, peer.Goodbye?.Code);
        Assert.Equal(1, peer.Endings);

        byte[] Flood()
        {
            for (var i = 0; i < SessionChannel.Window / 15_000; i++)
            {
                peer.Send(peer.Data(0, 15_000));
            }

            Assert.False(peer.HasEnded);
            return peer.Data(0, 15_000);
        }
    }

    [Fact]
    public async Task A_broken_protocol_reaches_those_who_wait_on_channels()
    {
        var peer = new RawPeer();
        peer.Send(peer.Open(0));
        var receiving = peer.Opened.Single().Channel.ReceiveAsync(None).AsTask();
        peer.Send([0xee]);
        var e = await Assert.ThrowsAsync<MeshException>(() => receiving);
        Assert.Equal(MeshError.Protocol, e.Error);
    }

    [Fact]
    public void What_does_not_authenticate_is_dropped_and_ends_nothing()
    {
        var peer = new RawPeer();
        var random = new Random(1);
        for (var i = 0; i < 2_000; i++)
        {
            var forged = peer.Seal([0xff, 0xff], nonce: (ulong)random.Next(100_000));
            forged[random.Next(forged.Length)] ^= (byte)(1 << random.Next(8));
            peer.Session.OnSegment(forged);
            var garbage = new byte[random.Next(300)];
            random.NextBytes(garbage);
            peer.Session.OnSegment(garbage);
            peer.Session.OnSegment(peer.Seal([0xff], nonce: 200_000, tag: 78));
        }

        Assert.False(peer.HasEnded);
        Assert.False(peer.Session.IsConfirmed);
        peer.Send(peer.Open(0));
        Assert.Single(peer.Opened);
    }

    [Fact]
    public void A_clear_segment_counts_for_nothing_in_a_sealed_session()
    {
        var peer = new RawPeer();
        var clear = new byte[SegmentHeader.Size + 1];
        new SegmentHeader(0, true, 0).Write(clear);
        clear[^1] = 0xff;
        peer.Session.OnSegment(clear);
        Assert.False(peer.HasEnded);
    }

    [Fact]
    public async Task A_replayed_segment_and_a_repeated_frame_count_once()
    {
        var peer = new RawPeer();
        var (open, data) = (peer.Open(0), peer.Data(0, 3));
        var segment = peer.Seal([.. open, .. data]);
        peer.Session.OnSegment(segment);
        peer.Session.OnSegment(segment);
        peer.Send(data);
        peer.Send(open, data);
        Assert.False(peer.HasEnded);
        var channel = Assert.Single(peer.Opened).Channel;
        Assert.Equal(3, (await channel.ReceiveAsync(None))!.Value.Span.Length);
        Assert.False(channel.ReceiveAsync(None).IsCompleted);
    }

    [Fact]
    public void Authenticated_garbage_never_throws() => Gen.Byte.Array[1, 200].Sample(bytes =>
    {
        var peer = new RawPeer();
        peer.Send(peer.Open(0));
        bytes[0] %= 0x18;
        peer.Send(bytes);
        Assert.Equal(peer.HasEnded ? 1 : 0, peer.Endings);
    }, iter: 2_000);

    [Fact]
    public async Task Frames_out_of_order_are_put_in_order()
    {
        var peer = new RawPeer();
        var frames = new List<byte[]> { peer.Open(0) };
        frames.AddRange(Enumerable.Range(1, 200).Select(i => peer.Data(0, i)));
        var random = new Random(4);
        foreach (var frame in frames.OrderBy(_ => random.Next()))
        {
            peer.Send(frame);
        }

        var channel = Assert.Single(peer.Opened).Channel;
        for (var i = 1; i <= 200; i++)
        {
            var receiving = channel.ReceiveAsync(None);
            Assert.True(receiving.IsCompleted);
            Assert.Equal(i, (await receiving)!.Value.Span.Length);
        }
    }

    [Fact]
    public void An_ack_waits_20_ms_or_for_the_second_full_segment()
    {
        var peer = new RawPeer();
        peer.Send(peer.Open(0));
        peer.Time.Advance(TimeSpan.FromMilliseconds(30));
        peer.Segments.Clear();
        peer.Send(peer.Data(0, 10));
        Assert.Empty(peer.Segments);
        peer.Time.Advance(TimeSpan.FromMilliseconds(19));
        Assert.Empty(peer.Segments);
        peer.Time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((FrameType.Ack, 2ul), (peer.Frames.Single().Type, peer.Frames.Single().Sequence));
        peer.Segments.Clear();
        peer.Send(peer.Data(0, 15_000));
        Assert.Empty(peer.Segments);
        peer.Send(peer.Data(0, 15_000));
        Assert.Equal((FrameType.Ack, 4ul), (peer.Frames.Single().Type, peer.Frames.Single().Sequence));
    }

    [Fact]
    public void A_gap_that_later_segments_prove_is_filled_at_once()
    {
        var peer = new RawPeer(initiator: false);
        var channel = peer.Session.OpenChannel("echo", "gateway");
        for (var i = 0; i < 6; i++)
        {
            Assert.True(channel.SendAsync(new byte[100], None).IsCompletedSuccessfully);
        }

        Assert.Equal(6, peer.Segments.Count);
        peer.Segments.Clear();
        // Sequences 0 and 1 were in the first segment, then one each; the second segment is missing.
        peer.Send(peer.Make((to, _) => Frame.WriteAck(to, 2, [(3, 2)])));
        Assert.Empty(peer.Segments);
        peer.Send(peer.Make((to, _) => Frame.WriteAck(to, 2, [(3, 4)])));
        Assert.Contains(peer.Frames, frame => frame is { Type: FrameType.Data, Sequence: 2 });
        Assert.DoesNotContain(peer.Frames, frame => frame is { Type: FrameType.Data, Sequence: not 2 });
    }

    [Fact]
    public void The_time_out_starts_at_one_second_and_doubles_up_to_eight()
    {
        var peer = new RawPeer(initiator: false);
        Assert.True(peer.Session.OpenChannel("echo", "gateway").SendAsync(new byte[1], None).IsCompletedSuccessfully);
        var times = new List<int>();
        for (var ms = 0; ms < 28_000; ms++)
        {
            peer.Segments.Clear();
            peer.Time.Advance(TimeSpan.FromMilliseconds(1));
            if (peer.Frames.Exists(frame => frame.Type == FrameType.Data))
            {
                times.Add(ms + 1);
            }
        }

        Assert.Equal([1_000, 3_000, 7_000, 15_000, 23_000], times);
    }

    [Fact]
    public async Task What_queues_up_behind_a_full_link_leaves_together()
    {
        var peer = new RawPeer(initiator: false);
        var channel = peer.Session.OpenChannel("echo", "gateway");
        peer.Fill();
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(i, await channel.SendAsync(new byte[100], None));
            Assert.False(channel.WasTransmitted(i));
        }

        peer.MakeRoom();
        for (var i = 0; i < 1_000 && !channel.WasTransmitted(99); i++)
        {
            await Task.Yield();
        }

        Assert.Single(peer.Segments);
        Assert.Equal(101, peer.Frames.Count(frame => frame.Type is FrameType.Open or FrameType.Data));
        Assert.True(channel.WasTransmitted(99));
        Assert.False(channel.WasTransmitted(100));
    }

    [Fact]
    public void No_more_than_4096_frames_are_in_flight()
    {
        var peer = new RawPeer(initiator: false);
        var channel = peer.Session.OpenChannel("echo", "gateway");
        var sent = 1;
        while (channel.SendAsync(Array.Empty<byte>(), None).IsCompletedSuccessfully)
        {
            sent++;
        }

        Assert.Equal(SendQueue.MaxFrames, sent);
        Assert.Equal(SendQueue.MaxFrames, peer.Frames.Count(frame => (byte)frame.Type >= Frame.FirstSequenced));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Word_that_the_session_is_unknown_counts_only_when_nothing_authentic_comes(bool answers)
    {
        var peer = new RawPeer();
        peer.Send(peer.Open(0));
        peer.Segments.Clear();
        peer.Session.Doubt();
        Assert.False(peer.Session.IsHealthy);
        var ping = peer.Frames.Single(frame => frame.Type == FrameType.Ping);
        if (answers)
        {
            peer.Send(peer.Make((to, _) => Frame.WritePing(to, FrameType.Pong, ping.Sequence)));
            Assert.True(peer.Session.IsHealthy);
        }

        peer.Time.Advance(TimeSpan.FromSeconds(1));
        peer.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(peer.HasEnded);
        peer.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(!answers, peer.HasEnded);
        Assert.Equal(answers ? 1 : 3, peer.Frames.Count(frame => frame.Type == FrameType.Ping));
    }

    [Theory]
    [InlineData("Echo", "gateway")]
    [InlineData("", "gateway")]
    [InlineData("echo", "no agent")]
    [InlineData("echo", "")]
    public void Ids_that_are_none_are_refused(string agent, string caller)
    {
        var peer = new RawPeer();
        peer.Send(peer.Open(0, agent, caller));
        Assert.Empty(peer.Opened);
        Assert.Contains(peer.Frames, frame => frame is { Type: FrameType.Close, Channel: 0, Code: (ushort)MeshError.BadAddress });
        peer.Send(peer.Data(0, 5), peer.Close(0));
        Assert.False(peer.HasEnded);
    }

    [Fact]
    public void More_than_1024_channels_are_refused_one_by_one()
    {
        var peer = new RawPeer();
        for (var i = 0u; i < 1_030; i++)
        {
            peer.Send(peer.Open(2 * i));
        }

        Assert.Equal(Session.MaxChannels, peer.Opened.Count);
        Assert.False(peer.HasEnded);
        peer.Time.Advance(TimeSpan.FromMilliseconds(50));
        Assert.Equal(6, peer.Frames.Where(frame => frame.Type == FrameType.Close).Select(frame => frame.Channel).Distinct().Count());
    }

    [Fact]
    public async Task Endless_empty_messages_close_their_channel_and_give_the_memory_back()
    {
        var peer = new RawPeer();
        peer.Send(peer.Open(0), peer.Open(2));
        for (var i = 0; i < 1_200 && !Closed(); i++)
        {
            peer.Segments.Clear();
            peer.Send([.. Enumerable.Range(0, 960).Select(_ => peer.Data(0, 0))]);
        }

        Assert.True(Closed());
        Assert.False(peer.HasEnded);
        var e = await Assert.ThrowsAsync<MeshException>(async () => await peer.Opened[0].Channel.ReceiveAsync(None));
        Assert.Equal(MeshError.Limit, e.Error);
        Assert.Contains("128 MiB", e.Message, StringComparison.Ordinal);
        Assert.Equal(0, peer.Memory.Used);

        bool Closed() => peer.Frames.Exists(frame => frame is { Type: FrameType.Close, Channel: 0, Code: (ushort)MeshError.Limit });
    }

    [Fact]
    public async Task A_message_longer_than_64_MiB_closes_its_channel()
    {
        var peer = new RawPeer();
        peer.Send(peer.Open(0));
        for (var left = MeshChannel.MaxMessage; left > 0; left -= 16_000)
        {
            peer.Segments.Clear();
            peer.Send(peer.Data(0, Math.Min(left, 16_000), ends: false));
        }

        Assert.False(peer.HasEnded);
        Assert.True(peer.Memory.Used > 0);
        peer.Send(peer.Data(0, 1));
        var e = await Assert.ThrowsAsync<MeshException>(async () => await peer.Opened[0].Channel.ReceiveAsync(None));
        Assert.Equal(MeshError.Limit, e.Error);
        Assert.Equal(0, peer.Memory.Used);
    }

    [Fact]
    public async Task A_goodbye_reaches_the_channels_with_its_code()
    {
        var peer = new RawPeer();
        peer.Send(peer.Open(0), peer.Data(0, 4));
        peer.Send(peer.Make((to, _) => Frame.WriteGoodbye(to, 6, "Good night.")));
        Assert.Null(peer.Goodbye);
        var channel = peer.Opened.Single().Channel;
        Assert.Equal(4, (await channel.ReceiveAsync(None))!.Value.Span.Length);
        var e = await Assert.ThrowsAsync<MeshException>(async () => await channel.ReceiveAsync(None));
        Assert.Equal((MeshError.Stopping, "Good night."), (e.Error, e.Message));
        peer.Send(peer.Open(2));
        Assert.Single(peer.Opened);
    }

    [Fact]
    public void A_ping_is_answered_at_once()
    {
        var peer = new RawPeer();
        peer.Send(peer.Make((to, _) => Frame.WritePing(to, FrameType.Ping, 4711)));
        Assert.Equal((FrameType.Pong, 4711ul), (peer.Frames.Single().Type, peer.Frames.Single().Sequence));
    }

    [Fact]
    public void A_replayed_ping_is_not_answered()
    {
        var peer = new RawPeer();
        var segment = peer.Seal(peer.Make((to, _) => Frame.WritePing(to, FrameType.Ping, 1)), nonce: 20_000);
        peer.Session.OnSegment(segment);
        peer.Session.OnSegment(segment);
        peer.Session.OnSegment(peer.Seal(peer.Make((to, _) => Frame.WritePing(to, FrameType.Ping, 2)), nonce: 20_000 - ReplayWindow.Size));
        Assert.Equal(1ul, peer.Frames.Single(frame => frame.Type == FrameType.Pong).Sequence);
    }

    [Fact]
    public void An_expired_certificate_ends_the_session()
    {
        var peer = new RawPeer();
        Assert.False(peer.HasEnded);
        peer.Send(peer.Open(0));
        peer.Time.SetUtcNow(new DateTimeOffset(2200, 1, 1, 0, 0, 1, TimeSpan.Zero));
        Assert.True(peer.HasEnded);
    }
}
