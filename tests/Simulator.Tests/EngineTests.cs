using System.IO.Pipelines;
using System.Text;
using Dawn.Testing.Simulation;
using Microsoft.AspNetCore.Connections;
using Xunit;

namespace Dawn.Simulator.Tests;

public sealed class EngineTests
{
    [Fact]
    public void TimersFireInTheOrderOfTimeAndThenOfSetting()
    {
        using var simulation = new Simulation(1, 1);
        var fired = new List<string>();
        var process = new SimulatedProcess(simulation, 0, TimeSpan.FromMinutes(3));
        process.Run(() =>
        {
            foreach (var (name, after) in new[] { ("c", 30), ("a", 10), ("b1", 20), ("b2", 20), ("cancelled", 15) })
            {
                var timer = process.Clock.CreateTimer(_ => fired.Add($"{name} at {simulation.Elapsed.TotalMilliseconds}"), null, TimeSpan.FromMilliseconds(after), Timeout.InfiniteTimeSpan);
                if (name == "cancelled")
                {
                    timer.Dispose();
                }
            }
        });
        simulation.Run(TimeSpan.FromSeconds(1));

        Assert.Equal(["a at 10", "b1 at 20", "b2 at 20", "c at 30"], fired);
        Assert.Equal(TimeSpan.FromSeconds(1), simulation.Elapsed);
        Assert.Equal(VirtualTime.Start + TimeSpan.FromSeconds(181), process.Clock.GetUtcNow());
    }

    [Fact]
    public void TheQueueGivesBackWhatWasPutInByTime()
    {
        using var simulation = new Simulation(1, 1);
        var random = new SeededRandom(5);
        var fired = new List<long>();
        var timers = Enumerable.Range(0, 2_000)
            .Select(_ => simulation.World.Clock.CreateTimer(_ => fired.Add(simulation.Now), null, TimeSpan.FromTicks(random.Below(1_000_000)), Timeout.InfiniteTimeSpan)).ToArray();
        foreach (var timer in timers.Where(_ => random.Chance(0.5)))
        {
            timer.Change(TimeSpan.FromTicks(random.Below(1_000_000)), Timeout.InfiniteTimeSpan);
        }

        simulation.Run(TimeSpan.FromSeconds(1));
        Assert.Equal(2_000, fired.Count);
        Assert.Equal(fired.Order(), fired);
    }

    [Fact]
    public void WhatTheDeadWantedToDoDoesNotHappen()
    {
        using var simulation = new Simulation(1, 1);
        var process = new SimulatedProcess(simulation, 0, TimeSpan.Zero);
        var said = new List<string>();
        process.Run(() => _ = LiveAsync());
        simulation.At(TimeSpan.FromSeconds(2.5), process.Kill);
        simulation.Run(TimeSpan.FromSeconds(10));

        Assert.Equal(["1", "2"], said);

        async Task LiveAsync()
        {
            try
            {
                for (var i = 1; ; i++)
                {
                    await Task.Delay(TimeSpan.FromSeconds(1), process.Clock);
                    said.Add($"{i}");
                }
            }
            finally
            {
                said.Add("its finally block");
            }
        }
    }

    [Fact]
    public void WhatLeavesTheThreadFailsTheRunAndIsShown()
    {
        using var simulation = new Simulation(1, 1);
        var process = new SimulatedProcess(simulation, 0, TimeSpan.Zero);
        process.Run(() => _ = EscapeAsync());
        var e = Assert.Throws<SimulationException>(() => simulation.Run(TimeSpan.FromSeconds(1)));

        Assert.Contains(nameof(ReadClock), e.Message, StringComparison.Ordinal);

        async Task EscapeAsync()
        {
            var done = new ManualResetEventSlim();
            var thread = new Thread(() =>
            {
                ReadClock(process);
                done.Set();
            });
            thread.Start();
            done.Wait(TestContext.Current.CancellationToken);
            await Task.Yield();
        }
    }

