using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Agents.Node;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Plugins;
using Dawn.Routing;
using Dawn.Sessions;

namespace Dawn.Node;

/// <summary>What this node knows of itself and what its owner may do to it, gathered from its parts for the agent <c>node</c>.</summary>
internal sealed class RunningNode : INodeView, INodeControl
{
    private readonly DawnSettings _settings;
    private readonly NodeParts _parts;
    private readonly TimeProvider _time;
    private readonly long _started;

    public RunningNode(DawnSettings settings, NodeParts parts, TimeProvider time)
    {
        (_settings, _parts, _time, _started) = (settings, parts, time, time.GetTimestamp());
        Registry = new(parts.Records, parts.Self);
        parts.Directory.Changed += () => Changed?.Invoke(NodeFacts.Agents | NodeFacts.Status);
        parts.Records.Changed += _ => Changed?.Invoke(NodeFacts.Peers | NodeFacts.Registry);
        parts.Records.Conflicts.Found += _ => Changed?.Invoke(NodeFacts.Peers | NodeFacts.Registry | NodeFacts.Status);
        parts.Peers.Changed += _ => Changed?.Invoke(NodeFacts.Peers | NodeFacts.Status);
        parts.Router.PathsChanged += _ => Changed?.Invoke(NodeFacts.Links | NodeFacts.Routes | NodeFacts.Peers | NodeFacts.Status);
        parts.Modes.Changed += () => Changed?.Invoke(NodeFacts.Status | NodeFacts.Config);
        parts.Plugins.Changed += () => Changed?.Invoke(NodeFacts.Plugins | NodeFacts.Status);
        parts.Settings.Changed += () => Changed?.Invoke(NodeFacts.Config | NodeFacts.Status);
    }

    public event Action<NodeFacts>? Changed;

    /// <summary>Where the gateway answers; known once it is started.</summary>
    public Uri? GatewayUrl => _parts.Gateway?.Url;

    public NodeRegistry Registry { get; }

    public NodeSummary Identity => new(_parts.Self.Id.ToString(), _parts.Self.Network.Name, _parts.Self.Certificate.Role.ToString().ToLowerInvariant(), DawnVersion.Text);

    public ModeInfo Mode => new(_parts.Router.Mode, _parts.Modes.Available, [.. _parts.Hubs.Named.Select(hub => hub.ToString())]);

    public NodeStatus Status
    {
        get
        {
            var peers = Peers;
            return new(
                _parts.Self.Id.ToString(), _parts.Self.Network.Name, DawnVersion.Text, _parts.Router.Mode, _settings.Encryption.ToString().ToLowerInvariant(),
                (long)_time.GetElapsedTime(_started).TotalSeconds,
                [.. _parts.Listeners.Addresses.Concat(_parts.Listeners.Local).Select(PeerAddress.Text)],
                GatewayUrl is { } url ? $"{PeerAddress.Text(url)}/mcp" : null,
                Agents.Count, peers.Count(p => p.Transport is not null), peers.Count, _parts.Sessions.Snapshot.Count, Problems, _parts.Gateway?.Certificate);
        }
    }

    public IReadOnlyList<AgentInfo> Agents => NodeAgent.List(_parts.Self.Id, _parts.Directory, _parts.Host);

    public IReadOnlyList<PeerInfo> Peers
    {
        get
        {
            var links = _parts.Links.Snapshot.ToDictionary(l => l.Remote);
            return [.. from peer in _parts.Peers.Snapshot
                       let link = links.GetValueOrDefault(peer.Node)
                       select new PeerInfo(
                           peer.Node.ToString(), peer.State, [.. peer.Addresses.Select(PeerAddress.Text)],
                           link?.Address.Scheme, link is null ? null : Encryption(link.IsSealed), link is null ? null : (peer.RoundTrip ?? link.RoundTrip)?.TotalMilliseconds, peer.LearnedFrom)];
        }
    }

    public IReadOnlyList<LinkInfo> Links => [.. _parts.Links.Snapshot.OrderBy(l => l.Remote).Select(Describe)];

