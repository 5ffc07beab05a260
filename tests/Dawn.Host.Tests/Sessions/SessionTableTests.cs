using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

public class SessionTableTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public void Concurrent_callers_share_one_handshake_and_later_ones_the_session() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => SessionTests.CallAsync(a, b)));
        await SessionTests.CallAsync(a, b);
        await b.Table.GetOrOpenAsync(a.Id, None);
        Assert.Equal(3, simulation.Sent.Count(sent => sent.Header.Kind == EnvelopeKind.Handshake));
        Assert.Single(a.Table.Snapshot);
        Assert.Single(b.Table.Snapshot);
    });

    [Theory]
    [InlineData(1, 2)]
    [InlineData(2, 2)]
    [InlineData(3, 2)]
    public void Lost_handshake_messages_are_repeated(byte number, int times) => Simulation.Run(1, async simulation =>
    {
        var lost = 0;
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        simulation.Filter = (header, payload) => header.Kind != EnvelopeKind.Handshake || payload[0] != number || ++lost > times;
        await SessionTests.CallAsync(a, b);
        Assert.InRange(simulation.Milliseconds, 1_900, 2_400);
    });

    [Fact]
    public void Segments_that_come_before_message_3_are_held() => Simulation.Run(1, async simulation =>
    {
        byte[]? last = null;
        EnvelopeHeader at = default;
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        simulation.Filter = (header, payload) =>
        {
            if (header.Kind == EnvelopeKind.Handshake && payload[0] == 3 && last is null)
            {
                (last, at) = (payload, header);
                return false;
            }

            return true;
        };
        var call = SessionTests.CallAsync(a, b);
        await simulation.Delay(200);
        Assert.False(call.IsCompleted);
        simulation.Inject(at, last!);
        await call;
        Assert.InRange(simulation.Milliseconds, 200, 300);
    });

    [Fact]
    public void Repeated_and_replayed_handshake_messages_make_no_second_session() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        simulation.Path = new(Duplication: 1);
        await SessionTests.CallAsync(a, b);
        var messages = simulation.Sent.Where(sent => sent.Header.Kind == EnvelopeKind.Handshake).ToList();
        for (var i = 0; i < 5; i++)
        {
            foreach (var (header, payload) in messages)
            {
                simulation.Inject(header, payload);
            }
        }

        await SessionTests.CallAsync(a, b);
        Assert.Single(a.Table.Snapshot);
        Assert.Single(b.Table.Snapshot);
    });

    [Fact]
    public void Message_1_repeated_is_answered_by_the_same_bytes_and_altered_by_none() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2));
        simulation.Filter = (header, _) => header.Source == a.Id;
        var opening = a.Table.GetOrOpenAsync(b.Id, None).AsTask();
        await simulation.Delay(3_500);
        var answers = simulation.Sent.Where(sent => sent.Header.Source == b.Id).ToList();
        Assert.Equal(3, answers.Count);
        Assert.All(answers, answer => Assert.Equal(answers[0].Payload, answer.Payload));
        Assert.Equal(3, answers.Select(answer => answer.Header.Id).Distinct().Count());
        var (header, first) = simulation.Sent.First(sent => sent.Header.Source == a.Id);
        first[^1] ^= 1;
        simulation.Inject(header, first);
        await simulation.Delay(10);
        Assert.Equal(3, simulation.Sent.Count(sent => sent.Header.Source == b.Id));
        await Simulation.CatchAsync<MeshException>(() => opening);
    });

    [Fact]
    public void A_forged_message_2_costs_one_repetition() => Simulation.Run(1, async simulation =>
    {
        var forged = false;
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        simulation.Filter = (header, payload) =>
        {
            if (!forged && header.Kind == EnvelopeKind.Handshake && payload[0] == 2)
            {
                forged = true;
                payload[60] ^= 1;
            }

            return true;
        };
        await SessionTests.CallAsync(a, b);
        Assert.InRange(simulation.Milliseconds, 1_000, 1_100);
        Assert.Equal(2, simulation.Sent.Where(sent => sent.Header.Kind == EnvelopeKind.Handshake && sent.Payload[0] == 1).Select(sent => sent.Header.Tag).Distinct().Count());
    });

    [Fact]
    public void Another_networks_node_gets_no_answer() => Simulation.Run(1, async simulation =>
    {
        var a = simulation.AddNode(1, network: new TestNetwork(2, "other"));
        var b = simulation.AddNode(2);
        var e = await Simulation.CatchAsync<MeshException>(async () => await a.Table.GetOrOpenAsync(b.Id, None));
        Assert.Equal(MeshError.Unreachable, e.Error);
        Assert.Contains("did not answer", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(simulation.Sent, sent => sent.Header.Source == b.Id);
        Assert.InRange(simulation.Milliseconds, 9_900, 10_100);
    });

    [Fact]
    public void A_member_cannot_pass_for_another_in_the_header() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.Network.Node(1), simulation.AddNode(2));
        var c = simulation.Network.Node(3);
        byte[]? answer = null;
        simulation.Filter = (_, payload) =>
        {
            answer = payload;
            return true;
        };
        const ulong tag = 9;
        var prologue = new WireWriter().Bytes("dawn/1 session\0"u8).NodeId(a.Id).NodeId(b.Id).UInt64(tag).ToArray();
        using var key = new StaticKey(new SeededEntropy(7));
        using var handshake = new PeerHandshake(
            HandshakeRole.Initiator, new(SigningLabel.Session.ToArray(), prologue, c.Network.Psk, EncryptionMode.Required), key, c, new SeededEntropy(8), simulation.Time);
        var header = new EnvelopeHeader(EnvelopeKind.Handshake, 0, 16, 1, a.Id, b.Id, tag, 0);
        simulation.Inject(header, [1, .. handshake.WriteMessage()]);
        await simulation.Delay(2);
        handshake.ReadMessage(answer.AsSpan(1));
        simulation.Inject(header, [3, .. handshake.WriteMessage()]);
        await simulation.Delay(2);
        Assert.Empty(b.Table.Snapshot);
    });

    [Fact]
    public void Both_ends_may_open_at_the_same_time() => Simulation.Run(1, async simulation =>
    {
        simulation.Path = new(MaxDelayMilliseconds: 5);
        var (a, b) = (simulation.AddNode(1, SessionTests.Echo), simulation.AddNode(2, SessionTests.Echo));
        await Task.WhenAll(SessionTests.CallAsync(a, b), SessionTests.CallAsync(b, a));
        await Task.WhenAll(SessionTests.CallAsync(a, b), SessionTests.CallAsync(b, a));
        Assert.Equal(2, a.Table.Snapshot.Count);
        Assert.Equal(2, b.Table.Snapshot.Count);
    });

    public static TheoryData<int, int> Modes
    {
        get
        {
            var modes = new TheoryData<int, int>();
            for (var i = 0; i < 9; i++)
            {
                modes.Add(i / 3, i % 3);
            }

            return modes;
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void Encryption_is_what_both_agree_on(int one, int other) => Simulation.Run(1, async simulation =>
    {
        bool? told = null;
        var a = simulation.AddNode(1, encryption: (EncryptionMode)one);
        var b = simulation.AddNode(2, (agent, channel, caller) =>
        {
            told = caller.IsSealed;
            return SessionTests.Echo(agent, channel, caller);
        }, (EncryptionMode)other);
        var agreement = EncryptionModes.Agree((EncryptionMode)one, (EncryptionMode)other);
        if (agreement == EncryptionAgreement.None)
        {
            var e = await Simulation.CatchAsync<MeshException>(async () => await a.Table.GetOrOpenAsync(b.Id, None));
            Assert.Equal(MeshError.Refused, e.Error);
            Assert.Contains("Dawn:Security:Encryption", e.Message, StringComparison.Ordinal);
            Assert.Empty(b.Table.Snapshot);
            return;
        }

        await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", None);
        await channel.SendAsync("plain as day"u8.ToArray(), None);
        (await channel.ReceiveAsync(None))!.Value.Dispose();
        Assert.Equal(agreement == EncryptionAgreement.Sealed, told);
        Assert.Equal(
            agreement == EncryptionAgreement.Clear,
            simulation.Sent.Exists(sent => sent.Header.Kind == EnvelopeKind.Segment && sent.Payload.AsSpan().IndexOf("plain as day"u8) >= 0));
    });

    [Fact]
    public void Garbage_envelopes_do_nothing() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        await SessionTests.CallAsync(a, b);
        var random = new Random(1);
        var tag = simulation.Sent[0].Header.Tag;
        for (var i = 0; i < 3_000; i++)
        {
            var payload = new byte[random.Next(1_200)];
            random.NextBytes(payload);
            if (payload.Length > 0)
            {
                payload[0] = (byte)random.Next(5);
            }

            simulation.Inject(new((EnvelopeKind)random.Next(5), 0, 16, 1, a.Id, b.Id, random.Next(2) == 0 ? tag : (ulong)random.Next(50), 0), payload);
        }

        await SessionTests.CallAsync(a, b);
        Assert.Single(b.Table.Snapshot);
    });

    [Fact]
    public void No_way_at_all_is_unreachable_and_a_way_in_time_is_taken() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        simulation.Cut();
        var e = await Simulation.CatchAsync<MeshException>(async () => await a.Table.GetOrOpenAsync(b.Id, None));
        Assert.Equal(MeshError.Unreachable, e.Error);
        Assert.Contains("no way", e.Message, StringComparison.Ordinal);
        var call = SessionTests.CallAsync(a, b);
        await simulation.Delay(1_500);
        Assert.False(call.IsCompleted);
        simulation.Heal();
        await call;
    });

    [Fact]
    public void Without_a_way_a_new_call_fails_soon_and_one_under_way_after_half_a_minute() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, (_, channel, _) => HoldAsync(channel)));
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", None);
        var number = await channel.SendAsync(new byte[1], None);
        await simulation.Delay(1_000);
        simulation.Cut();
        var at = simulation.Milliseconds;
        var refused = await Simulation.CatchAsync<MeshException>(async () => await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", None));
        Assert.Equal(MeshError.Unreachable, refused.Error);
        Assert.InRange(simulation.Milliseconds - at, 1_900, 2_200);

        // Everything is acknowledged, and only an answer is missing: nothing is outstanding that could time out by itself.
        var lost = await Simulation.CatchAsync<MeshException>(async () => await channel.ReceiveAsync(None));
        Assert.Equal(MeshError.Lost, lost.Error);
        Assert.True(channel.WasTransmitted(number));
        Assert.InRange(simulation.Milliseconds - at, 29_000, 32_000);

        static async Task HoldAsync(MeshChannel channel)
        {
            using var message = await channel.ReceiveAsync(None);
            await channel.ReceiveAsync(None);
        }
    });

    [Fact]
    public void A_restarted_node_is_called_anew_at_once_and_its_old_sessions_end_soon() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        await using var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", None);
        await channel.SendAsync(new byte[1], None);
        (await channel.ReceiveAsync(None))!.Value.Dispose();
        await simulation.Delay(100);
        var restarted = simulation.Restart(b, SessionTests.Echo);
        simulation.Heal();
        await simulation.Delay(50);
        var at = simulation.Milliseconds;
        await SessionTests.CallAsync(a, restarted);
        Assert.InRange(simulation.Milliseconds - at, 0, 20);
        var e = await Simulation.CatchAsync<MeshException>(async () => await channel.ReceiveAsync(None));
        Assert.Equal(MeshError.Lost, e.Error);
        Assert.InRange(simulation.Milliseconds - at, 2_000, 4_000);
    });

    [Fact]
    public void Excluding_a_node_ends_its_sessions() => Simulation.Run(1, async simulation =>
    {
        var (a, b, c) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo), simulation.AddNode(3, SessionTests.Echo));
        await SessionTests.CallAsync(a, b);
        await SessionTests.CallAsync(a, c);
        await a.Table.CloseForAsync(b.Id);
        await simulation.Delay(5);
        Assert.Equal(c.Id, Assert.Single(a.Table.Snapshot).Peer);
        Assert.Empty(b.Table.Snapshot);
    });

    [Fact]
    public void Addresses_that_are_none_are_refused_before_anything_is_sent() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2));
        foreach (var (target, agent, caller) in new[] { (b.Id, "No", "gateway"), (b.Id, "echo", ""), (a.Id, "echo", "gateway") })
        {
            var e = await Simulation.CatchAsync<MeshException>(async () => await a.Table.OpenChannelAsync(target, agent, caller, None));
            Assert.Equal(MeshError.BadAddress, e.Error);
        }

        Assert.Empty(simulation.Sent);
    });

    [Fact]
    public void A_caller_that_gives_up_does_not_spoil_it_for_the_others() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        simulation.Swallows = true;
        using var cancel = new CancellationTokenSource();
        var first = a.Table.GetOrOpenAsync(b.Id, cancel.Token).AsTask();
        var second = SessionTests.CallAsync(a, b);
        cancel.Cancel();
        await Simulation.CatchAsync<OperationCanceledException>(() => first);
        simulation.Heal();
        await second;
    });

    [Fact]
    public void Every_envelope_has_an_id_of_its_own() => Simulation.Run(1, async simulation =>
    {
        simulation.Path = new(Loss: 0.1);
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        await SessionTests.CallAsync(a, b, 100_000);
        Assert.Equal(simulation.Sent.Count, simulation.Sent.Select(sent => (sent.Header.Source, sent.Header.Id)).Distinct().Count());
    });
}
