using Dawn.Agents;
using Dawn.Agents.External;
using Dawn.Agents.Node;
using Dawn.Configuration;
using Dawn.Evidence;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Noise;
using Dawn.Plugins;
using Dawn.Routing;
using Dawn.Sessions;
using Dawn.Telemetry;
using ModelContextProtocol.Protocol;

namespace Dawn.Node;

/// <summary>Composes a node. Hosted services start in the order given here, and stop in the reverse.</summary>
internal static class NodeServices
{
    public static void AddNode(this IServiceCollection services, DawnSettings settings, IConfigurationRoot configuration, DataDirectory directory, NodeIdentity self)
    {
        // What comes from outside: the settings, the identity, time, entropy, randomness.
        services.AddSingleton(settings);
        services.AddSingleton(configuration);
        services.AddSingleton<IConfiguration>(configuration);
        services.AddSingleton(directory);
        services.AddSingleton(self);
        services.AddSingleton<INodeIdentity>(self);
        services.AddSingleton(self.Network);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(Entropy.System);
        services.AddSingleton(new Random(BitConverter.ToInt32(Entropy.System.Bytes(sizeof(int)))));

        // Agents.
        services.AddSingleton<AgentHost>();
        services.AddSingleton<IAgentHost>(s => s.GetRequiredService<AgentHost>());
        services.AddSingleton<IChannelAcceptor>(s => s.GetRequiredService<AgentHost>());
        services.AddSingleton(s => new Lazy<IChannelAcceptor>(s.GetRequiredService<IChannelAcceptor>));
        services.AddSingleton<AgentDirectory>();
        services.AddSingleton<IAgentDirectory>(s => s.GetRequiredService<AgentDirectory>());
        services.AddSingleton<IAgentDialer, AgentDialer>();
        services.AddSingleton<Func<string, IPeerTransport?>>(s => s.GetRequiredService<PluginHost>().FindTransport);
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<ExternalServers>(s));