    public IReadOnlyList<SessionInfo> Sessions =>
        [.. _parts.Sessions.Snapshot.Select(s => new SessionInfo(s.Peer.ToString(), s.IsInitiator ? "out" : "in", Encryption(s.IsSealed), s.Channels))];

    public IReadOnlyList<RouteInfo> Routes
    {
        get
        {
            var sessions = _parts.Sessions.Snapshot;
            return [.. _parts.Router.Routes(sessions.Select(s => s.Peer)).Select(r => new RouteInfo(
                r.Target.ToString(), r.Link?.Remote.ToString(), Text(r.Kind), (RoundTrip(sessions, r.Target) ?? (r.Kind == RouteKind.Direct ? r.Link?.RoundTrip : null))?.TotalMilliseconds))];
        }
    }

    public IReadOnlyList<PluginInfo> Plugins =>
        [.. _parts.Plugins.Snapshot.Select(p => new PluginInfo(p.Name, p.Kind.ToString().ToLowerInvariant(), p.State.ToString().ToLowerInvariant(), p.Version, p.Problem))];

    public JsonObject Config => RedactedConfig.From(_parts.Configuration.GetSection(DawnConfiguration.Section));

    public NodeDiagnosis Diagnosis
    {
        get
        {
            var now = _time.GetUtcNow();
            var certificate = _parts.Self.Certificate;
            return new(
                Environment.ProcessId, now, _parts.Settings.LastRead, [.. _parts.Settings.Restart],
                certificate.Role.ToString().ToLowerInvariant(), certificate.NotAfter, _parts.Self.Root is not null,
                // A record is issued by its node's clock; only one from the future says something of the difference.
                [.. _parts.Records.Snapshot().Where(r => r.Node != _parts.Self.Id).Select(r => Math.Max(0, Math.Round((r.Issued - now).TotalSeconds, 3)))]);
        }
    }

    private IReadOnlyList<NodeProblem> Problems =>
    [
        .. from file in _parts.Configuration.Providers.OfType<EditedJsonProvider>() where file.Problem is not null select new NodeProblem("settings", file.Problem!),
        .. _parts.Settings.Restart.Select(key => new NodeProblem("settings", $"{key} was edited; it takes effect at the next start of this node ('dawn stop', then 'dawn run')")),
        .. _parts.Records.Conflicts.Own is not null
            ? (IEnumerable<NodeProblem>)[new("identity", "Two machines use the key of this node. Stop the other one, remove identity.key and network.json from its data directory, and join again there ('dawn join'); 'dawn registry conflicts' shows the proof")]
            : [],
        .. NodeAgent.Problems(_parts.Host),
        .. _parts.External.Problems.Where(p => _parts.Host.Agents.All(a => !p.Key.EndsWith(':' + a.Id, StringComparison.Ordinal))).Select(p => new NodeProblem(p.Key, p.Value)),
        .. from plugin in _parts.Plugins.Snapshot where plugin.State != PluginState.Disabled && plugin.Problem is not null select new NodeProblem(plugin.Name, plugin.Problem!),
        .. _parts.Evidence.Dropped is > 0 and var dropped
            ? (IEnumerable<NodeProblem>)[new("evidence", $"{dropped} signed checkpoints were not kept since the start: the disk is too slow, full or failing; the log says more")]
            : [],
        .. _settings.Encryption == EncryptionMode.Off
            ? (IEnumerable<NodeProblem>)[new("encryption", "Encryption is off: whoever is on the way can read and alter traffic. Set Dawn:Security:Encryption to Required")]
            : [],
    ];

    public Task<ModeInfo> SetModeAsync(string name, CancellationToken cancellationToken)
    {
        _parts.Modes.Switch(name);
        return Task.FromResult(Mode);
    }

    public Task<Invitation> InviteAsync(InvitationRequest request, CancellationToken cancellationToken)
    {
        var ticket = _parts.Admission.Invite(request.Role, request.Uses, request.Lifetime, _parts.Listeners.Addresses);
        return Task.FromResult(new Invitation(ticket.ToString(), ticket.Role.ToString().ToLowerInvariant(), request.Uses, ticket.NotAfter));
    }

