using System.Buffers.Binary;
using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Noise;
using Dawn.Registries.OrSet;
using Dawn.Routing;
using Dawn.Routing.Modes;
using Dawn.Sessions;
using Dawn.Testing.Simulation;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Simulator;

/// <summary>
/// One life of a node, of the production's parts. This file is all that knows which parts those are and how they are put together:
/// the world sees <see cref="Links"/>, <see cref="Sessions"/>, <see cref="Records"/> and the few methods below.
/// </summary>
internal sealed class NodeParts : IRecordPublisher
{
    private const string SequenceFile = "record.sequence";

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(8);

    private readonly SimulatedNode _node;
    private readonly TimeProvider _time;
    private readonly SeededRandom _random;
    private readonly IPeerTransport _transport;
    private readonly LinkDialer _dialer;
    private readonly LinkListener _listener;
    private readonly RecordExchange _exchange;
    private readonly LinkKeeper _keeper;
    private readonly PathFinder _paths;
    private readonly Reachability _reachability;
    private readonly AgentRegistry _registry;
    private string _title = "";

    // Nobody reads them here.
    private static readonly MembershipMetrics Metrics = new();

    /// <param name="random">For what a node may choose freely.</param>
    /// <param name="frames">Stands between the links and what handles their frames.</param>
    /// <param name="acceptor">Serves the calls of others.</param>
    public NodeParts(SimulatedNode node, SimulatedProcess process, SimulatedNetwork network, SharedRecords shared, SeededEntropy entropy, SeededRandom random, Func<ILinkHandler, ILinkHandler> frames, IChannelAcceptor acceptor)
    {
        (_node, _time, _random, _transport) = (node, process.Clock, random, network.TransportOf(process));
        var (self, options, key) = (node.Identity, new LinkOptions(), new StaticKey(entropy));
        var chance = new Random((int)(random.Next() >> 33));
        Records = new(self, _time, NullLogger<RecordTable>.Instance, null, shared.Read);
        _registry = new(new(), new Membership.RecordReader(self, _time), _ => new SimulatedLog(node.Log, process), _time, NullLogger<AgentRegistry>.Instance);
        _exchange = new(Records, self, _time, NullLogger<RecordExchange>.Instance, chance);
        var handshake = new LinkHandshake(self, key, options, entropy, _time);
        // Nobody redeems a ticket here, so that nothing reaches admission: such a link needs a ticket's PSK.
        Links = new(self, options, () => frames(new LinkDispatcher(Router!, _exchange, null!, Mesh!)), _time, NullLogger<LinkTable>.Instance);
        _dialer = new(scheme => scheme == SimulatedNetwork.Scheme ? _transport : null, handshake, Links, options, _time);
        _listener = new(handshake, Links, options, _time, NullLogger<LinkListener>.Instance);
        Peers = new(self, Records, chance, _time, NullLogger<PeerTable>.Instance);
        var (modes, found) = (new RoutingModes(NullLogger<RoutingModes>.Instance), new FoundWays(_time));
        modes.Use([new DecentralizedMode()], "decentralized");
        Router = new(self, modes, new(self, Links, Peers, Records, new([]), found), Links, found, new(), () => Sessions!, entropy, _time, NullLogger<Router>.Instance);
        _paths = new(Router, new(() => _keeper!), () => Sessions!.Remotes, _time, NullLogger<PathFinder>.Instance);
        _keeper = new(Peers, Links, _dialer, _paths.Used, Metrics, _time, NullLogger<LinkKeeper>.Instance);
        _reachability = new(Links, _keeper, Records, new([]), Router, () => !node.IsHidden);
        _reachability.Changed += () => Publish(_title);
        Mesh = new(self, Records, _exchange, Peers, Links, _keeper, this, chance, Metrics, _time, NullLogger<Mesh>.Instance);
        Sessions = new(Router, self, new(key, EncryptionMode.Required), new(acceptor), entropy, _time, NullLogger<SessionTable>.Instance, _paths);
    }

    public LinkTable Links { get; }

    public Router Router { get; }

    public SessionTable Sessions { get; }

    public RecordTable Records { get; }

    public int RecordCount => _registry.Count;

    public PeerTable Peers { get; }

    public Mesh Mesh { get; }

    /// <summary>Begins to listen, to be known and to link with these hosts. Within the process.</summary>
    public void Start(IEnumerable<SimulatedNode> neighbours)
    {
        _registry.Open(CancellationToken.None);
        Records.Use(_registry);
        _ = Sessions.StartAsync(CancellationToken.None);
        if (!_node.IsHidden)
        {
            var bound = _transport.BindAsync(new UriEndPoint(_node.Address));
            _ = _listener.RunAsync(bound.IsCompletedSuccessfully ? bound.Result : throw new InvalidOperationException("It binds at once."), CancellationToken.None);
        }

        Publish("agent");
        _ = _keeper.StartAsync(CancellationToken.None);
        _ = _paths.StartAsync(CancellationToken.None);
        _ = Mesh.StartAsync(CancellationToken.None);
        foreach (var neighbour in neighbours)
        {
            _ = KeepLinkedAsync(neighbour);
        }
    }

    /// <summary>Signs a record of itself and spreads it; the sequence is on disk before anybody sees it.</summary>
    public NodeRecord Publish(string title)
    {
        _title = title;
        var last = _node.Disk.Read(SequenceFile) is { } stored ? BinaryPrimitives.ReadUInt64BigEndian(stored) : 0;
        var record = Sign(Math.Max(last + 1, (ulong)_time.GetUtcNow().ToUnixTimeMilliseconds()), title);
        var sequence = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(sequence, record.Sequence);
        _node.Disk.Write(SequenceFile, sequence);
        _node.OnPublishing(record);
        Records.Put(record, out _);
        _exchange.Spread(_node.Id);
        return record;
    }

    void IRecordPublisher.Publish() => Publish(_title);

    /// <summary>A record as this node might publish it.</summary>
    public NodeRecord Sign(ulong sequence, string title) => NodeRecord.Sign(
        _node.Identity, sequence, _time.GetUtcNow(), EncryptionMode.Required, _node.IsHidden ? [] : [_node.Address],
        ImmutableArray.Create(new AgentCard("echo", title, [.. new byte[32]], ["say"])), out _, isRelay: true, _reachability.Relays);

    private async Task KeepLinkedAsync(SimulatedNode neighbour)
    {
        for (var pause = FirstPause; ; pause = pause * 2 < LongestPause ? pause * 2 : LongestPause)
        {
            try
            {
                var link = Links.TryGet(neighbour.Id, out var existing) ? existing : await _dialer.DialAsync(neighbour.Address, neighbour.Id, CancellationToken.None);
                _keeper.Pin(neighbour.Id);
                await link.Ended;
                pause = FirstPause;
            }
            catch (LinkDialException)
            {
                // Again, later.
            }

            await Task.Delay(pause * (0.5 + _random.Unit() / 2), _time);
        }
    }
}
