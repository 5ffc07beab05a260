using System.ComponentModel;
using Dawn.Identity;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Node;

/// <summary>The tools of the agent <c>node</c>, made once: reading for members, admin for owners.</summary>
internal sealed class NodeTools
{
    private const int MaxUses = 1000;
    private const int MaxLogEntries = 1000;
    private static readonly TimeSpan MaxLifetime = TimeSpan.FromDays(30);
    private static readonly TimeSpan MaxPatience = TimeSpan.FromSeconds(25);

    public NodeTools(INodeView view, INodeControl control, LogRing logs)
    {
        Reading =
        [
            Read("id", "This node's NodeId, network, role and version.", () => view.Identity),
            Read("status", "How this node is: mode, encryption, addresses, counts, and everything that is not well.", () => view.Status),
            Read("mode", "The routing mode in force, and those that can be set.", () => view.Mode),
            Read("agents", "All agents that this node knows of, with addresses to call them by and their tools.", () => new AgentList(view.Agents)),
            Read("peers", "All nodes that this node knows of, and how it reaches them.", () => new PeerList(view.Peers)),
            Read("links", "The encrypted connections to neighbours.", () => new LinkList(view.Links)),
            Read("sessions", "The end-to-end encrypted sessions with other nodes.", () => new SessionList(view.Sessions)),
            Read("routes", "The ways in use to other nodes: over whom, and how they were found.", () => new RouteList(view.Routes)),
            Read("trace", "Follows the way to a node hop by hop, with times.", (
                    [Description("An agent's address, as calls take it, or a NodeId or the beginning of one.")] string address,
                    CancellationToken ct) =>
                view.TraceAsync(address, ct)),
            Read("plugins", "The plugins of this node, and what is wrong with those that failed.", () => new PluginList(view.Plugins)),
            Read("registry_log", "What changed in the registry of all nodes, as this node learned it, oldest first.", (
                    [Description("Only since this time, such as 2026-11-23T10:00:00Z; empty for all.")] string since = "",
                    [Description("Only of this node: a NodeId, or the beginning of one; empty for all.")] string node = "",
                    [Description("Only entries numbered above this, as 'next' of the page before said.")] long after = 0,
                    [Description("At most so many, up to 500.")] int limit = 100,
                    CancellationToken ct = default) =>
                view.Registry.LogAsync(NodeRegistry.Time(since), node, after, Math.Clamp(limit, 1, NodeRegistry.MaxPage), ct)),
            Read("registry_records", "The newest record of each node, now or as this node knew them at a time.", (
                    [Description("Only of this node: a NodeId, or the beginning of one; empty for all.")] string node = "",
                    [Description("As known at this time, such as 2026-11-23T10:00:00Z, replayed from the log; empty for now.")] string at = "",
                    [Description("Only nodes behind this one, as 'next' of the page before said.")] string after = "",
                    [Description("At most so many, up to 500.")] int limit = 100,
                    CancellationToken ct = default) =>
                view.Registry.RecordsAsync(NodeRegistry.Time(at), node, after, Math.Clamp(limit, 1, NodeRegistry.MaxPage), ct)),
            Read("registry_conflicts", "Nodes that signed two records with one sequence, as two machines with one key do, with both records as the proof.", (
                    [Description("Only nodes behind this one, as 'next' of the page before said.")] string after = "",
                    [Description("At most so many, up to 20.")] int limit = NodeRegistry.MaxConflictPage) =>
                view.Registry.Conflicts(after, Math.Clamp(limit, 1, NodeRegistry.MaxConflictPage))),
        ];
        Admin =
        [
            Act("set_mode", "Sets the routing mode.", false, ([Description("centralized, decentralized, hybrid, or another that a plugin offers.")] string name, CancellationToken ct) =>
                control.SetModeAsync(name, ct)),
            Act("invite", "Makes a ticket with which another machine joins the network.", false, (
                    [Description("member (holds the network's secret, may invite), guest or browser.")] string role = "member",
                    [Description("How many may join with it, 1 to 1000.")] int uses = 1,
                    [Description("Seconds until it expires, at most 30 days.")] int expiresSeconds = 600,
                    CancellationToken ct = default) =>
                control.InviteAsync(Invitation(role, uses, expiresSeconds), ct)),
            Act("ui", "Makes an address of this node's page with a ticket that lets one browser in, for ten minutes.", false, (CancellationToken ct) => control.InvitePageAsync(ct)),
            Act("connect", "Dials another node and waits until the link is up.", false, ([Description("scheme://host:port or scheme:///path, with #NodeId where it is known.")] string address, CancellationToken ct) =>
                control.ConnectAsync(
                    Uri.TryCreate(address, UriKind.Absolute, out var uri) ? uri : throw new ArgumentException($"'{address}' is not an address like ws://host:7610."), ct)),
            Act("disconnect", "Closes the links to a node; it may come back by itself.", true, async ([Description("A NodeId, or a unique prefix of 6 characters or more.")] string node, CancellationToken ct) =>
                new DisconnectResult(node, await control.DisconnectAsync(node, ct))),
            Act("reload", "Reads the settings again, and adds and removes agents accordingly.", false, (CancellationToken ct) => control.ReloadAsync(ct)),
            Act("stop", "Stops this node.", true, () =>
            {
                control.Stop();
                return new StopResult(true);
            }),
            Create("logs", "The newest log entries of this node.", true, false, (
                    [Description("The least level: debug, information, warning, error or critical.")] string level = "information",
                    [Description("Only entries numbered above this, as 'next' of the page before said.")] long after = 0,
                    [Description("At most so many, up to 1000.")] int limit = 200,
                    [Description("Where there are none, wait so long for one, up to 25.")] int waitSeconds = 0,
                    [Description("Only of this part, such as Links; empty for all.")] string category = "",
                    CancellationToken ct = default) =>
                logs.ReadAsync(
                    Level(level), after, Math.Clamp(limit, 1, MaxLogEntries), TimeSpan.FromSeconds(Math.Clamp(waitSeconds, 0, MaxPatience.TotalSeconds)), ct,
                    category.Length == 0 ? null : logs.Resolve(category))),
            Create("log_levels", "What is logged: the levels in force by part, and the parts.", true, false, () => new LogLevelList(logs.Levels.Current, logs.Parts)),
            Act("set_log_level", "Logs a part of this node more or less closely for a while; then the settings count again.", false, (
                [Description("A part such as Links, a longer category, or Default.")] string category,
                [Description("trace, debug, information, warning, error, critical, none; default goes back to the settings.")] string level,
                [Description("For so many seconds, up to 86400.")] int seconds = 600) =>
            {
                var part = category.Equals(LogLevels.Default, StringComparison.OrdinalIgnoreCase) ? LogLevels.Default : logs.Resolve(category);
                var duration = seconds >= 1 && seconds <= LogLevels.MaxDuration.TotalSeconds
                    ? TimeSpan.FromSeconds(seconds)
                    : throw new ArgumentException($"A level is set for 1 second to {LogLevels.MaxDuration.TotalHours} hours, not for {seconds} seconds.");
                logs.Levels.Set(part, level.Equals("default", StringComparison.OrdinalIgnoreCase) ? null : Level(level), duration);
                return new LogLevelList(logs.Levels.Current, logs.Parts);
            }),
            Create("diagnosis", "What 'dawn doctor' asks the running node.", true, false, () => view.Diagnosis),
        ];
        AdminNames = Admin.Select(t => t.ProtocolTool.Name).ToHashSet(StringComparer.Ordinal);
    }

