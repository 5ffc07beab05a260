using System.Text.Json;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Node;

/// <summary>The resources of the agent <c>node</c>: the facts that people and programs watch.</summary>
internal sealed class NodeResources(INodeView view)
{
    private const string Scheme = "dawn://node/";

    private static readonly (string Name, string Description, NodeFacts Facts, bool IsAdmin)[] Table =
    [
        ("status", "How this node is.", NodeFacts.Status, false),
        ("agents", "All agents that this node knows of.", NodeFacts.Agents, false),
        ("peers", "All nodes that this node knows of.", NodeFacts.Peers, false),
        ("links", "The encrypted connections to neighbours.", NodeFacts.Links, false),
        ("routes", "The ways in use to other nodes.", NodeFacts.Routes, false),
        ("plugins", "The plugins of this node.", NodeFacts.Plugins, false),
        ("registry", "The registry of all nodes: how much it holds, and its fingerprint.", NodeFacts.Registry, false),
        ("config", "The settings in force, without secrets.", NodeFacts.Config, true),
    ];

    public static IEnumerable<Resource> List(bool isOwner) =>
        Table.Where(r => isOwner || !r.IsAdmin).Select(r => new Resource { Uri = Scheme + r.Name, Name = r.Name, Description = r.Description, MimeType = "application/json" });

    /// <summary>What changes the resource; <see cref="NodeFacts.None"/> where there is no such resource for this caller.</summary>
    public static NodeFacts FactsOf(string uri, bool isOwner) =>
        Table.FirstOrDefault(r => uri == Scheme + r.Name && (isOwner || !r.IsAdmin)).Facts;

    public static bool IsAdmin(string uri) => Table.Any(r => r.IsAdmin && uri == Scheme + r.Name);

    public ReadResourceResult Read(string uri) => new()
    {
        Contents = [new TextResourceContents { Uri = uri, MimeType = "application/json", Text = Text(uri[Scheme.Length..]) }],
    };

    private string Text(string name) => name switch
    {
        "status" => JsonSerializer.Serialize(view.Status, NodeJson.Default.NodeStatus),
        "agents" => JsonSerializer.Serialize(new AgentList(view.Agents), NodeJson.Default.AgentList),
        "peers" => JsonSerializer.Serialize(new PeerList(view.Peers), NodeJson.Default.PeerList),
        "links" => JsonSerializer.Serialize(new LinkList(view.Links), NodeJson.Default.LinkList),
        "routes" => JsonSerializer.Serialize(new RouteList(view.Routes), NodeJson.Default.RouteList),
        "plugins" => JsonSerializer.Serialize(new PluginList(view.Plugins), NodeJson.Default.PluginList),
        "registry" => JsonSerializer.Serialize(view.Registry.Facts, NodeJson.Default.RegistryFacts),
        "config" => view.Config.ToJsonString(),
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "Not in the table."),
    };
}