        // Links, routing, sessions.
        services.AddSingleton(new Links.LinkOptions { Encryption = settings.Encryption, RekeyAfter = settings.RekeyAfter, Scheduler = Links.SendScheduler.Pool });
        services.AddSingleton(_ => new StaticKey(Entropy.System));
        services.AddSingleton<LinkHandshake>();
        services.AddSingleton(s => new Func<ILinkHandler>(s.GetRequiredService<LinkDispatcher>));
        services.AddSingleton<LinkTable>();
        services.AddSingleton<LinkDialer>();
        services.AddSingleton<LinkListener>();
        services.AddSingleton<LinkDispatcher>();
        services.AddSingleton<RoutingModes>();
        services.AddSingleton(new Hubs(settings.Hubs));
        services.AddSingleton<FoundWays>();
        services.AddSingleton<Topology>();
        services.AddSingleton(new RelayOptions(settings.RelayEnabled, settings.RelayBytesPerSecond, settings.RelayMemory));
        services.AddSingleton<Router>();
        services.AddSingleton<IEnvelopePort>(s => s.GetRequiredService<Router>());
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<EvidenceStore>(s, directory.File(EvidenceFile.Folder), settings.EvidenceSize, self.Network.Key));
        services.AddSingleton(s => new SessionSettings(s.GetRequiredService<StaticKey>(), settings.Encryption)
        {
            RekeyAfter = settings.RekeyAfter,
            CheckpointEvery = settings.CheckpointEvery,
            Scheduler = Links.SendScheduler.Pool,
            Evidence = settings.KeepEvidence ? s.GetRequiredService<EvidenceStore>() : null,
        });
        services.AddSingleton<SessionTable>();
        services.AddSingleton(s => new Func<IEnvelopeReceiver>(s.GetRequiredService<SessionTable>));

        // Membership.
        services.AddSingleton<IRecordReader, Membership.RecordReader>();
        services.AddSingleton<RegistryMetrics>();
        services.AddSingleton<RecordTable>();
        services.AddSingleton<RecordExchange>();
        services.AddSingleton<TicketStore>();
        services.AddSingleton<Admission>();
        services.AddSingleton<ITicketPsks>(s => s.GetRequiredService<Admission>());
        services.AddSingleton<Listeners>();
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<Reachability>(s, new Func<bool>(() => !s.GetRequiredService<Listeners>().Addresses.IsEmpty)));
        services.AddSingleton<SelfRecord>();
        services.AddSingleton<IRecordPublisher>(s => s.GetRequiredService<SelfRecord>());
        services.AddSingleton<INetworkWatch, SystemNetworkWatch>();
        services.AddSingleton<MembershipMetrics>();
        services.AddSingleton<PeerTable>();
        // Late, since sessions in turn have links opened.
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<LinkKeeper>(s, new Func<IReadOnlySet<NodeId>>(s.GetRequiredService<PathFinder>().Used)));
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<PathFinder>(
            s, new Lazy<LinkKeeper>(s.GetRequiredService<LinkKeeper>), new Func<IReadOnlyList<NodeId>>(() => s.GetRequiredService<SessionTable>().Remotes)));
        services.AddSingleton<IPathOpener>(s => s.GetRequiredService<PathFinder>());
        services.AddSingleton<RoutingMetrics>();
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<Mesh>(s, new Func<NodeId, bool>(s.GetRequiredService<Router>().MayLink)));
        services.AddSingleton<NetworkFollower>();
        services.AddSingleton<Bootstrapper>();
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<PeerDiscoveries>(
            s, new Func<IReadOnlyList<IPeerDiscovery>>(() => s.GetRequiredService<PluginHost>().Discoveries), new Func<IReadOnlyList<Uri>>(() => s.GetRequiredService<Listeners>().Addresses)));

        // Gateway.
        services.AddSingleton(GatewayOf(settings));
        services.AddSingleton<GatewayMetrics>();
        services.AddSingleton<LegDialer>();
        services.AddSingleton<LegPool>();
        services.AddSingleton<Catalog>();
        services.AddSingleton<AggregateRelay>();
        services.AddSingleton<HttpRelays>();
        services.AddSingleton<WebSocketRelays>();
        services.AddSingleton(s => new LinkEndpoint(s.GetRequiredService<LinkListener>().ServeAsync, TimeProvider.System));
        services.AddSingleton<Readiness>();
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<GatewayServer>(s, self.Id, OwnerToken.LoadOrCreate(directory, Entropy.System)));
        services.AddSingleton<Func<ITransport, string, CancellationToken, Task>>(s => s.GetRequiredService<AggregateRelay>().ServeAsync);
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<ControlSocket>(s, directory.Path));

        // The node as an agent.
        services.AddSingleton<NodeParts>();
        services.AddSingleton<RunningNode>();
        services.AddSingleton<INodeView>(s => s.GetRequiredService<RunningNode>());
        services.AddSingleton<INodeControl>(s => s.GetRequiredService<RunningNode>());
        services.AddSingleton(new NodeOwners(settings.Owners.ToHashSet()));
        services.AddSingleton<NodeAgent>();
        services.AddSingleton<SettingsWatch>();

        // First: from now on a bad edit is refused.
        services.AddHostedService(s => s.GetRequiredService<SettingsWatch>());
        // Before the first span, and after the last.
        services.AddHostedService<TraceExport>();
        // Stops after the sessions, whose last signatures it keeps.
        services.AddHostedService(s => s.GetRequiredService<EvidenceStore>());
        services.AddHostedService(s => s.GetRequiredService<SessionTable>());
        // Copies of what is loaded lie in the data directory, so that a killed node's are cleared by its next start.
        services.AddPlugins(new PluginHostOptions(settings.PluginDirectory, directory.File("loaded-plugins")));
        // Before anything is merged, and until everything has been.
        services.AddHostedService<RegistryStart>();
        services.AddHostedService<RoutingStart>();
        services.AddHostedService(s => s.GetRequiredService<RoutingMetrics>());
        services.AddHostedService(s => s.GetRequiredService<ExternalServers>());
        services.AddHostedService(s => s.GetRequiredService<Catalog>());
        services.AddHostedService(s => s.GetRequiredService<GatewayServer>());
        services.AddHostedService(s => s.GetRequiredService<ControlSocket>());
        services.AddHostedService<NodeLife>();
        // Only now, when all that a neighbour may ask for is there.
        services.AddHostedService(s => s.GetRequiredService<Listeners>());
        services.AddHostedService(s => s.GetRequiredService<LinkEndpoint>());
        services.AddHostedService(s => s.GetRequiredService<SelfRecord>());
        services.AddHostedService(s => s.GetRequiredService<LinkKeeper>());
        services.AddHostedService(s => s.GetRequiredService<PathFinder>());
        services.AddHostedService(s => s.GetRequiredService<Mesh>());
        services.AddHostedService(s => s.GetRequiredService<NetworkFollower>());
        services.AddHostedService(s => s.GetRequiredService<Bootstrapper>());
        services.AddHostedService(s => s.GetRequiredService<PeerDiscoveries>());
    }

    public static GatewaySettings GatewayOf(DawnSettings settings) => new(
        settings.GatewayUrl, settings.GatewayToken,
        settings.GatewayCertificate is { } path ? new GatewayCertificate(path, settings.GatewayCertificatePassword) : null,
        settings.GatewayTestHooks, settings.GatewayFileSize);
}
