using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Sessions;
using ModelContextProtocol.Server;

namespace Dawn.Tests.Gateway;

/// <summary>A network of agents in this process: it dials, knows who is online, and breaks channels on demand.</summary>
internal sealed class FakeNetwork : IAgentDialer, IAgentDirectory
{
    private readonly Lock _lock = new();
    private readonly List<(AgentEntry Entry, Func<MeshChannel, Task> Serve)> _agents = [];
    private readonly List<(AgentAddress Agent, TestChannel Caller)> _channels = [];
    private int _dials;

    public static NodeId Here { get; } = Node(1);

    public static NodeId There { get; } = Node(2);

    public event Action? Changed;

    public int Dials => Volatile.Read(ref _dials);

    /// <summary>Who called, as agents saw it.</summary>
    public List<string> Callers { get; } = [];

    /// <summary>What dialling waits for; completed at first.</summary>
    public Func<AgentAddress, Task> Way { get; set; } = _ => Task.CompletedTask;

    public ImmutableArray<AgentEntry> Snapshot
    {
        get
        {
            lock (_lock)
            {
                return [.. _agents.Select(agent => agent.Entry)];
            }
        }
    }

    public static NodeId Node(byte number) => new(Enumerable.Repeat(number, NodeId.Size).ToArray());

    /// <summary>Adds an agent that an SDK server with these options serves, one for each conversation.</summary>
    public AgentAddress Add(string id, NodeId node, Func<McpServerOptions> options) => Add(id, node, async channel =>
    {
        await using var transport = new ChannelTransport(id, channel, ownsChannel: true);
        await using var server = McpServer.Create(transport, options());
        await server.RunAsync();
    });

    public AgentAddress Add(string id, NodeId node, Func<MeshChannel, Task> serve)
    {
        var address = new AgentAddress(node, id);
        lock (_lock)
        {
            _agents.Add((new AgentEntry(address, new(id, id, Digest("1"), []), node == Here, Online: true, IsShared: true), serve));
        }

        Changed?.Invoke();
        return address;
    }

    public void Remove(AgentAddress address)
    {
        lock (_lock)
        {
            _agents.RemoveAll(agent => agent.Entry.Address == address);
        }

        Changed?.Invoke();
    }

    public void Update(AgentAddress address, Func<AgentEntry, AgentEntry> change)
    {
        lock (_lock)
        {
            var at = _agents.FindIndex(agent => agent.Entry.Address == address);
            _agents[at] = (change(_agents[at].Entry), _agents[at].Serve);
        }

        Changed?.Invoke();
    }

    /// <summary>Says that an agent's lists are others now.</summary>
    public void NewDigest(AgentAddress address, string digest) => Update(address, entry => entry with { Card = entry.Card with { Digest = Digest(digest) } });

    /// <summary>Breaks all channels to an agent, as when a path is lost.</summary>
    public async Task BreakAsync(AgentAddress address, bool transmitted = true)
    {
        (AgentAddress Agent, TestChannel Caller)[] channels;
        lock (_lock)
        {
            channels = [.. _channels.Where(channel => channel.Agent == address)];
        }

        foreach (var (_, caller) in channels)
        {
            caller.Transmitted = transmitted;
            await caller.CloseAsync(MeshError.Lost, "The path was lost.");
        }
    }

    public async ValueTask<MeshChannel> DialAsync(AgentAddress target, string callerAgent, CancellationToken cancellationToken)
    {
        await Way(target).WaitAsync(cancellationToken);
        Func<MeshChannel, Task> serve;
        TestChannel channel;
        var (caller, agent) = LocalChannel.CreatePair();
        lock (_lock)
        {
            Interlocked.Increment(ref _dials);
            Callers.Add(callerAgent);
            serve = _agents.FirstOrDefault(known => known.Entry.Address == target).Serve ?? throw new MeshException(MeshError.Unreachable, $"No way to {target}.");
            channel = new TestChannel(caller);
            _channels.Add((target, channel));
        }

        _ = Task.Run(() => serve(agent), CancellationToken.None);
        return channel;
    }

    public AgentAddress Resolve(string text)
    {
        var parts = text.Split(':');
        var found = Snapshot.Select(entry => entry.Address)
            .Where(address => parts.Length == 1 ? address.Agent == text : address.Agent == parts[1] && address.Node.ToString().StartsWith(parts[0], StringComparison.Ordinal))
            .OrderByDescending(address => address.Node == Here)
            .ToArray();
        return found.Length > 0
            ? found[0]
            : throw new MeshException(MeshError.UnknownAgent, $"No agent '{text}'. There are: {string.Join(", ", Snapshot.Select(entry => entry.Address))}.");
    }

    private static ImmutableArray<byte> Digest(string text) => [.. SHA256.HashData(Encoding.UTF8.GetBytes(text))];

    internal sealed class TestChannel(MeshChannel inner) : MeshChannel
    {
        public bool Transmitted { get; set; } = true;

        public override ValueTask<long> SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken) => inner.SendAsync(message, cancellationToken);

        public override ValueTask<MessageBuffer?> ReceiveAsync(CancellationToken cancellationToken) => inner.ReceiveAsync(cancellationToken);

        public override bool WasTransmitted(long messageNumber) => Transmitted && inner.WasTransmitted(messageNumber);

        public override ValueTask CloseAsync(MeshError error = MeshError.None, string? reason = null) => inner.CloseAsync(error, reason);
    }
}
