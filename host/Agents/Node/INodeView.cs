using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Dawn.Agents.Node;

/// <summary>What the node knows about itself and its network, as the agent <c>node</c> tells it. Thread-safe; each property is a fresh snapshot.</summary>
internal interface INodeView
{
    NodeSummary Identity { get; }

    NodeStatus Status { get; }

    ModeInfo Mode { get; }

    IReadOnlyList<AgentInfo> Agents { get; }

    IReadOnlyList<PeerInfo> Peers { get; }

    IReadOnlyList<LinkInfo> Links { get; }

    IReadOnlyList<SessionInfo> Sessions { get; }

    IReadOnlyList<RouteInfo> Routes { get; }

    IReadOnlyList<PluginInfo> Plugins { get; }

    NodeRegistry Registry { get; }

    /// <summary>The settings in force, without secrets (see <see cref="RedactedConfig"/>).</summary>
    JsonObject Config { get; }

    /// <summary>What only the process itself knows of its health; for the owner.</summary>
    NodeDiagnosis Diagnosis { get; }

    /// <summary>Follows the way to a node hop by hop, after opening one where there is none.</summary>
    /// <param name="address">Of an agent, as calls take it, or a NodeId, or a unique prefix of 6 characters or more.</param>
    /// <exception cref="Sessions.MeshException">There is no such node, or no way to it.</exception>
    Task<TraceInfo> TraceAsync(string address, CancellationToken cancellationToken);

    /// <summary>Raised after some of these facts changed; handlers return at once.</summary>
    event Action<NodeFacts>? Changed;
}

/// <summary>What an owner may do to the node. A failure is an exception whose message names cause and cure in one line.</summary>
/// <remarks>
/// <see cref="Sessions.MeshException"/>, <see cref="ArgumentException"/>, <see cref="InvalidOperationException"/>, <see cref="IOException"/> and
/// <see cref="TimeoutException"/> reach the caller in their own words; anything else is a fault of the node and is logged.
/// </remarks>
internal interface INodeControl
{
    Task<ModeInfo> SetModeAsync(string name, CancellationToken cancellationToken);

    Task<Invitation> InviteAsync(InvitationRequest request, CancellationToken cancellationToken);

    /// <summary>An address of this node's page, with a ticket for one browser.</summary>
    Task<PageInvitation> InvitePageAsync(CancellationToken cancellationToken);

    /// <summary>Dials an address (<c>scheme://host:port#NodeId</c>, the NodeId where it is known) and waits until the link is up.</summary>
    Task<LinkInfo> ConnectAsync(Uri address, CancellationToken cancellationToken);

    /// <summary>Closes the links to a node; false where there were none.</summary>
    /// <param name="node">A NodeId, or a unique prefix of 6 characters or more.</param>
    Task<bool> DisconnectAsync(string node, CancellationToken cancellationToken);

    /// <summary>Reads the settings again, adds and removes agents accordingly.</summary>
    Task<ReloadResult> ReloadAsync(CancellationToken cancellationToken);

    /// <summary>Begins to stop the node and returns at once.</summary>
    void Stop();
}

/// <summary>Kinds of facts, for notifications.</summary>
[Flags]
internal enum NodeFacts
{
    None = 0,
    Status = 1,
    Agents = 2,
    Peers = 4,
    Links = 8,
    Plugins = 16,
    Config = 32,
    Registry = 64,
    Routes = 128,
}

internal sealed record NodeSummary(string Node, string Network, string Role, string Version);

/// <param name="Encryption"><c>required</c>, <c>optional</c> or <c>off</c>.</param>
/// <param name="Listen">Addresses that others may dial.</param>
/// <param name="Mcp">The gateway's MCP endpoint; null where there is no gateway.</param>
/// <param name="Problems">Whatever is not well: broken agents, plugins, addresses in conflict.</param>
/// <param name="Certificate">What the gateway shows; null without https.</param>
internal sealed record NodeStatus(
    string Node,
    string Network,
    string Version,
    string Mode,
    string Encryption,
    long UptimeSeconds,
    IReadOnlyList<string> Listen,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Mcp,
    int Agents,
    int PeersConnected,
    int PeersKnown,
    int Sessions,
    IReadOnlyList<NodeProblem> Problems,
    Gateway.GatewayCertificateInfo? Certificate = null);

/// <param name="Name">Of the agent, plugin or part that is not well.</param>
/// <param name="Problem">Cause and cure, in one line.</param>
internal sealed record NodeProblem(string Name, string Problem);

/// <param name="Hubs">Those that the settings name, as addresses, with the NodeId where it is known.</param>
internal sealed record ModeInfo(string Mode, IReadOnlyList<string> Available, IReadOnlyList<string> Hubs);

