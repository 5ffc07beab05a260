using System.ComponentModel;
using ModelContextProtocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.First;

[McpServerPromptType]
public static class FirstPrompts
{
    private const int MaxSubject = 1000;

    [McpServerPrompt(Name = "tour", Title = "Show me around")]
    [Description("Asks for a short tour of this agent's tools.")]
    public static string Tour() =>
        "Show me what this agent can do. Call ping, echo a short greeting, tell me the time in my time zone (ask me which) and roll 2d6. Say in one sentence each what came back.";

    [McpServerPrompt(Name = "decide", Title = "Let the dice decide")]
    [Description("Asks to choose between options by a throw of the dice.")]
    public static string Decide([Description("What to choose between, separated by commas.")] string options)
    {
        if (string.IsNullOrWhiteSpace(options) || options.Length > MaxSubject)
        {
            throw new McpProtocolException($"Name the options, separated by commas, in at most {MaxSubject} characters.", McpErrorCode.InvalidParams);
        }

        return $"I can't decide between: {options}. Number them, use the roll tool with one die of as many sides, and tell me which one it is.";
    }
}
