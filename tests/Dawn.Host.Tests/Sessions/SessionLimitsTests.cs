using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Sessions;

/// <summary>What one node can take of another: places, memory and time.</summary>
public class SessionLimitsTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public void Half_open_handshakes_are_bounded_and_keep_nobody_out() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        simulation.Filter = (header, _) => header.Source == a.Id || header.Target == a.Id;
        Knock(100, 0, 12);
        await simulation.Delay(1);
        Assert.Equal(SessionTable.MaxHalfOpenPerNode, b.Table.HalfOpen);
        for (var number = 101; number < 140; number++)
        {
            Knock(number, 0, 12);
        }

        // Somebody who names this very node as the source.
        Knock(1, 1_000, 12);
        await simulation.Delay(1);
        Assert.Equal(SessionTable.MaxHalfOpen, b.Table.HalfOpen);
        await SessionTests.CallAsync(a, b);
        Assert.InRange(simulation.Milliseconds, 0, 100);
        await simulation.Delay((int)SessionHandshakes.HalfOpenFor.TotalMilliseconds);
        Knock(139, 20, 1);
        await simulation.Delay(1);
        Assert.Equal(1, b.Table.HalfOpen);

        void Knock(int number, ulong firstTag, int count)
        {
            var identity = simulation.Network.Node(number);
            using var key = new StaticKey(new SeededEntropy(number));
            var handshakes = new SessionHandshakes(new(key, EncryptionMode.Required), identity, new SeededEntropy(number), simulation.Time);
            for (var tag = firstTag; tag < firstTag + (ulong)count; tag++)
            {
                using var handshake = handshakes.Create(HandshakeRole.Initiator, b.Id, tag);
                simulation.Inject(new(EnvelopeKind.Handshake, 0, 16, 1, identity.Id, b.Id, tag, 0), SessionHandshakes.Numbered(1, handshake.WriteMessage()));
            }
        }
    });

    [Fact]
    public void Sessions_with_nobody_are_opened_only_so_many_at_once() => Simulation.Run(1, async simulation =>
    {
        var a = simulation.AddNode(1);
        simulation.Cut();
        var opening = Enumerable.Range(100, 256).Select(number => a.Table.GetOrOpenAsync(simulation.Network.Node(number).Id, None).AsTask()).ToList();
        var e = await Simulation.CatchAsync<MeshException>(async () => await a.Table.GetOrOpenAsync(simulation.Network.Node(99).Id, None));
        Assert.Equal(MeshError.Limit, e.Error);
        foreach (var one in opening)
        {
            Assert.Equal(MeshError.Unreachable, (await Simulation.CatchAsync<MeshException>(() => one)).Error);
        }
    });

    [Fact]
    public void One_node_takes_only_so_many_places() => Simulation.Run(1, async simulation =>
    {
        var b = simulation.AddNode(2, SessionTests.Echo);
        for (var i = 0; i < SessionTable.MaxSessionsPerNode + 5; i++)
        {
            // As one that is killed and started again and again, and leaves a channel open each time.
            var a = i == 0 ? simulation.AddNode(1) : simulation.Restart(simulation.Node(1), (_, _, _) => Task.CompletedTask, i);
            var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", None);
            await channel.SendAsync("x"u8.ToArray(), None);
            (await channel.ReceiveAsync(None))!.Value.Dispose();
        }

        Assert.InRange(b.Table.Snapshot.Count, 1, SessionTable.MaxSessionsPerNode);
    });

    [Fact]
    public void A_dead_node_does_not_hold_a_session_for_ever_and_a_quiet_one_keeps_it() => Simulation.Run(1, async simulation =>
    {
        var (a, b) = (simulation.AddNode(1), simulation.AddNode(2, SessionTests.Echo));
        var channel = await a.Table.OpenChannelAsync(b.Id, "echo", "gateway", None);
        await channel.SendAsync("x"u8.ToArray(), None);
        (await channel.ReceiveAsync(None))!.Value.Dispose();
        await simulation.Delay(660_000);
        Assert.Single(b.Table.Snapshot);
        simulation.Swallows = true;
        await simulation.Delay(530_000);
        Assert.Single(b.Table.Snapshot);
        await simulation.Delay(140_000);
        Assert.Empty(b.Table.Snapshot);
    }, limitSeconds: 2_000);
}
