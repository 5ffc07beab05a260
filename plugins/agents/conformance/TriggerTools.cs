using System.ComponentModel;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

/// <summary>Tools that make things change, for those who watch them.</summary>
[McpServerToolType]
public static class TriggerTools
{
    [McpServerTool(Name = "test_trigger_tool_change", OpenWorld = false)]
    [Description("Adds test_dynamic_tool, or takes it away again.")]
    public static string ChangeTools(RequestContext<CallToolRequestParams> request) =>
        request.Services!.GetRequiredService<Catalog>().ToggleTool() ? "Added a tool." : "Took a tool away.";

    [McpServerTool(Name = "test_trigger_prompt_change", OpenWorld = false)]
    [Description("Adds test_dynamic_prompt, or takes it away again.")]
    public static string ChangePrompts(RequestContext<CallToolRequestParams> request) =>
        request.Services!.GetRequiredService<Catalog>().TogglePrompt() ? "Added a prompt." : "Took a prompt away.";

    [McpServerTool(Name = "test_trigger_resource_change", OpenWorld = false)]
    [Description("Tells those who watch test://watched-resource that it changed.")]
    public static string ChangeResource(RequestContext<CallToolRequestParams> request)
    {
        request.Services!.GetRequiredService<Changes>().Raise(Change.WatchedResource);
        return "Told those who watch.";
    }
}
