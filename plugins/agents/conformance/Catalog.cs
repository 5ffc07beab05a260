using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

/// <summary>
/// The tools and prompts of all conversations in one place, so that a call in one changes them for all. Each server watches these collections for clients
/// up to 2025-11-25 itself, and stops when it ends; newer clients hear of changes where they listen.
/// </summary>
internal sealed class Catalog(Changes changes)
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
    public bool ToggleTool() => Toggle(_tools, _extraTool, Change.Tools);

    /// <returns>True where the prompt is there now.</returns>
    public bool TogglePrompt() => Toggle(_prompts, _extraPrompt, Change.Prompts);

    private static void Add<T>(McpServerPrimitiveCollection<T>? from, McpServerPrimitiveCollection<T> to)
        where T : IMcpServerPrimitive
    {
        foreach (var primitive in from ?? [])
        {
            to.TryAdd(primitive);
        }
    }

    private bool Toggle<T>(McpServerPrimitiveCollection<T> collection, T extra, Change change)
        where T : IMcpServerPrimitive
    {
        bool added;
        lock (_lock)
        {
            added = !collection.Remove(extra) && collection.TryAdd(extra);
        }

        changes.Raise(change);
        return added;
    }
}
