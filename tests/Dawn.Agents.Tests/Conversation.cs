using System.Text.Json.Nodes;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Tests;

internal sealed record Conversation(McpClient Client, McpServer Server, Task Serving) : IAsyncDisposable
{
    public async Task<CallToolResult> CallAsync(string tool, params (string Name, object? Value)[] arguments) =>
        await Client.CallToolAsync(tool, arguments.ToDictionary(a => a.Name, a => a.Value), cancellationToken: TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        await Server.DisposeAsync();
        await Serving;
    }
}

/// <summary>One request after the other, as bare JSON-RPC of the per-request era.</summary>
internal sealed record RawConversation(ITransport Transport, McpServer Server, Task Serving) : IAsyncDisposable
{
    private int _lastId;

    /// <summary>What came before the last answer, in order.</summary>
    public List<JsonRpcNotification> Notifications { get; } = [];

    public async Task<JsonRpcMessage> SendAsync(string method, JsonObject parameters)
    {
        var ct = TestContext.Current.CancellationToken;
        var meta = (JsonObject)(parameters["_meta"] ??= new JsonObject());
        meta["io.modelcontextprotocol/protocolVersion"] = "2026-07-28";
        meta["io.modelcontextprotocol/clientCapabilities"] = JsonNode.Parse("""{ "elicitation": {}, "sampling": {}, "roots": {} }""");
        var id = new RequestId(++_lastId);
        Notifications.Clear();
        await Transport.SendMessageAsync(new JsonRpcRequest { Id = id, Method = method, Params = parameters }, ct);
        await foreach (var message in Transport.MessageReader.ReadAllAsync(ct))
        {
            if (message is JsonRpcNotification notification)
            {
                Notifications.Add(notification);
            }
            else
            {
                Assert.Equal(id, Assert.IsAssignableFrom<JsonRpcMessageWithId>(message).Id);
                return message;
            }
        }

        throw new EndOfStreamException();
    }

    public async ValueTask DisposeAsync()
    {
        await Transport.DisposeAsync();
        await Server.DisposeAsync();
        await Serving;
    }
}

internal static class Results
{
    public static string Text(this CallToolResult result) => Assert.IsType<TextContentBlock>(result.Content[0]).Text;

    public static string Text(this GetPromptResult result) => Assert.IsType<TextContentBlock>(result.Messages[0].Content).Text;

    public static string Error(this CallToolResult result)
    {
        Assert.True(result.IsError);
        return result.Text();
    }
}