/// <param name="Tools">Names; at most <see cref="Identity.AgentCard.MaxTools"/> of them.</param>
/// <param name="Problem">What is wrong with an agent of this node; absent where nothing is.</param>
internal sealed record AgentInfo(string Address, string Node, string Agent, string Title, bool Online, IReadOnlyList<string> Tools, string? Problem = null);

/// <param name="State"><c>connected</c>, <c>known</c>, <c>suspect</c>, <c>dead</c> or <c>conflict</c>.</param>
/// <param name="Transport">The scheme of the link in use; null where there is none.</param>
/// <param name="Encryption"><c>sealed</c> or <c>clear</c>; null where there is no link.</param>
/// <param name="Learned">Where it was heard of first: <c>bootstrap</c>, <c>ticket</c>, <c>gossip</c>, <c>dialled us</c> or the name of a discovery such as <c>mdns</c>.</param>
internal sealed record PeerInfo(
    string Node,
    string State,
    IReadOnlyList<string> Addresses,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Transport,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Encryption,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? RttMs,
    string? Learned = null);

/// <param name="Direction"><c>out</c> where this node dialled, else <c>in</c>.</param>
/// <param name="Epoch">How often its keys have been replaced.</param>
internal sealed record LinkInfo(
    string Node,
    string Address,
    string Direction,
    string Encryption,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? RttMs,
    int Epoch = 0);

/// <param name="Channels">Open conversations in it.</param>
internal sealed record SessionInfo(string Node, string Direction, string Encryption, int Channels);

/// <param name="NextHop">The neighbour that leads there; null where there is no way now.</param>
/// <param name="Kind"><c>direct</c>, <c>relay</c>, <c>found</c> (by a flood), or <c>none</c>.</param>
/// <param name="RttMs">Of the session with the target, else of a direct link; null where nothing was measured.</param>
internal sealed record RouteInfo(
    string Target,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? NextHop,
    string Kind,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? RttMs);

/// <param name="Path">Hop by hop. Beyond the first, which is the neighbour itself, nodes are what those who answered say.</param>
/// <param name="Complete">The target answered.</param>
/// <param name="Via">As <see cref="RouteInfo.Kind"/>.</param>
/// <param name="Encryption">Of the link to the first hop: <c>sealed</c> or <c>clear</c>.</param>
/// <param name="SessionRttMs">The last measurement of a session with the target, which is authentic; null without one.</param>
internal sealed record TraceInfo(
    string Target,
    string Mode,
    IReadOnlyList<TraceHopInfo> Path,
    bool Complete,
    string Via,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Encryption,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? SessionRttMs);

/// <param name="Node">Null where nobody at this distance answered.</param>
internal sealed record TraceHopInfo(
    int Hop,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Node,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? RttMs);

/// <param name="Kind"><c>transport</c>, <c>agent</c> or <c>service</c>.</param>
/// <param name="Status"><c>active</c>, <c>disabled</c>, or <c>failed</c> with a <paramref name="Problem"/>.</param>
internal sealed record PluginInfo(
    string Name,
    string Kind,
    string Status,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Version,
    string? Problem = null);

/// <param name="SettingsRead">When the settings were last read, or an edit of them refused.</param>
/// <param name="Restart">Settings that were edited since the start and count from the next start.</param>
/// <param name="Ahead">Seconds by which peers' newest records are ahead of this node's clock, at least 0; as many as there are records.</param>
internal sealed record NodeDiagnosis(
    int ProcessId,
    DateTimeOffset Time,
    DateTimeOffset SettingsRead,
    IReadOnlyList<string> Restart,
    string Role,
    DateTimeOffset CertificateNotAfter,
    bool CertificateRenews,
    IReadOnlyList<double> Ahead);

internal sealed record InvitationRequest(Identity.CertificateRole Role, int Uses, TimeSpan Lifetime);

internal sealed record Invitation(string Ticket, string Role, int Uses, DateTimeOffset Expires);

internal sealed record PageInvitation(string Ui, DateTimeOffset Expires);

internal sealed record ReloadResult(IReadOnlyList<string> Changed, IReadOnlyList<NodeProblem> Problems);

// Lists travel inside objects: structured content of MCP is an object.
internal sealed record AgentList(IReadOnlyList<AgentInfo> Agents);

internal sealed record PeerList(IReadOnlyList<PeerInfo> Peers);

internal sealed record LinkList(IReadOnlyList<LinkInfo> Links);

internal sealed record SessionList(IReadOnlyList<SessionInfo> Sessions);

internal sealed record RouteList(IReadOnlyList<RouteInfo> Routes);

internal sealed record PluginList(IReadOnlyList<PluginInfo> Plugins);

/// <param name="Next">What <c>after</c> is to be, to read on.</param>
internal sealed record LogPage(IReadOnlyList<LogEntry> Entries, long Next);

internal sealed record DisconnectResult(string Node, bool WasConnected);

internal sealed record StopResult(bool Stopping);