    public IReadOnlyList<McpServerTool> Reading { get; }

    public IReadOnlyList<McpServerTool> Admin { get; }

    public IReadOnlySet<string> AdminNames { get; }

    private static McpServerTool Read(string name, string description, Delegate get) => Create(name, description, true, false, get);

    private static McpServerTool Act(string name, string description, bool isDestructive, Delegate act) => Create(name, description, false, isDestructive, act);

    private static McpServerTool Create(string name, string description, bool isReadOnly, bool isDestructive, Delegate method) => McpServerTool.Create(method, new()
    {
        Name = name,
        Description = description,
        ReadOnly = isReadOnly,
        Destructive = isDestructive,
        OpenWorld = false,
        UseStructuredContent = true,
        SerializerOptions = NodeJson.ForTools,
    });

    private static InvitationRequest Invitation(string role, int uses, int expiresSeconds)
    {
        if (role.Length == 0 || !char.IsLetter(role[0]) || !Enum.TryParse<CertificateRole>(role, true, out var parsed))
        {
            throw new ArgumentException($"'{role}' is no role; use member, guest or browser.");
        }

        if (uses is < 1 or > MaxUses)
        {
            throw new ArgumentException($"A ticket can be used 1 to {MaxUses} times, not {uses}.");
        }

        return expiresSeconds >= 1 && expiresSeconds <= MaxLifetime.TotalSeconds
            ? new(parsed, uses, TimeSpan.FromSeconds(expiresSeconds))
            : throw new ArgumentException($"A ticket lives 1 second to {MaxLifetime.TotalDays} days, not {expiresSeconds} seconds.");
    }

    private static LogLevel Level(string text) =>
        text.Length > 0 && char.IsLetter(text[0]) && Enum.TryParse<LogLevel>(text, true, out var level)
            ? level
            : throw new ArgumentException($"'{text}' is no level; use debug, information, warning, error or critical.");
}
