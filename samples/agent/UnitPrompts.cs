using System.ComponentModel;
using ModelContextProtocol.Server;

namespace Units;

[McpServerPromptType]
public static class UnitPrompts
{
    [McpServerPrompt(Name = "metric", Title = "Make it metric")]
    [Description("Asks to restate a text in metric units.")]
    public static string Metric([Description("The text, such as a recipe.")] string text) =>
        $"Restate this text in metric units. Use the convert tool for every number, and round as a person would.\n\n{text}";
}
