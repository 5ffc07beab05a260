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
using Dawn.Sessions;
using Dawn.Testing.InMemory;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Tests.Membership;

/// <summary>A whole node but for plugins and gateway, of the production's parts, over an in-memory network. It hosts the agent <c>echo</c>.</summary>
internal sealed class MeshNode : IAsyncDisposable
{
    public const string Secret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    private readonly TempDirectory _directory;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<(IConnectionListener Listener, Task Accepting)> _listening = [];
    private readonly AgentHost _host;
    private ulong _sequence;

    /// <param name="directory">Of a node that has joined; null for a new member of the network with <see cref="Secret"/>.</param>
    public MeshNode(InMemoryNetwork network, TimeProvider time, EncryptionMode encryption = EncryptionMode.Required, TempDirectory? directory = null)
    {
        (_directory, _time) = (directory ?? new(), time);
        Transport = new InMemoryTransport(network, IPAddress.Parse("203.0.113.1"));
        Self = NodeIdentity.Open(_directory.Open(), "home", directory is null ? Secret : null, time, Entropy.System);
        Encryption = encryption;
        var (options, key) = (new LinkOptions { Encryption = encryption }, new StaticKey(Entropy.System));
        Records = new(Self, time, NullLogger<RecordTable>.Instance);
        Exchange = new(Records, Self, time, NullLogger<RecordExchange>.Instance);
        Admission = new(Self, new TicketStore(_directory.Open(), time), Entropy.System, time, NullLogger<Admission>.Instance);
        var handshake = new LinkHandshake(Self, key, options, Entropy.System, time, Admission);
        Links = new(Self, options, () => new LinkDispatcher(Router!, Exchange, Admission), time, NullLogger<LinkTable>.Instance);
        Dialer = new(scheme => scheme == "mem" ? Transport : null, handshake, Links, options, time);
        Listener = new(handshake, Links, options, time, NullLogger<LinkListener>.Instance);
        Router = new(Self, new DecentralizedMode(), Links, () => Sessions!, NullLogger<Router>.Instance);
        _host = new(NullLogger<AgentHost>.Instance, time);
        var acceptor = new Lazy<IChannelAcceptor>(_host);
        Sessions = new(Router, Self, new(key, encryption), acceptor, Entropy.System, time, NullLogger<SessionTable>.Instance);
        _ = Sessions.StartAsync(CancellationToken.None);
        Directory = new(Self, _host, Records, Router);
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

    public SessionTable Sessions { get; }

    public AgentDirectory Directory { get; }

    public AgentDialer Calls { get; }

    public EchoAgent Agent { get; } = new();

    public Uri Address => ((UriEndPoint)_listening[0].Listener.EndPoint).Uri;

    public async Task<MeshNode> ListenAsync()
    {
        var listener = await Transport.BindAsync(new UriEndPoint(new Uri("mem://host:0")));
        _listening.Add((listener, Listener.RunAsync(listener, _stop.Token)));
        return this;
    }

    public Uri AddressOf(int number) => ((UriEndPoint)_listening[number].Listener.EndPoint).Uri;

    public async Task LinkToAsync(MeshNode other)
    {
        await Dialer.DialAsync(other.Address, other.Id, CancellationToken.None).WaitAsync(Patience);
        await Eventually.HoldsAsync(() => other.Router.CanReach(Id));
    }

    /// <summary>Signs a record and spreads it, as the node does of itself.</summary>
    public NodeRecord Publish(params string[] agents)
    {
        _sequence = Math.Max(_sequence + 1, (ulong)_time.GetUtcNow().ToUnixTimeMilliseconds());
        var cards = agents.Select(id => new AgentCard(id, id, [.. new byte[32]], ["say"])).ToImmutableArray();
        var record = NodeRecord.Sign(Self, _sequence, _time.GetUtcNow(), Encryption, [], cards, out _);
        Records.Put(record, out _);
        Exchange.Spread(Id);
        return record;
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
        GatewayTestHooks = false,
        PluginDirectory = "",
        RelayEnabled = true,
        RelayBytesPerSecond = null,
        RelayMemory = 1,
    };

    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(30);

    public async ValueTask DisposeAsync()
    {
        await Sessions.StopAsync(CancellationToken.None);
        await Links.CloseAllAsync().WaitAsync(Patience);
        await _stop.CancelAsync();
        foreach (var (listener, accepting) in _listening)
        {
            await accepting.WaitAsync(Patience);
            await listener.DisposeAsync();
        }

        await _host.DisposeAsync();
        Self.Dispose();
        _directory.Dispose();
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
