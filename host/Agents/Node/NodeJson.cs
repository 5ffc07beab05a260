using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using ModelContextProtocol;

namespace Dawn.Agents.Node;

/// <summary>The shapes of the agent <c>node</c>, which are those of <c>dawn … --json</c>.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(NodeSummary))]
[JsonSerializable(typeof(NodeStatus))]
[JsonSerializable(typeof(ModeInfo))]
[JsonSerializable(typeof(AgentList))]
[JsonSerializable(typeof(PeerList))]
[JsonSerializable(typeof(LinkList))]
[JsonSerializable(typeof(SessionList))]
[JsonSerializable(typeof(RouteList))]
[JsonSerializable(typeof(TraceInfo))]
[JsonSerializable(typeof(PluginList))]
[JsonSerializable(typeof(LogPage))]
[JsonSerializable(typeof(LogLevelList))]
[JsonSerializable(typeof(NodeDiagnosis))]
[JsonSerializable(typeof(Invitation))]
[JsonSerializable(typeof(PageInvitation))]
[JsonSerializable(typeof(LinkInfo))]
[JsonSerializable(typeof(DisconnectResult))]
[JsonSerializable(typeof(ReloadResult))]
[JsonSerializable(typeof(StopResult))]
[JsonSerializable(typeof(RegistryLogPage))]
[JsonSerializable(typeof(RegistryRecordPage))]
[JsonSerializable(typeof(RegistryConflictPage))]
[JsonSerializable(typeof(RegistryFacts))]
[JsonSerializable(typeof(JsonObject))]
internal sealed partial class NodeJson : JsonSerializerContext
{
    /// <summary>For the SDK, which also needs its own types and the primitives of arguments. Made late: the generated half initializes itself second.</summary>
    public static JsonSerializerOptions ForTools => field ??= Create();

    private static JsonSerializerOptions Create()
    {
        var options = new JsonSerializerOptions(McpJsonUtilities.DefaultOptions);
        options.TypeInfoResolverChain.Insert(0, Default);
        options.MakeReadOnly();
        return options;
    }
}