    public async Task<LinkInfo> ConnectAsync(Uri address, CancellationToken cancellationToken)
    {
        if (!PeerAddress.TryParse(address.OriginalString, out var peer))
        {
            throw new ArgumentException($"'{address.OriginalString}' is no address of a node; write ws://host:7610 or ws://host:7610#<NodeId>.");
        }

        return Describe(await _parts.Dialer.DialAsync(peer!.Address, peer.Node, cancellationToken));
    }

    public async Task<bool> DisconnectAsync(string node, CancellationToken cancellationToken)
    {
        if (!_parts.Links.TryGet(_parts.Directory.ResolveNode(node), out var link))
        {
            return false;
        }

        await link.CloseAsync(LinkEnd.Done, "the owner closed it");
        return true;
    }

    public async Task<TraceInfo> TraceAsync(string address, CancellationToken cancellationToken)
    {
        var target = _parts.Directory.ResolveTarget(address);
        if (target == _parts.Self.Id)
        {
            throw new MeshException(MeshError.BadAddress, $"'{address}' is on this node, to which nothing travels. Name another node; 'dawn peers' lists them.");
        }

        await _parts.Opener.OpenPathAsync(target, cancellationToken);
        var route = _parts.Router.RouteTo(target);
        var traced = await _parts.Router.Traces.TraceAsync(target, cancellationToken);
        return new(
            target.ToString(), _parts.Router.Mode, [.. traced.Hops.Select(h => new TraceHopInfo(h.Hop, h.Node?.ToString(), h.RoundTrip?.TotalMilliseconds))], traced.IsComplete,
            Text(route.Kind), route.Link is { } link ? Encryption(link.IsSealed) : null, RoundTrip(_parts.Sessions.Snapshot, target)?.TotalMilliseconds);
    }

    public Task<PageInvitation> InvitePageAsync(CancellationToken cancellationToken)
    {
        var gateway = GatewayUrl ?? throw new InvalidOperationException("This node has no gateway, hence no page. Set Dawn:Gateway:Url.");
        var (address, notAfter) = _parts.Admission.InvitePage(gateway);
        return Task.FromResult(new PageInvitation(address.AbsoluteUri, notAfter));
    }

    public async Task<ReloadResult> ReloadAsync(CancellationToken cancellationToken)
    {
        _parts.Configuration.Reload();
        return new(await _parts.External.ReconcileAsync().WaitAsync(cancellationToken), Problems);
    }

    public void Stop() => _parts.Lifetime.StopApplication();

    private static TimeSpan? RoundTrip(IReadOnlyList<SessionStatus> sessions, NodeId node) => sessions.FirstOrDefault(s => s.Peer == node && s.RoundTrip is not null)?.RoundTrip;

    private static string Text(RouteKind kind) => kind.ToString().ToLowerInvariant();

    private static string Encryption(bool isSealed) => isSealed ? "sealed" : "clear";

    private static LinkInfo Describe(ILink link) =>
        new(link.Remote.ToString(), PeerAddress.Text(link.Address), link.IsInitiator ? "out" : "in", Encryption(link.IsSealed), link.RoundTrip?.TotalMilliseconds, link.Epoch);
}

/// <summary>The parts of a running node that its view is drawn from.</summary>
internal sealed record NodeParts(
    Identity.NodeIdentity Self,
    IConfigurationRoot Configuration,
    IAgentHost Host,
    AgentDirectory Directory,
    RecordTable Records,
    PeerTable Peers,
    Router Router,
    IPathOpener Opener,
    RoutingModes Modes,
    Hubs Hubs,
    LinkTable Links,
    LinkDialer Dialer,
    Listeners Listeners,
    Admission Admission,
    SessionTable Sessions,
    Evidence.EvidenceStore Evidence,
    PluginHost Plugins,
    Agents.External.ExternalServers External,
    SettingsWatch Settings,
    Gateway.GatewayServer? Gateway,
    IHostApplicationLifetime Lifetime);
