using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

/// <summary>
/// The tools and prompts of all conversations in one place: a 2026-07-28 client listens in one conversation for what its call in another changes.
/// Each server watches these collections itself, and stops when it ends.
/// </summary>
internal sealed class Catalog
{
    private readonly Lock _lock = new();
    private readonly McpServerPrimitiveCollection<McpServerTool> _tools = [];
    private readonly McpServerPrimitiveCollection<McpServerPrompt> _prompts = [];
    private readonly McpServerTool _extraTool = McpServerTool.Create(
        () => "I come and go.",
        new() { Name = "test_dynamic_tool", Description = "Is here after every other call of test_trigger_tool_change." });

    private readonly McpServerPrompt _extraPrompt = McpServerPrompt.Create(
        () => "I come and go.",
        new() { Name = "test_dynamic_prompt", Description = "Is here after every other call of test_trigger_prompt_change." });

    /// <summary>Serves a new conversation from here. The host made its tools anew; the first ones serve them all.</summary>
    public void Adopt(McpServerOptions options)
    {
        lock (_lock)
        {
            Add(options.ToolCollection, _tools);
            Add(options.PromptCollection, _prompts);
        }

        (options.ToolCollection, options.PromptCollection) = (_tools, _prompts);
    }

    /// <returns>True where the tool is there now.</returns>
    public bool ToggleTool() => Toggle(_tools, _extraTool);

    /// <returns>True where the prompt is there now.</returns>
    public bool TogglePrompt() => Toggle(_prompts, _extraPrompt);

    private static void Add<T>(McpServerPrimitiveCollection<T>? from, McpServerPrimitiveCollection<T> to)
        where T : IMcpServerPrimitive
    {
        foreach (var primitive in from ?? [])
        {
            to.TryAdd(primitive);
        }
    }

    private bool Toggle<T>(McpServerPrimitiveCollection<T> collection, T extra)
        where T : IMcpServerPrimitive
    {
        lock (_lock)
        {
            return !collection.Remove(extra) && collection.TryAdd(extra);
        }
    }
}
