using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>Does to the network what the scenario says, at times and places that the seed says.</summary>
internal sealed class Faults(World world)
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(100);

    private readonly SeededRandom _random = SeededRandom.Of(world.Settings.Seed, 4);
    private readonly Scenario _scenario = world.Settings.Scenario;

    private Simulation Simulation => world.Simulation;

    public void Plan()
    {
        var (begin, end) = (world.Settings.FaultsBegin, world.Settings.FaultsEnd);
        Simulation.At(begin, () => world.FrameRates = _scenario.Frames);
        Simulation.At(end, () => world.FrameRates = _scenario.NeverEnds ? _scenario.Frames : null);
        PlanPartition(begin, end);
        PlanCrashes(begin, end);
        foreach (var node in world.Honest.Where(_ => _random.Chance(_scenario.Slow)))
        {
            world.Network.SlowDown(node.Number, 125_000, TimeSpan.FromMilliseconds(150));
        }

        if (_scenario.ResetsPerMinute > 0 || _scenario.StallsPerMinute > 0)
        {
            for (var at = begin; at < end; at += Step)
            {
                Simulation.At(at, Disturb);
            }
        }
    }

    private void PlanPartition(TimeSpan begin, TimeSpan end)
    {
        if (!_scenario.IsPartitioned)
        {
            return;
        }

        var isThere = world.Nodes.Select(_ => _random.Chance(0.5)).ToArray();
        // Long enough to lose every link between the two, and then one that only one side notices.
        Simulation.At(begin, () => Partition((from, to) => isThere[from] != isThere[to], 1));
        Simulation.At(begin + (end - begin) * 0.7, () => Partition((from, to) => isThere[from] && !isThere[to], 2));
        Simulation.At(end, () => Partition(null, 0));
    }

    private void Partition(Func<int, int, bool>? isBlocked, int number)
    {
        Simulation.Trace(-1, TraceKind.Fault, 1, number);
        world.Network.Block(isBlocked);
    }

    private void PlanCrashes(TimeSpan begin, TimeSpan end)
    {
        // So many as the rate has it, and one at least: a small network's run is to be of its kind too.
        var mortal = world.Nodes.Where(node => _scenario.OneRelayIn == 0 || !node.IsHidden).ToArray();
        var count = _scenario.Crashes > 0 ? Math.Max(1, (int)(mortal.Length * _scenario.Crashes)) : 0;
        foreach (var node in mortal.Select(node => (Node: node, Draw: _random.Next())).OrderBy(one => one.Draw).Take(count).Select(one => one.Node))
        {
            var at = begin + (end - begin) * 0.9 * _random.Unit();
            // Where others depend on it, soon: a call waits for a path, but not for ever.
            var back = at + (_scenario.OneRelayIn > 0 ? TimeSpan.FromSeconds(1 + 7 * _random.Unit()) : (end - at) * _random.Unit());
            var silently = _random.Chance(0.5);
            Simulation.At(at, () => world.Crash(node, silently));
            Simulation.At(back, () => world.Start(node));
        }
    }

    // So many connections, each by itself, as the rates have it.
    private void Disturb()
    {
        for (var resets = Draw(_scenario.ResetsPerMinute); resets > 0 && world.Network.Connections.Count > 0; resets--)
        {
            world.Network.Connections[_random.Below(world.Network.Connections.Count)].Reset();
        }

        for (var stalls = Draw(_scenario.StallsPerMinute); stalls > 0 && world.Network.Connections.Count > 0; stalls--)
        {
            var connection = world.Network.Connections[_random.Below(world.Network.Connections.Count)];
            var until = Simulation.Elapsed + TimeSpan.FromSeconds(1 + 19 * _random.Unit());
            Simulation.Trace(connection.ToListener.From, TraceKind.Fault, 2, connection.ToListener.To);
            (_random.Chance(0.5) ? connection.ToListener : connection.ToDialer).Stall(Math.Min(until.Ticks, world.Settings.FaultsEnd.Ticks));
        }
    }

    private int Draw(double perMinute)
    {
        var expected = world.Network.Connections.Count * perMinute / 60 * Step.TotalSeconds;
        return (int)expected + (_random.Chance(expected - (int)expected) ? 1 : 0);
    }
}
