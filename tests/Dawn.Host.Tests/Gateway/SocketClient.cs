using System.Net.WebSockets;
using System.Text;
using System.Text.Json.Nodes;
using Dawn.Gateway;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Gateway;

/// <summary>A plain MCP-over-WebSocket client: it knows nothing but the address, the subprotocol and JSON.</summary>
internal sealed class SocketClient : IClientTransport, IDisposable
{
    private SocketClient(ClientWebSocket socket) => Socket = socket;

    public ClientWebSocket Socket { get; }

    string IClientTransport.Name => "WebSocket";

    public static async Task<SocketClient> ConnectAsync(GatewayFixture gateway, string? token = null, Version? http = null)
    {
        var socket = new ClientWebSocket();
        socket.Options.AddSubProtocol("something-else");
        socket.Options.AddSubProtocol("mcp");
        socket.Options.CollectHttpResponseDetails = true;
        if (token is not null)
        {
            socket.Options.SetRequestHeader("Authorization", $"Bearer {token}");
        }

        if (http is not null)
        {
            (socket.Options.HttpVersion, socket.Options.HttpVersionPolicy) = (http, HttpVersionPolicy.RequestVersionExact);
        }

        try
        {
            var url = new UriBuilder(gateway.Server.Url!) { Scheme = gateway.Server.Url!.Scheme == "https" ? "wss" : "ws", Path = "/mcp/ws" }.Uri;
            await socket.ConnectAsync(url, gateway.Http, Stop).WaitAsync(Patience, Stop);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        return new(socket);
    }

    Task<ITransport> IClientTransport.ConnectAsync(CancellationToken cancellationToken) => Task.FromResult<ITransport>(new WebSocketTransport(Socket, new(), TimeProvider.System));

    public async Task<McpClient> OpenAsync(string version, McpClientOptions? options = null)
    {
        options ??= new();
        options.ProtocolVersion = version;
        return await McpClient.CreateAsync(this, options, cancellationToken: Stop).WaitAsync(Patience, Stop);
    }

    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    public async Task SendAsync(byte[] bytes, WebSocketMessageType type = WebSocketMessageType.Text, bool endOfMessage = true) =>
        await Socket.SendAsync(bytes, type, endOfMessage, Stop).WaitAsync(Patience, Stop);

    public Task SendAsync(string method, JsonObject? parameters, int? id)
    {
        var message = new JsonObject { ["jsonrpc"] = "2.0", ["method"] = method };
        if (parameters is not null)
        {
            message["params"] = parameters;
        }

        if (id is not null)
        {
            message["id"] = id;
        }

        return SendAsync(message.ToJsonString());
    }

    /// <summary>The request of a client of the per-request era.</summary>
    public Task AskAsync(string method, JsonObject parameters, int id)
    {
        parameters["_meta"] = new JsonObject
        {
            ["io.modelcontextprotocol/protocolVersion"] = PerRequest,
            ["io.modelcontextprotocol/clientInfo"] = new JsonObject { ["name"] = "raw", ["version"] = "1" },
            ["io.modelcontextprotocol/clientCapabilities"] = new JsonObject(),
        };
        return SendAsync(method, parameters, id);
    }

    public async Task InitializeAsync()
    {
        await SendAsync("initialize", new() { ["protocolVersion"] = Initialize, ["capabilities"] = new JsonObject(), ["clientInfo"] = new JsonObject { ["name"] = "raw", ["version"] = "1" } }, 1);
        var answer = await NextAsync();
        if ((string?)answer["result"]?["serverInfo"]?["name"] != "dawn" || (string?)answer["result"]!["protocolVersion"] != Initialize)
        {
            throw new InvalidDataException(answer.ToJsonString());
        }

        await SendAsync("notifications/initialized", null, null);
        await SendAsync("ping", null, 2);
        await AnswerAsync(2);
    }

    /// <summary>The next message, which is text and one JSON object.</summary>
    public async Task<JsonNode> NextAsync() => await ReceiveAsync() is { } message ? JsonNode.Parse(message)! : throw new InvalidDataException($"Closed: {Socket.CloseStatus} {Socket.CloseStatusDescription}");

    /// <summary>The answer to a request; notifications may come before it at any time.</summary>
    public async Task<JsonNode> AnswerAsync(int id)
    {
        var message = await NextAsync();
        while ((int?)message["id"] != id)
        {
            message = await NextAsync();
        }

        return message;
    }

    /// <summary>Reads until the gateway closes, and answers that.</summary>
    public async Task<(WebSocketCloseStatus? Status, string? Reason)> ClosedAsync()
    {
        while (await ReceiveAsync() is not null)
        {
        }

        try
        {
            await Socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, Stop).WaitAsync(Patience, Stop);
        }
        catch (WebSocketException)
        {
            // The gateway waits for it no longer than a second, and a busy machine may be slower.
        }

        return (Socket.CloseStatus, Socket.CloseStatusDescription);
    }

    public void Dispose() => Socket.Dispose();

    private async Task<string?> ReceiveAsync()
    {
        using var text = new MemoryStream();
        var buffer = new byte[16 * 1024];
        while (true)
        {
            var received = await Socket.ReceiveAsync(buffer, Stop).WaitAsync(Patience, Stop);
            if (received.MessageType == WebSocketMessageType.Close)
            {
                return null;
            }

            if (received.MessageType != WebSocketMessageType.Text)
            {
                throw new InvalidDataException("A binary message came.");
            }

            text.Write(buffer, 0, received.Count);
            if (received.EndOfMessage)
            {
                return Encoding.UTF8.GetString(text.ToArray());
            }
        }
    }
}
