using System.ComponentModel;
using Microsoft.Extensions.Configuration;
using ModelContextProtocol;
using ModelContextProtocol.Server;

namespace MyAgent;

/// <summary>Each marked method is a tool. The class is made anew for each call; its parameters come from the node.</summary>
[McpServerToolType]
public sealed class Tools(IConfiguration settings)
{
    [McpServerTool(Name = "greet", Title = "Greet", ReadOnly = true)]
    [Description("Greets a person by name.")]
    public string Greet([Description("Whom to greet.")] string name) =>
        // McpException is for the caller to read; the text of any other exception stays in the node's log.
        string.IsNullOrWhiteSpace(name) ? throw new McpException("Say whom to greet: name is empty.") : $"{settings["Greeting"]}, {name}!";
}
