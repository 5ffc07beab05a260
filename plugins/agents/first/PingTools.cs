using System.ComponentModel;
using System.Security.Claims;
using System.Text.Json;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.First;

public sealed record Pong(
    [property: Description("Always pong.")] string Reply,
    [property: Description("Who called, as the network proved it; null where the host did not say.")] string? Caller,
    [property: Description("When the call arrived, by this agent's clock.")] DateTimeOffset At);

/// <summary>The shortest answers: does a call arrive, and as what.</summary>
[McpServerToolType]
public sealed class PingTools(TimeProvider time)
{
    [McpServerTool(Name = "ping", Title = "Ping", ReadOnly = true, Idempotent = true, OpenWorld = false, UseStructuredContent = true, OutputSchemaType = typeof(Pong))]
    [Description("Answers pong, and says who the caller is and when the call arrived.")]
    public CallToolResult Ping(ClaimsPrincipal? caller = null)
    {
        var pong = new Pong("pong", caller?.Identity?.Name, time.GetUtcNow());
        return new()
        {
            Content =
            [
                new TextContentBlock { Text = pong.Reply },
                new TextContentBlock { Text = $"to {pong.Caller ?? "a caller without a name"} at {pong.At:O}" },
            ],
            StructuredContent = JsonSerializer.SerializeToElement(pong, JsonSerializerOptions.Web),
        };
    }

    [McpServerTool(Name = "echo", Title = "Echo", ReadOnly = true, Idempotent = true, OpenWorld = false)]
    [Description("Returns the message exactly as it arrived.")]
    public static string Echo([Description("Any text.")] string message) => message;
}
