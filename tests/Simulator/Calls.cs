using System.Buffers.Binary;
using Dawn.Sessions;
using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>
/// A small load of calls, between linked nodes or, where there are relays, between any that live to the end: each is a channel on which numbered messages go out and come back. Both ends look:
/// what arrives is next in order; what came back was executed once; of what surely was not executed nothing was; and nothing ever twice.
/// </summary>
internal sealed class Calls(World world)
{
    private const int Messages = 3;
    private const int HeadSize = 12;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Dictionary<(long Call, int Message), int> _executions = [];
    private readonly List<(long Call, int Message, int By)> _notExecuted = [];
    private long _numbers;

    public long Begun => _numbers;

    public long Results { get; private set; }

    public long NotExecuted { get; private set; }

    public long Unknown { get; private set; }

    public async Task RunAsync(SimulatedNode node, SimulatedProcess process, SeededRandom random)
    {
        while (true)
        {
            await Task.Delay(world.Settings.CallEvery * (0.5 + random.Unit()), process.Clock);
            if (world.Settings.Scenario.OneRelayIn > 0)
            {
                var others = Array.FindAll(world.Nodes, other => other.IsHidden && other != node);
                if (node.IsHidden && world.Simulation.Elapsed > world.Settings.FaultsBegin)
                {
                    await CallAsync(node, process, others[random.Below(others.Length)].Number, random);
                }
            }
            else if (node.Parts!.Links.Snapshot is { Count: > 0 } links)
            {
                await CallAsync(node, process, world.NumberOf(links[random.Below(links.Count)].Remote), random);
            }
        }
    }

    public IChannelAcceptor AcceptorOf(SimulatedNode node) => new Echo(this, node);

    /// <summary>What can only be said in the end: of all that was reported as not executed, nothing was, then or later.</summary>
    public void Check()
    {
        foreach (var (call, message, by) in _notExecuted)
        {
            if (_executions.ContainsKey((call, message)))
            {
                world.Fail($"message {message} of call {call} was executed, and its caller, node {by}, was told that it surely was not", by);
            }
        }
    }

    private async Task CallAsync(SimulatedNode node, SimulatedProcess process, int target, SeededRandom random)
    {
        var (call, answered) = (_numbers++, 0);
        var numbers = new long[Messages];
        Array.Fill(numbers, -1);
        MeshChannel? channel = null;
        var (begun, cause) = (process.Clock.GetTimestamp(), "");
        world.Simulation.Trace(node.Number, TraceKind.CallBegins, target, (int)call);
        try
        {
            using var patience = new CancellationTokenSource(Patience, process.Clock);
            await using (channel = await node.Parts!.Sessions.OpenChannelAsync(world.Nodes[target].Id, "echo", "owner", patience.Token))
            {
                for (var i = 0; i < Messages; i++)
                {
                    numbers[i] = await channel.SendAsync(Message(call, i, random), patience.Token);
                }

                for (; answered < Messages; answered++)
                {
                    using var answer = await channel.ReceiveAsync(patience.Token) ?? throw new MeshException(MeshError.Lost, "It closed.");
                    if (Read(answer.Span) != (call, answered))
                    {
                        world.Fail($"call {call} of node {node.Number} to node {target}: answer {answered} is {Read(answer.Span)}", node.Number, target);
                    }
                    else if (_executions.GetValueOrDefault((call, answered)) != 1)
                    {
                        world.Fail($"call {call} of node {node.Number} to node {target}: message {answered} was answered, and executed {_executions.GetValueOrDefault((call, answered))} times", node.Number, target);
                    }
                }
            }
        }
        catch (Exception e) when (e is MeshException or OperationCanceledException)
        {
            // What a caller is told: below.
            cause = $"; after {process.Clock.GetElapsedTime(begun).TotalSeconds:0.000} s its caller was told: {e.Message}";
        }

        world.Simulation.Trace(node.Number, TraceKind.CallEnds, target, answered);
        Results += answered;
        for (var i = answered; i < Messages; i++)
        {
            if (numbers[i] >= 0 && channel!.WasTransmitted(numbers[i]))
            {
                Unknown++;
                if (world.Settings.Scenario.OneRelayIn > 0)
                {
                    world.Fail($"message {i} of call {call} of node {node.Number} to node {target} is lost, though both live and there are paths{cause}", node.Number, target);
                }
            }
            else
            {
                NotExecuted++;
                _notExecuted.Add((call, i, node.Number));
            }
        }
    }

    private static byte[] Message(long call, int number, SeededRandom random)
    {
        var message = new byte[HeadSize + random.Below(1_000)];
        BinaryPrimitives.WriteInt64BigEndian(message, call);
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(8), number);
        return message;
    }

    private static (long Call, int Message) Read(ReadOnlySpan<byte> message) =>
        message.Length < HeadSize ? (-1, -1) : (BinaryPrimitives.ReadInt64BigEndian(message), BinaryPrimitives.ReadInt32BigEndian(message[8..]));

    private sealed class Echo(Calls calls, SimulatedNode node) : IChannelAcceptor
    {
        public async Task AcceptAsync(string agent, MeshChannel channel, Caller caller)
        {
            for (var expected = 0; await channel.ReceiveAsync(CancellationToken.None) is { } message; expected++)
            {
                using (message)
                {
                    var (call, number) = Read(message.Span);
                    calls.OnExecuting(node, call, number, expected);
                    await channel.SendAsync(message.Memory, CancellationToken.None);
                }
            }
        }
    }

    private void OnExecuting(SimulatedNode node, long call, int number, int expected)
    {
        world.Simulation.Trace(node.Number, TraceKind.Executes, (int)call, number);
        if (number != expected)
        {
            world.Fail($"node {node.Number} got message {number} of call {call} where {expected} was next", node.Number);
        }

        var times = _executions[(call, number)] = _executions.GetValueOrDefault((call, number)) + 1;
        if (times > 1)
        {
            world.Fail($"node {node.Number} got message {number} of call {call} {times} times", node.Number);
        }
    }
}
