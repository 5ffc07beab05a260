using System.Collections.Concurrent;
using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Sessions;

/// <summary>What the path between the nodes does to envelopes, as parts of one.</summary>
internal sealed record PathQuality(double Loss = 0, double Duplication = 0, double Corruption = 0, int MaxDelayMilliseconds = 0);

/// <summary>
/// Nodes with real session tables over a path that errs by seed, on one thread and in virtual time: whatever is ready runs before time moves on by a millisecond.
/// </summary>
internal sealed class Simulation(int seed) : SynchronizationContext
{
    private readonly BlockingCollection<(SendOrPostCallback, object?)> _ready = [];
    private readonly Random _random = new(seed);
    private readonly PriorityQueue<(EnvelopeHeader, byte[]), (long, long)> _onTheWay = new();
    private readonly Dictionary<NodeId, SimulatedNode> _nodes = [];
    private readonly HashSet<(NodeId, ulong, ushort, ulong)> _nonces = [];
    private readonly List<SimulatedNode> _all = [];
    private long _now;
    private long _order;

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    public TestNetwork Network { get; } = new();

    public PathQuality Path { get; set; } = new();

    /// <summary>Sees each envelope as it is sent; false takes it off the way.</summary>
    public Func<EnvelopeHeader, byte[], bool> Filter { get; set; } = (_, _) => true;

    /// <summary>For the nodes that are added from now on.</summary>
    public TimeSpan RekeyAfter { get; set; } = TimeSpan.FromMinutes(10);

    public long RekeyAfterBytes { get; set; } = 1L << 36;

    /// <summary>All that was sent: header and payload.</summary>
    public List<(EnvelopeHeader Header, byte[] Payload)> Sent { get; } = [];

    /// <summary>Ports say that there is no way.</summary>
    public bool IsCut { get; private set; }

    /// <summary>Envelopes are taken and vanish.</summary>
    public bool Swallows { get; set; }

    public long Milliseconds => _now;

    public static void Run(int seed, Func<Simulation, Task> body, int limitSeconds = 300)
    {
        var before = Current;
        var simulation = new Simulation(seed);
        SetSynchronizationContext(simulation);
        try
        {
            simulation.RunUntil(body(simulation), limitSeconds * 1_000L);
        }
        finally
        {
            // Their keys are in locked memory, of which a process has little.
            simulation._all.ForEach(node => node.Table.StopAsync(CancellationToken.None));
            SetSynchronizationContext(before);
        }
    }

    /// <summary>What xunit's own would leave this thread for.</summary>
    public static async Task<T> CatchAsync<T>(Func<Task> act) where T : Exception
    {
        try
        {
            await act();
        }
        catch (T e)
        {
            return e;
        }

        throw new Xunit.Sdk.XunitException($"No {typeof(T).Name} was thrown.");
    }

    public SimulatedNode AddNode(
        int number, Func<string, MeshChannel, Caller, Task>? serve = null, EncryptionMode encryption = EncryptionMode.Required, TestNetwork? network = null,
        DateTimeOffset? notAfter = null, Func<SessionSettings, SessionSettings>? configure = null)
    {
        var node = new SimulatedNode(
            this, (network ?? Network).Node(number, notAfter: notAfter), number, serve ?? ((_, _, _) => Task.CompletedTask), encryption, configure);
        _nodes.Add(node.Id, node);
        _all.Add(node);
        return node;
    }

    /// <summary>The same node with new keys and nothing of what it knew, as after a kill.</summary>
    public SimulatedNode Restart(SimulatedNode node, Func<string, MeshChannel, Caller, Task> serve, int time = 1)
    {
        _all.Add(_nodes[node.Id] = new(this, node.Identity, seed + 1_000 * time, serve, EncryptionMode.Required));
        return _nodes[node.Id];
    }

    /// <summary>The node of that number as it is now.</summary>
    public SimulatedNode Node(int number) => _nodes[Network.Node(number).Id];

    public Task Delay(int milliseconds) => Task.Delay(TimeSpan.FromMilliseconds(milliseconds), Time);

    public void Cut()
    {
        IsCut = true;
        foreach (var node in _nodes.Values)
        {
            node.OnPathsChanged(_nodes.Keys);
        }
    }

    public void Heal()
    {
        IsCut = Swallows = false;
        foreach (var node in _nodes.Values)
        {
            node.OnHealed(_nodes.Keys);
        }
    }

