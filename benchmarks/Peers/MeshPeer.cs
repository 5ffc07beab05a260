using System.Collections.Concurrent;
using System.Reflection;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Benchmarks.Peers;

/// <summary>A member of a network by its secret.</summary>
internal sealed record PeerIdentity(SigningKey Key, NetworkKeys Network, Certificate Certificate) : INodeIdentity
{
    public NodeId Id => Key.Id;

    public static PeerIdentity Create(ReadOnlySpan<byte> root)
    {
        var (psk, network) = NetworkSecret.Derive(root);
        using (network)
        {
            var key = new SigningKey(Entropy.System.Bytes(32));
            var certificate = Certificate.Issue(network, key.Id, CertificateRole.Member, Entropy.System.UInt64(), DateTimeOffset.UtcNow.AddDays(1));
            return new(key, new("benchmark", psk, network.Id), certificate);
        }
    }

    public byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => Key.Sign(label, content);
}

/// <summary>The host's links and sessions over a real transport, without the node around them: no agents, no gateway, neighbours alone.</summary>
internal sealed class MeshPeer : ILinkHandler, IEnvelopePort, IChannelAcceptor, IAsyncDisposable
{
    private readonly PeerIdentity _identity;
    private readonly Func<MeshChannel, Task>? _serve;
    private readonly ConcurrentDictionary<NodeId, ILink> _links = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly LinkTable _table;
    private readonly LinkDialer _dialer;
    private readonly LinkListener _listener;

    public MeshPeer(PeerIdentity identity, StaticKey key, IPeerTransport transport, Func<MeshChannel, Task>? serve = null)
    {
        (_identity, _serve) = (identity, serve);
        var (options, time) = (new LinkOptions(), TimeProvider.System);
        var handshake = new LinkHandshake(identity, key, options, Entropy.System, time);
        _table = new(identity, options, () => this, time, NullLogger<LinkTable>.Instance);
        _dialer = new(_ => transport, handshake, _table, options, time);
        _listener = new(handshake, _table, options, time, NullLogger<LinkListener>.Instance);
        Sessions = new(
            this, identity, new(key, EncryptionMode.Required), new Lazy<IChannelAcceptor>(this), Entropy.System, time, NullLogger<SessionTable>.Instance);
    }

    public event Action<IReadOnlyList<NodeId>>? PathsChanged;

    public NodeId Id => _identity.Id;

    public SessionTable Sessions { get; }

    /// <summary>The transport of a scheme, from its plugin as a node would have it.</summary>
    public static IPeerTransport TransportOf(string scheme)
    {
        var plugin = Assembly.Load(scheme == "tcp" ? "Dawn.Transports.Tcp" : "Dawn.Transports.WebSockets");
        var services = new ServiceCollection().AddLogging().AddOptions().AddSingleton(TimeProvider.System);
        ((IDawnPlugin)Activator.CreateInstance(plugin.GetCustomAttribute<DawnPluginAttribute>()!.Entry)!).ConfigureServices(services, new ConfigurationBuilder().Build());
        return services.BuildServiceProvider().GetRequiredService<IPeerTransport>();
    }

    public Task<ILink> DialAsync(Uri address, NodeId node, CancellationToken cancellationToken) => _dialer.DialAsync(address, node, cancellationToken);

    /// <summary>Listens, and serves until it is disposed.</summary>
    public async Task<Uri> ListenAsync(IPeerTransport transport, Uri address)
    {
        await Sessions.StartAsync(CancellationToken.None);
        var listener = await transport.BindAsync(new UriEndPoint(address));
        _ = _listener.RunAsync(listener, _stopping.Token);
        return ((UriEndPoint)listener.EndPoint).Uri;
    }

    public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        if (!_links.TryGetValue(header.Target, out var link))
        {
            return false;
        }

        Span<byte> head = stackalloc byte[EnvelopeHeader.Size];
        header.Write(head);
        return link.TrySend(LinkFrame.Envelope, head, payload);
    }

    public bool CanReach(NodeId node) => _links.ContainsKey(node);

    public ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken) =>
        _links.TryGetValue(node, out var link) ? link.WaitForRoomAsync(cancellationToken) : throw new MeshException(MeshError.Unreachable, "The link is gone.");

    public void OnUp(ILink link)
    {
        _links[link.Remote] = link;
        PathsChanged?.Invoke([link.Remote]);
    }

    // A real node also sends records, which are of no use here.
    public void OnFrame(ILink link, LinkFrame type, ReadOnlySpan<byte> body)
    {
        if (type == LinkFrame.Envelope && EnvelopeHeader.TryRead(body, out var header))
        {
            Sessions.OnEnvelope(header, body[EnvelopeHeader.Size..]);
        }
    }

    public void OnDown(ILink link, LinkEnd reason)
    {
        _links.TryRemove(KeyValuePair.Create(link.Remote, link));
        PathsChanged?.Invoke([link.Remote]);
    }

    public Task AcceptAsync(string agent, MeshChannel channel, Caller caller) => _serve?.Invoke(channel) ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Sessions.StopAsync(CancellationToken.None);
        await _table.CloseAllAsync();
    }
}
