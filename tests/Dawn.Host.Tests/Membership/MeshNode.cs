using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;
using Dawn.Agents;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Routing.Modes;
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Tests.Membership;

/// <summary>A whole node but for plugins and gateway, of the production's parts, over an in-memory network. It hosts the agent <c>echo</c>.</summary>
internal sealed class MeshNode : IAsyncDisposable, IRecordPublisher
{
    public const string Secret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    private readonly TempDirectory _directory;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<(IConnectionListener Listener, Task Accepting)> _listening = [];
    private readonly AgentHost _host;
    private readonly CapturedTransport _transport;
    private readonly Lock _publishing = new();
    private ulong _sequence;
    private string[] _agents = [];
    private bool _isMeshed;
    private bool _isCrashed;

    /// <param name="directory">Of a node that has joined; null for a new member of the network with <see cref="Secret"/>.</param>
    /// <param name="isRestart">The directory is that of such a member.</param>
    public MeshNode(InMemoryNetwork network, TimeProvider time, EncryptionMode encryption = EncryptionMode.Required, TempDirectory? directory = null, bool isRestart = false)
    {
        (_directory, _time) = (directory ?? new(), time);
        Transport = new InMemoryTransport(network, IPAddress.Parse("203.0.113.1"));
        _transport = new(Transport);
        Self = NodeIdentity.Open(_directory.Open(), "home", directory is null || isRestart ? Secret : null, time, Entropy.System);
        Encryption = encryption;
        var (options, key) = (new LinkOptions { Encryption = encryption }, new StaticKey(Entropy.System));
        Records = new(Self, time, NullLogger<RecordTable>.Instance);
        Exchange = new(Records, Self, time, NullLogger<RecordExchange>.Instance);
        Admission = new(Self, new TicketStore(_directory.Open(), time), Entropy.System, time, NullLogger<Admission>.Instance);
        var handshake = new LinkHandshake(Self, key, options, Entropy.System, time, Admission);
        Links = new(Self, options, () => new LinkDispatcher(Router!, Exchange, Admission, Mesh!), time, NullLogger<LinkTable>.Instance);
        Dialer = new(scheme => scheme == "mem" ? _transport : null, handshake, Links, options, time);
        Listener = new(handshake, Links, options, time, NullLogger<LinkListener>.Instance);
        _host = new(NullLogger<AgentHost>.Instance, time);
        var acceptor = new Lazy<IChannelAcceptor>(_host);
        Peers = new(Self, Records, Random, time, NullLogger<PeerTable>.Instance);
        Modes = new(NullLogger<RoutingModes>.Instance);
        Modes.Use([new CentralizedMode(), new DecentralizedMode(), new HybridMode()], "decentralized");
        var found = new FoundWays(time);
        Router = new(Self, Modes, new(Self, Links, Peers, Records, Hubs, found), Links, found, new(), () => Sessions!, Entropy.System, time, NullLogger<Router>.Instance);
        Paths = new(Router, new(() => Keeper!), () => Sessions!.Remotes, time, NullLogger<PathFinder>.Instance);
        Keeper = new(Peers, Links, Dialer, Paths.Used, Metrics, time, NullLogger<LinkKeeper>.Instance);
        Mesh = new(Self, Records, Exchange, Peers, Links, Keeper, this, Random, Metrics, time, NullLogger<Mesh>.Instance);
        Sessions = new(Router, Self, new(key, encryption), acceptor, Entropy.System, time, NullLogger<SessionTable>.Instance, Paths);
        _ = Sessions.StartAsync(CancellationToken.None);
        Directory = new(Self, _host, Records, Router, Peers);
        Calls = new(Self, Sessions, acceptor);
        _host.TryAdd(Agent);
    }

    public NodeIdentity Self { get; }

    public NodeId Id => Self.Id;

    public EncryptionMode Encryption { get; }

    public InMemoryTransport Transport { get; }

    public RecordTable Records { get; }

    public RecordExchange Exchange { get; }

    public Admission Admission { get; }

    public LinkTable Links { get; }

    public LinkDialer Dialer { get; }

    public LinkListener Listener { get; }

    public Router Router { get; }

    public RoutingModes Modes { get; }

    public PathFinder Paths { get; }

