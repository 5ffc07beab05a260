using Dawn.Identity;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

public class SessionTests
{
    private static readonly PathQuality Bad = new(Loss: 0.2, Duplication: 0.1, Corruption: 0.05, MaxDelayMilliseconds: 30);

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 25)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Messages_arrive_whole_once_and_in_order_over_a_bad_path(int seed) => Simulation.Run(seed, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        await CallAsync(a, b);
        simulation.Path = Bad;
        await Task.WhenAll(Enumerable.Range(0, 3).Select(async number =>
        {
            var random = new Random(seed * 100 + number);
            await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None);
            var messages = Enumerable.Range(0, 25).Select(i => Message(random, i % 8 == 0 ? random.Next(200_000) : random.Next(2_000))).ToArray();
            var sending = SendAllAsync(channel, messages);
            foreach (var message in messages)
            {
                using var received = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
                Assert.True(message.AsSpan().SequenceEqual(received.Span), "Another message than the one sent.");
            }

            await sending;
        }));
        Assert.Equal(0, a.Table.Snapshot.Single().Channels);
        Assert.Equal("open", a.Table.Snapshot.Single().State);
    });

    [Fact]
    public void A_call_takes_two_segments_after_the_handshake_and_opening_costs_none() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        await a.Table.GetOrOpenAsync(b.Id, CancellationToken.None);
        simulation.Sent.Clear();
        var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None);
        Assert.Equal(0, await channel.SendAsync("hello"u8.ToArray(), CancellationToken.None));
        Assert.Single(simulation.Sent);
        Assert.True(channel.WasTransmitted(0));
        using var answer = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
        Assert.Equal("hello"u8, answer.Span);
    });

    [Fact]
    public void The_agent_is_told_who_calls() => Simulation.Run(1, async simulation =>
    {
        (string, Caller)? told = null;
        var a = simulation.AddNode(1);
        var b = simulation.AddNode(2, (agent, channel, caller) =>
        {
            told = (agent, caller);
            return Echo(agent, channel, caller);
        });
        await CallAsync(a, b);
        Assert.Equal(("echo", new Caller(a.Id, "gateway", CertificateRole.Member, IsLocal: false, IsSealed: true)), told);
    });

    [Fact]
    public void A_channel_without_a_message_is_opened_all_the_same() => Simulation.Run(1, async simulation =>
    {
        var a = simulation.AddNode(1);
        var b = simulation.AddNode(2, async (_, channel, _) => await channel.SendAsync("welcome"u8.ToArray(), CancellationToken.None));
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "greeter", "gateway", CancellationToken.None);
        using var message = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
        Assert.Equal("welcome"u8, message.Span);
        Assert.Null(await channel.ReceiveAsync(CancellationToken.None));
        var e = await Simulation.CatchAsync<MeshException>(async () => await channel.SendAsync(new byte[1], CancellationToken.None));
        Assert.Equal(MeshError.Lost, e.Error);
    });

    [Fact]
    public void A_refusal_comes_with_its_code_and_reason() => Simulation.Run(1, async simulation =>
    {
        var a = simulation.AddNode(1);
        var b = simulation.AddNode(2, (agent, _, _) => throw new MeshException(MeshError.UnknownAgent, $"No {agent} here."));
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "nobody", "gateway", CancellationToken.None);
        await channel.SendAsync(new byte[100], CancellationToken.None);
        var e = await Simulation.CatchAsync<MeshException>(async () => await channel.ReceiveAsync(CancellationToken.None));
        Assert.Equal((MeshError.UnknownAgent, "No nobody here."), (e.Error, e.Message));
    });

    [Fact]
    public void What_was_sent_before_a_close_arrives() => Simulation.Run(3, async simulation =>
    {
        simulation.Path = Bad;
        var received = new TaskCompletionSource<int>();
        var a = simulation.AddNode(1);
        var b = simulation.AddNode(2, async (_, channel, _) =>
        {
            var count = 0;
            while (await channel.ReceiveAsync(CancellationToken.None) is { } message)
            {
                message.Dispose();
                count++;
            }

            received.SetResult(count);
        });
        var channel = await a.Table.OpenChannelAsync(b.Id, "sink", "gateway", CancellationToken.None);
        for (var i = 0; i < 20; i++)
        {
            await channel.SendAsync(new byte[1_000], CancellationToken.None);
        }

        await channel.CloseAsync();
        Assert.Equal(20, await received.Task);
        Assert.Null(await channel.ReceiveAsync(CancellationToken.None));
    });

    [Fact]
    public void A_slow_reader_stops_its_own_sender_at_the_window_and_nobody_else() => Simulation.Run(1, async simulation =>
    {
        var read = new TaskCompletionSource();
        var a = simulation.AddNode(1);
        var b = simulation.AddNode(2, async (agent, channel, caller) =>
        {
            if (agent == "slow")
            {
                await read.Task;
            }

            await Echo(agent, channel, caller);
        });
        await using var slow = await a.Table.OpenChannelAsync(b.Id, "slow", "gateway", CancellationToken.None);
        var sent = 0;
        var sending = SendManyAsync();
        await simulation.Delay(2_000);
        Assert.False(sending.IsCompleted);
        Assert.InRange(sent, 800_000, (int)SessionChannel.Window);
        for (var i = 0; i < 20; i++)
        {
            await CallAsync(a, b, 20_000);
        }

        read.SetResult();
        for (var i = 0; i < 400; i++)
        {
            (await slow.ReceiveAsync(CancellationToken.None))!.Value.Dispose();
        }

        await sending;

        async Task SendManyAsync()
        {
            for (var i = 0; i < 400; i++)
            {
                await slow.SendAsync(new byte[4_000], CancellationToken.None);
                sent += 4_000;
            }
        }
    });

    [Fact]
    public void Before_the_accept_no_more_than_64_KiB_leave() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        await a.Table.GetOrOpenAsync(b.Id, CancellationToken.None);
        await simulation.Delay(3_000);
        simulation.Sent.Clear();
        simulation.Filter = (header, _) => header.Source != b.Id;
        var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None);
        var sending = channel.SendAsync(new byte[300_000], CancellationToken.None).AsTask();
        Assert.False(sending.IsCompleted);
        Assert.InRange(simulation.Sent.Sum(sent => sent.Payload.Length), 64 * 1024, 66 * 1024);
        simulation.Filter = (_, _) => true;
        await sending;
        using var answer = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
        Assert.Equal(300_000, answer.Span.Length);
    });

    [Fact]
    public void A_message_of_64_MiB_arrives_and_a_longer_one_is_refused_at_once() => Simulation.Run(1, async simulation =>
    {
        var length = new TaskCompletionSource<int>();
        var a = simulation.AddNode(1);
        var b = simulation.AddNode(2, async (_, channel, _) =>
        {
            using var message = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
            length.SetResult(message.Span.Length);
        });
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "sink", "gateway", CancellationToken.None);
        await Simulation.CatchAsync<ArgumentOutOfRangeException>(async () => await channel.SendAsync(new byte[MeshChannel.MaxMessage + 1], CancellationToken.None));
        await channel.SendAsync(new byte[MeshChannel.MaxMessage], CancellationToken.None);
        Assert.Equal(MeshChannel.MaxMessage, await length.Task);
    });

    [Fact]
    public void A_send_that_is_cancelled_midway_costs_neither_the_message_nor_the_channel() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        var message = Message(new Random(1), 500_000);
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None);
        using var cancel = new CancellationTokenSource();
        var sending = channel.SendAsync(message, cancel.Token).AsTask();
        Assert.False(sending.IsCompleted);
        cancel.Cancel();
        await Simulation.CatchAsync<OperationCanceledException>(() => sending);
        Assert.Equal(1, await channel.SendAsync("next"u8.ToArray(), CancellationToken.None));
        using var first = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
        using var second = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
        Assert.Equal(message, first.Span);
        Assert.Equal("next"u8, second.Span);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_path_that_comes_back_in_time_completes_the_call_once(bool swallows) => Simulation.Run(1, async simulation =>
    {
        var executed = 0;
        var a = simulation.AddNode(1);
        var b = simulation.AddNode(2, async (agent, channel, caller) =>
        {
            using var message = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
            executed++;
            await channel.SendAsync(message.Memory, CancellationToken.None);
            Assert.Null(await channel.ReceiveAsync(CancellationToken.None));
        });
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "once", "gateway", CancellationToken.None);
        if (swallows)
        {
            simulation.Swallows = true;
        }
        else
        {
            simulation.Cut();
        }

        await channel.SendAsync("do it"u8.ToArray(), CancellationToken.None);
        Assert.Equal(swallows, channel.WasTransmitted(0));
        await simulation.Delay(swallows ? 8_000 : 25_000);
        simulation.Heal();
        var healedAt = simulation.Milliseconds;
        using var answer = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
        Assert.Equal((1, "do it"), (executed, System.Text.Encoding.UTF8.GetString(answer.Span)));
        Assert.True(simulation.Milliseconds - healedAt < 100, "The change of path should have repeated what was under way at once.");
    });

    [Fact]
    public void What_was_queued_when_its_sender_closed_may_still_arrive_and_does_not_count_as_surely_not_executed() => Simulation.Run(1, async simulation =>
    {
        var executed = 0;
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, async (_, channel, _) =>
        {
            while (await channel.ReceiveAsync(CancellationToken.None) is { } message)
            {
                message.Dispose();
                executed++;
            }
        }));
        var channel = await a.Table.OpenChannelAsync(b.Id, "count", "gateway", CancellationToken.None);
        simulation.Cut();
        Assert.Equal(0, await channel.SendAsync("late"u8.ToArray(), CancellationToken.None));
        Assert.False(channel.WasTransmitted(0));
        await channel.CloseAsync();
        Assert.True(channel.WasTransmitted(0));
        Assert.False(channel.WasTransmitted(1));
        await simulation.Delay(5_000);
        simulation.Heal();
        await simulation.Delay(1_000);
        Assert.Equal(1, executed);
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_path_that_stays_away_loses_the_session_and_says_what_left(bool cut) => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None);
        await channel.SendAsync("first"u8.ToArray(), CancellationToken.None);
        (await channel.ReceiveAsync(CancellationToken.None))!.Value.Dispose();
        await simulation.Delay(1_000);
        if (cut)
        {
            simulation.Cut();
        }
        else
        {
            simulation.Swallows = true;
        }

        var sentAt = simulation.Milliseconds;
        await channel.SendAsync("second"u8.ToArray(), CancellationToken.None);
        var e = await Simulation.CatchAsync<MeshException>(async () => await channel.ReceiveAsync(CancellationToken.None));
        Assert.Equal(MeshError.Lost, e.Error);
        Assert.InRange(simulation.Milliseconds - sentAt, 29_000, 31_000);
        Assert.Equal((true, !cut), (channel.WasTransmitted(0), channel.WasTransmitted(1)));
        Assert.Empty(a.Table.Snapshot);
    });

    [Fact]
    public void What_is_in_flight_is_bounded_when_nothing_is_acknowledged() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        var channels = new List<MeshChannel>();
        for (var i = 0; i < 40; i++)
        {
            channels.Add(await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None));
            await channels[i].SendAsync(new byte[1], CancellationToken.None);
            (await channels[i].ReceiveAsync(CancellationToken.None))!.Value.Dispose();
        }

        await simulation.Delay(100);
        simulation.Sent.Clear();
        simulation.Swallows = true;
        foreach (var channel in channels)
        {
            _ = SendAllAsync(channel, [new byte[255_000]]);
        }

        await simulation.Delay(100);
        Assert.InRange(simulation.Sent.Sum(sent => (long)sent.Payload.Length), 3_900_000, SendQueue.MaxBytes + 100_000);
        simulation.Heal();
        foreach (var channel in channels)
        {
            using var answer = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
            Assert.Equal(255_000, answer.Span.Length);
        }
    });

    [Fact]
    public void An_idle_session_is_dropped_after_10_minutes() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        await CallAsync(a, b);
        await simulation.Delay(9 * 60_000);
        Assert.Single(a.Table.Snapshot);
        await simulation.Delay(62_000);
        Assert.Empty(a.Table.Snapshot);
        Assert.Empty(b.Table.Snapshot);
    }, limitSeconds: 700);

    [Fact]
    public void Stopping_says_so_to_the_other_end() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, Echo));
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", CancellationToken.None);
        await channel.SendAsync(new byte[1], CancellationToken.None);
        (await channel.ReceiveAsync(CancellationToken.None))!.Value.Dispose();
        await b.Table.StopAsync(CancellationToken.None);
        var e = await Simulation.CatchAsync<MeshException>(async () => await channel.ReceiveAsync(CancellationToken.None));
        Assert.Equal(MeshError.Stopping, e.Error);
        Assert.Empty(a.Table.Snapshot);
        Assert.Empty(b.Table.Snapshot);
    });

    internal static async Task Echo(string agent, MeshChannel channel, Caller caller)
    {
        while (await channel.ReceiveAsync(CancellationToken.None) is { } message)
        {
            using (message)
            {
                await channel.SendAsync(message.Memory, CancellationToken.None);
            }
        }
    }

    internal static async Task CallAsync(SimulatedNode from, SimulatedNode to, int length = 5)
    {
        await using var channel = await from.Table.OpenChannelAsync(to.Id, "echo", "gateway", CancellationToken.None);
        await channel.SendAsync(new byte[length], CancellationToken.None);
        using var answer = (await channel.ReceiveAsync(CancellationToken.None))!.Value;
        Assert.Equal(length, answer.Span.Length);
    }

    private static async Task SendAllAsync(MeshChannel channel, byte[][] messages)
    {
        foreach (var message in messages)
        {
            await channel.SendAsync(message, CancellationToken.None);
        }
    }

    private static byte[] Message(Random random, int length)
    {
        var message = new byte[length];
        random.NextBytes(message);
        return message;
    }
}