    [Fact]
    public void WhatNeverRestsFailsTheRun()
    {
        using var simulation = new Simulation(1, 1);
        simulation.World.Run(() => _ = SpinAsync());
        var e = Assert.Throws<SimulationException>(() => simulation.Run(TimeSpan.FromSeconds(1)));

        Assert.Contains("does not come to rest", e.Message, StringComparison.Ordinal);

        static async Task SpinAsync()
        {
            while (true)
            {
                await Task.Yield();
            }
        }
    }

    [Fact]
    public void BytesArriveLateWholeAndInOrderAndAPartitionHoldsThemBack()
    {
        var (arrived, broke) = (new List<(string Text, double At)>(), false);
        Carry(async (network, dialed) =>
        {
            await dialed.Transport.Output.WriteAsync("one"u8.ToArray());
            await Task.Delay(TimeSpan.FromSeconds(1), network.Simulation.World.Clock);
            network.Block((from, to) => from == 0 && to == 1);
            await dialed.Transport.Output.WriteAsync("two"u8.ToArray());
            await dialed.Transport.Output.WriteAsync("three"u8.ToArray());
            await Task.Delay(TimeSpan.FromSeconds(5), network.Simulation.World.Clock);
            network.Block(null);
            await Task.Delay(TimeSpan.FromSeconds(1), network.Simulation.World.Clock);
            network.Connections[0].Reset();
        }, arrived, () => broke = true);

        Assert.Equal(["one", "twothree"], arrived.GroupBy(piece => (int)piece.At / 5).Select(group => string.Concat(group.Select(piece => piece.Text))));
        Assert.InRange(arrived[0].At, 0.002, 0.5);
        Assert.InRange(arrived[1].At, 6, 6.5);
        Assert.True(broke);
    }

    [Fact]
    public void NobodyHearsOfAMachineThatIsGone()
    {
        var (arrived, broke) = (new List<(string Text, double At)>(), false);
        Carry(async (network, dialed) =>
        {
            await dialed.Transport.Output.WriteAsync("one"u8.ToArray());
            await Task.Delay(TimeSpan.FromSeconds(1), network.Simulation.World.Clock);
            network.Kill(0, silently: true);
        }, arrived, () => broke = true);

        Assert.Equal(["one"], arrived.Select(piece => piece.Text));
        Assert.False(broke);
    }

    private static void ReadClock(SimulatedProcess process) => process.Clock.GetUtcNow();

    // Host 0 dials host 1, which notes what arrives and how it ends.
    private static void Carry(Func<SimulatedNetwork, ConnectionContext, Task> send, List<(string Text, double At)> arrived, Action onBroken)
    {
        using var simulation = new Simulation(3, 2);
        var network = new SimulatedNetwork(simulation, 2, new(), 3);
        var (dialer, listener) = (new SimulatedProcess(simulation, 0, TimeSpan.Zero), new SimulatedProcess(simulation, 1, TimeSpan.Zero));
        listener.Run(() => _ = ReceiveAsync());
        dialer.Run(() => _ = SendAsync());
        simulation.Run(TimeSpan.FromSeconds(20));

        async Task SendAsync() => await send(network, await network.TransportOf(dialer).ConnectAsync(new UriEndPoint(SimulatedNetwork.AddressOf(1))));

        async Task ReceiveAsync()
        {
            var bound = await network.TransportOf(listener).BindAsync(new UriEndPoint(SimulatedNetwork.AddressOf(1)));
            var connection = (await bound.AcceptAsync())!;
            try
            {
                for (ReadResult read = default; !read.IsCompleted;)
                {
                    read = await connection.Transport.Input.ReadAsync();
                    arrived.Add((Encoding.UTF8.GetString(read.Buffer), simulation.Elapsed.TotalSeconds));
                    connection.Transport.Input.AdvanceTo(read.Buffer.End);
                }
            }
            catch (ConnectionResetException)
            {
                onBroken();
            }
        }
    }
}