    public override void Post(SendOrPostCallback d, object? state) => _ready.Add((d, state));

    public override SynchronizationContext CreateCopy() => this;

    internal bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        if (IsCut)
        {
            return false;
        }

        var bytes = payload.ToArray();
        Sent.Add((header, bytes));
        if (header.Kind == EnvelopeKind.Segment)
        {
            Assert.True(SegmentHeader.TryRead(payload, out var segment));
            Assert.True(_nonces.Add((header.Source, header.Tag, segment.Epoch, segment.Nonce)), "A nonce was used twice.");
        }

        if (Swallows || !Filter(header, bytes) || _random.NextDouble() < Path.Loss)
        {
            return true;
        }

        for (var copies = _random.NextDouble() < Path.Duplication ? 2 : 1; copies > 0; copies--)
        {
            var copy = bytes;
            if (header.Kind == EnvelopeKind.Segment && _random.NextDouble() < Path.Corruption)
            {
                copy = [.. bytes];
                copy[_random.Next(copy.Length)] ^= (byte)(1 << _random.Next(8));
            }

            _onTheWay.Enqueue((header, copy), (_now + _random.Next(Path.MaxDelayMilliseconds + 1), _order++));
        }

        return true;
    }

    /// <summary>Puts an envelope on the way as it is.</summary>
    public void Inject(in EnvelopeHeader header, byte[] payload) => _onTheWay.Enqueue((header, payload), (_now, _order++));

    private void RunUntil(Task work, long limit)
    {
        while (!work.IsCompleted)
        {
            if (_ready.TryTake(out var ready))
            {
                ready.Item1(ready.Item2);
            }
            else if (_onTheWay.TryPeek(out _, out var due) && due.Item1 <= _now)
            {
                var (header, payload) = _onTheWay.Dequeue();
                if (_nodes.TryGetValue(header.Target, out var node))
                {
                    node.Table.OnEnvelope(header with { Length = payload.Length }, payload);
                }
            }
            else if (ThreadPool.PendingWorkItemCount > 0 && Thread.Yield())
            {
                // Some of the framework's own continuations take the pool: let them through before time moves.
            }
            else
            {
                Assert.True(_now < limit, $"Not done after {limit} virtual milliseconds.");
                _now++;
                Time.Advance(TimeSpan.FromMilliseconds(1));
            }
        }

        work.GetAwaiter().GetResult();
    }
}

/// <summary>A node of a <see cref="Simulation"/>: a session table and its port.</summary>
internal sealed class SimulatedNode : IEnvelopePort, IChannelAcceptor
{
    private readonly Simulation _simulation;
    private readonly Func<string, MeshChannel, Caller, Task> _serve;
    private TaskCompletionSource _healed = new();

    public SimulatedNode(Simulation simulation, TestIdentity identity, int seed, Func<string, MeshChannel, Caller, Task> serve, EncryptionMode encryption, Func<SessionSettings, SessionSettings>? configure = null)
    {
        (_simulation, Identity, _serve) = (simulation, identity, serve);
        var entropy = new SeededEntropy(seed);
        var settings = new SessionSettings(new StaticKey(entropy), encryption) { RekeyAfter = simulation.RekeyAfter, RekeyAfterBytes = simulation.RekeyAfterBytes };
        Table = new(
            this, identity, configure?.Invoke(settings) ?? settings, new Lazy<IChannelAcceptor>(this), entropy, simulation.Time, NullLogger<SessionTable>.Instance);
        _ = Table.StartAsync(CancellationToken.None);
    }

    public event Action<IReadOnlyList<NodeId>>? PathsChanged;

    public TestIdentity Identity { get; }

    public NodeId Id => Identity.Id;

    public SessionTable Table { get; }

    public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload) => _simulation.TrySend(header, payload);

    public bool CanReach(NodeId node) => !_simulation.IsCut;

    public async ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken)
    {
        while (_simulation.IsCut)
        {
            await _healed.Task.WaitAsync(cancellationToken);
        }
    }

    public void OnHealed(IEnumerable<NodeId> nodes)
    {
        var healed = _healed;
        _healed = new();
        healed.TrySetResult();
        OnPathsChanged(nodes);
    }

    public void OnPathsChanged(IEnumerable<NodeId> nodes)
    {
        foreach (var node in nodes)
        {
            PathsChanged?.Invoke([node]);
        }
    }

    public Task AcceptAsync(string agent, MeshChannel channel, Caller caller) => _serve(agent, channel, caller);
}
