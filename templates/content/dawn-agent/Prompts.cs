using System.ComponentModel;
using ModelContextProtocol.Server;

namespace MyAgent;

[McpServerPromptType]
public static class Prompts
{
    [McpServerPrompt(Name = "welcome", Title = "Welcome")]
    [Description("Asks for a short welcome speech.")]
    public static string Welcome([Description("Who is welcomed.")] string name) => $"Write a welcome of three sentences for {name}. Begin with what the greet tool says.";
}
