using System.Text.Json;
using System.Text.Json.Nodes;
using Dawn.Identity;

namespace Dawn.Commands;

/// <summary>The verbs' conversation with the running node's own agent.</summary>
internal sealed class NodeClient(Conversation conversation) : IAsyncDisposable
{
    public Conversation Conversation => conversation;

    /// <param name="address">Of another node's agent <c>node</c>.</param>
    public static async Task<NodeClient> OpenAsync(Verb verb, CancellationToken cancellationToken, string address = AgentId.Node) =>
        new(await Conversation.OpenAsync(verb.DataDirectory, address, AgentId.Owner, verb.Terminal.Time, cancellationToken));

    /// <summary>Calls a tool and returns its structured content.</summary>
    /// <exception cref="CommandException">The tool failed; the message is its own.</exception>
    public async Task<JsonElement> CallAsync(string tool, JsonObject? arguments, CancellationToken cancellationToken)
    {
        var result = await conversation.RequestAsync("tools/call", new() { ["name"] = tool, ["arguments"] = arguments ?? [] }, cancellationToken);
        if (result.TryGetProperty("isError", out var isError) && isError.ValueKind == JsonValueKind.True)
        {
            throw new CommandException(ToolContent.Text(result));
        }

        return result.TryGetProperty("structuredContent", out var content)
            ? content
            : throw new CommandException($"The node's tool {tool} answered nothing that is understood; use the 'dawn' program of that node.");
    }

    public ValueTask DisposeAsync() => conversation.DisposeAsync();
}