    public Hubs Hubs { get; } = new([]);

    public SessionTable Sessions { get; }

    public Random Random { get; } = new(1);

    public MembershipMetrics Metrics { get; } = new();

    public PeerTable Peers { get; }

    public LinkKeeper Keeper { get; }

    public Mesh Mesh { get; }

    public TempDirectory Data => _directory;

    public AgentDirectory Directory { get; }

    public AgentDialer Calls { get; }

    public EchoAgent Agent { get; } = new();

    public Uri Address => ((UriEndPoint)_listening[0].Listener.EndPoint).Uri;

    public async Task<MeshNode> ListenAsync()
    {
        var listener = await _transport.BindAsync(new UriEndPoint(new Uri("mem://host:0")));
        _listening.Add((listener, Listener.RunAsync(listener, _stop.Token)));
        return this;
    }

    public Uri AddressOf(int number) => ((UriEndPoint)_listening[number].Listener.EndPoint).Uri;

    public async Task LinkToAsync(MeshNode other)
    {
        await Dialer.DialAsync(other.Address, other.Id, CancellationToken.None).WaitAsync(Patience);
        await Eventually.HoldsAsync(() => other.Router.CanReach(Id));
    }

    /// <summary>Listens, publishes a record that says where, and keeps itself in the mesh.</summary>
    public async Task<MeshNode> MeshAsync(params string[] agents)
    {
        await ListenAsync();
        (_isMeshed, _agents) = (true, agents);
        Publish(agents);
        await Keeper.StartAsync(CancellationToken.None);
        await Mesh.StartAsync(CancellationToken.None);
        return this;
    }

    /// <summary>Listens, and says where in each record that it publishes; its views and detector have no clock.</summary>
    public async Task<MeshNode> ListenAsMeshAsync()
    {
        await ListenAsync();
        (_isMeshed, _agents) = (true, ["echo"]);
        Publish(_agents);
        return this;
    }

    /// <summary>Listens elsewhere from now on, and says so.</summary>
    public async Task MoveAsync()
    {
        var (listener, _) = _listening[0];
        await listener.DisposeAsync();
        _listening.RemoveAt(0);
        await ListenAsync();
        Publish(_agents);
    }

    /// <summary>Is gone without a word, but for its directory.</summary>
    public async Task CrashAsync()
    {
        _isCrashed = true;
        foreach (var (listener, _) in _listening)
        {
            await listener.DisposeAsync();
        }

        _transport.AbortAll();
        await Keeper.StopAsync(CancellationToken.None);
        await Mesh.StopAsync(CancellationToken.None);
        await Links.CloseAllAsync(LinkEnd.Broken).WaitAsync(Patience);
    }

    void IRecordPublisher.Publish() => Publish(_agents);

    /// <summary>Signs a record and spreads it, as the node does of itself.</summary>
    public NodeRecord Publish(params string[] agents)
    {
        lock (_publishing)
        {
            return PublishOne(agents);
        }
    }

    private NodeRecord PublishOne(string[] agents)
    {
        _sequence = Math.Max(_sequence + 1, (ulong)_time.GetUtcNow().ToUnixTimeMilliseconds());
        var cards = agents.Select(id => new AgentCard(id, id, [.. new byte[32]], ["say"])).ToImmutableArray();
        var record = NodeRecord.Sign(Self, _sequence, _time.GetUtcNow(), Encryption, _isMeshed ? [.. _listening.Select(l => ((UriEndPoint)l.Listener.EndPoint).Uri)] : [], cards, out _);
        Records.Put(record, out _);
        Exchange.Spread(Id);
        return record;
    }

    /// <summary>Gives this node a record of another, newer than the one it has, as gossip would.</summary>
    public void Know(MeshNode other, ImmutableArray<NodeId> relays, params ImmutableArray<Uri> addresses)
    {
        var sequence = Math.Max((Records.Find(other.Id)?.Sequence ?? 0) + 1, (ulong)_time.GetUtcNow().ToUnixTimeMilliseconds());
        Records.Put(NodeRecord.Sign(other.Self, sequence, _time.GetUtcNow(), other.Encryption, addresses, [], out _, isRelay: true, relays), out _);
    }

    /// <summary>Says something to the echo of another node and returns what came back.</summary>
    public async Task<string> CallAsync(MeshNode other)
    {
        using var patience = new CancellationTokenSource(Patience);
        await using var channel = await Calls.DialAsync(new(other.Id, "echo"), "owner", patience.Token);
        await channel.SendAsync("""{"jsonrpc":"2.0","method":"say"}"""u8.ToArray(), patience.Token);
        using var answer = (await channel.ReceiveAsync(patience.Token))!.Value;
        return System.Text.Encoding.UTF8.GetString(answer.Span);
    }

    public DawnSettings Settings(params PeerAddress[] bootstrap) => SettingsOf(_directory.Path, Encryption, bootstrap);

    public static DawnSettings SettingsOf(string directory, EncryptionMode encryption, params PeerAddress[] bootstrap) => new()
    {
        DataDirectory = directory,
        Mode = "decentralized",
        Hubs = [],
        Listen = [],
        Advertise = [],
        Bootstrap = [.. bootstrap],
        Owners = [],
        NetworkName = "home",
        NetworkSecret = null,
        Encryption = encryption,
        CheckpointEvery = 64,
        RekeyAfter = TimeSpan.FromMinutes(10),
        KeepEvidence = false,
        EvidenceSize = 1,
        GatewayUrl = null,
        GatewayToken = null,
        GatewayCertificate = null,
        GatewayCertificatePassword = null,
        GatewayFileSize = Dawn.Gateway.GatewaySettings.MaxFileSize,
        GatewayTestHooks = false,
        TelemetryEndpoint = null,
        PluginDirectory = "",
        RelayEnabled = true,
        RelayBytesPerSecond = null,
        RelayMemory = 1,
    };

    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(30);

    public async ValueTask DisposeAsync()
    {
        await Sessions.StopAsync(CancellationToken.None);
        await Keeper.StopAsync(CancellationToken.None);
        await Mesh.StopAsync(CancellationToken.None);
        await Links.CloseAllAsync().WaitAsync(Patience);
        await _stop.CancelAsync();
        foreach (var (listener, accepting) in _listening)
        {
            await accepting.WaitAsync(Patience);
            await listener.DisposeAsync();
        }

        await _host.DisposeAsync();
        Metrics.Dispose();
        Self.Dispose();
        if (!_isCrashed)
        {
            _directory.Dispose();
        }
    }

    // So that all connections can end as they do when a process dies.
    private sealed class CapturedTransport(IPeerTransport inner) : IPeerTransport
    {
        private readonly ConcurrentBag<ConnectionContext> _connections = [];

        public IReadOnlyCollection<string> Schemes => inner.Schemes;

        public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            new CapturedListener(await inner.BindAsync(endpoint, cancellationToken), _connections);

        public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        {
            var connection = await inner.ConnectAsync(endpoint, cancellationToken);
            _connections.Add(connection);
            return connection;
        }

        public void AbortAll()
        {
            foreach (var connection in _connections)
            {
                connection.Abort();
            }
        }
    }

    private sealed class CapturedListener(IConnectionListener inner, ConcurrentBag<ConnectionContext> connections) : IConnectionListener
    {
        public EndPoint EndPoint => inner.EndPoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            var connection = await inner.AcceptAsync(cancellationToken);
            if (connection is not null)
            {
                connections.Add(connection);
            }

            return connection;
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => inner.UnbindAsync(cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}

/// <summary>Sends back what it gets, and remembers who called.</summary>
internal sealed class EchoAgent : IHostedAgent
{
    public ConcurrentQueue<Caller> Callers { get; } = [];

    public string Id => "echo";

    public string Origin => "test";

    public AgentPolicy Policy => AgentPolicy.Members;

    public AgentCard? Card { get; } = new("echo", "Echo", [.. new byte[32]], ["say"]);

    public string? Problem => null;

    public event Action? Changed
    {
        add { }
        remove { }
    }

    public async Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken)
    {
        Callers.Enqueue(caller);
        while (await channel.ReceiveAsync(cancellationToken) is { } message)
        {
            using (message)
            {
                await channel.SendAsync(message.Memory, cancellationToken);
            }
        }
    }

    public ValueTask DisposeAsync() => default;
}
