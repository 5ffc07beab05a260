#pragma warning disable MCP9005 // Deprecated by 2026-07-28, and carried all the same.
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Dawn.Gateway;
using Dawn.Identity;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Protocol;
using Xunit;
using static Dawn.Tests.Gateway.AgentRelayTests;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Gateway;

public class WebSocketTests
{
    private const int Limit = 60_000;
    private const string Token = "the-gateways-token";
    private const string Owner = "the-owners-token";

    private static JsonObject Echo(string text) => new() { ["name"] = "first__echo", ["arguments"] = new JsonObject { ["text"] = text } };

    [Theory(Timeout = Limit)]
    [InlineData(Initialize)]
    [InlineData(PerRequest)]
    public async Task AClientHasAllAgentsOnOneConnection(string version)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        gateway.Add("second", FakeNetwork.There);
        using var socket = await SocketClient.ConnectAsync(gateway);
        Assert.Equal("mcp", socket.Socket.SubProtocol);
        await using (var client = await socket.OpenAsync(version, Answering("Ann")))
        {
            Assert.Equal("dawn", client.ServerInfo?.Name);
            var tools = (await client.ListToolsAsync(cancellationToken: Stop)).Select(tool => tool.Name).ToList();
            Assert.Contains("first__echo", tools);
            Assert.Contains("second__echo", tools);
            Assert.Equal("second: hi", Text(await client.CallToolAsync("second__echo", new Dictionary<string, object?> { ["text"] = "hi" }, cancellationToken: Stop)));

            // Agents ask back, while their calls wait.
            var calls = new[] { client.CallToolAsync("first__ask", cancellationToken: Stop), client.CallToolAsync("second__ask", cancellationToken: Stop), client.CallToolAsync("second__sample", cancellationToken: Stop) };
            var answers = await Task.WhenAll(calls.Select(call => call.AsTask())).WaitAsync(Patience, Stop);
            Assert.Equal(["accept: Ann", "accept: Ann", "sampled by Ann"], answers.Select(Text));
            Assert.Equal(1, gateway.Sockets.Clients);
            Assert.All(gateway.Network.Callers, caller => Assert.Equal(AgentId.Gateway, caller));
        }

        await Eventually.HoldsAsync(() => gateway.Sockets.Clients == 0, "no clients");
    }

    [Fact(Timeout = Limit)]
    public async Task ASessionHearsOfNewTools()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        using var client = await SocketClient.ConnectAsync(gateway);
        await client.InitializeAsync();
        await client.SendAsync("tools/list", null, 3);
        Assert.Contains("first__echo", Names(await client.AnswerAsync(3)));

        gateway.Add("late", FakeNetwork.There);
        await HeardAsync(client, NotificationMethods.ToolListChangedNotification);
        await client.SendAsync("tools/list", null, 4);
        Assert.Contains("late__echo", Names(await client.AnswerAsync(4)));
    }

    [Fact(Timeout = Limit)]
    public async Task RequestsThatStandAloneShareAConnection()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        using var client = await SocketClient.ConnectAsync(gateway);
        await client.AskAsync("server/discover", [], 1);
        Assert.Contains(PerRequest, (await client.NextAsync())["result"]!["supportedVersions"]!.AsArray().Select(version => (string?)version));
        await client.AskAsync("tools/call", Echo("x"), 2);
        Assert.Equal("first: x", (string?)(await client.NextAsync())["result"]!["content"]![0]!["text"]);

        await client.AskAsync("subscriptions/listen", new() { ["notifications"] = new JsonObject { ["toolsListChanged"] = true } }, 42);
        Assert.Equal("notifications/subscriptions/acknowledged", (string?)(await client.NextAsync())["method"]);
        gateway.Add("late", FakeNetwork.There);
        var changed = await HeardAsync(client, NotificationMethods.ToolListChangedNotification);
        Assert.Equal(42, (int)changed["params"]!["_meta"]!["io.modelcontextprotocol/subscriptionId"]!);
    }

    [Theory(Timeout = Limit)]
    [InlineData("localhost", null, null, "mcp", HttpStatusCode.SwitchingProtocols, null)]
    [InlineData("localhost", "http://localhost:{port}", null, "a, mcp", HttpStatusCode.SwitchingProtocols, null)]
    [InlineData("evil.example.com", null, null, "mcp", HttpStatusCode.Forbidden, "not this gateway's")]
    [InlineData("localhost", "http://evil.example.com", null, "mcp", HttpStatusCode.Forbidden, "may not use this gateway")]
    [InlineData("localhost", "null", null, "mcp", HttpStatusCode.Forbidden, "may not use this gateway")]
    [InlineData("localhost", null, "wrong", "mcp", HttpStatusCode.Unauthorized, "bearer token")]
    [InlineData("localhost", null, null, null, HttpStatusCode.BadRequest, "Sec-WebSocket-Protocol: mcp")]
    [InlineData("localhost", null, null, "MCP, mcp2", HttpStatusCode.BadRequest, "Sec-WebSocket-Protocol: mcp")]
    [InlineData("evil.example.com", null, null, null, HttpStatusCode.Forbidden, "not this gateway's")]
    public async Task HandshakesAreCheckedLikeAllRequests(string host, string? origin, string? token, string? protocol, HttpStatusCode expected, string? words)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        using var request = Handshake(gateway, host, protocol);
        if (origin is not null)
        {
            request.Headers.Add("Origin", origin.Replace("{port}", $"{gateway.Server.Url!.Port}", StringComparison.Ordinal));
        }

        if (token is not null)
        {
            request.Headers.Add("Authorization", $"Bearer {token}");
        }

        using var response = await gateway.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Stop);
        Assert.Equal(expected, response.StatusCode);
        if (words is null)
        {
            Assert.Equal("mcp", Assert.Single(response.Headers.GetValues("Sec-WebSocket-Protocol")));
        }
        else
        {
            Assert.Contains(words, (string?)JsonNode.Parse(await response.Content.ReadAsStringAsync(Stop))!["error"]!["message"]);
            Assert.Equal(0, gateway.Sockets.Clients);
        }
    }

    [Theory(Timeout = Limit)]
    [InlineData(null, null)]
    [InlineData("the-gateways-tokeN", null)]
    [InlineData(Token, AgentId.Gateway)]
    [InlineData(Owner, AgentId.Owner)]
    public async Task WhereATokenIsRequiredItSaysWhoCalls(string? given, string? caller)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, new("http://127.0.0.1:0", Token), Owner);
        gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        gateway.Network.Callers.Clear();
        if (caller is null)
        {
            using var refused = Handshake(gateway, "localhost", "mcp");
            refused.Headers.TryAddWithoutValidation("Authorization", given is null ? null : $"Bearer {given}");
            using var response = await gateway.Http.SendAsync(refused, Stop);
            Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (response.StatusCode, response.Headers.WwwAuthenticate.ToString()));
            return;
        }

        using var client = await SocketClient.ConnectAsync(gateway, given);
        await client.AskAsync("tools/call", Echo("x"), 1);
        Assert.Equal("first: x", (string?)(await client.NextAsync())["result"]!["content"]![0]!["text"]);
        Assert.Equal([caller], gateway.Network.Callers);
    }

    [Theory(Timeout = Limit)]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task HttpsServesThemInBothVersionsOfHttp(string version)
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("dawn-ws").FullName, "gateway.pfx");
        using (var key = ECDsa.Create(ECCurve.NamedCurves.nistP256))
        using (var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200)))
        {
            await File.WriteAllBytesAsync(file, certificate.Export(X509ContentType.Pfx), Stop);
        }

        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, new("https://127.0.0.1:0", Certificate: new(file)));
        Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        using var client = await SocketClient.ConnectAsync(gateway, http: new(version));
        await client.InitializeAsync();
        await client.SendAsync("tools/call", Echo("x"), 3);
        Assert.Equal("first: x", (string?)(await client.AnswerAsync(3))["result"]!["content"]![0]!["text"]);
        var stopping = gateway.Server.StopAsync(Stop);
        Assert.Equal((WebSocketCloseStatus.EndpointUnavailable, "The node stops."), await client.ClosedAsync());
        await stopping.WaitAsync(Patience, Stop);
    }

    [Fact(Timeout = Limit)]
    public async Task AnAgentOfThatNameIsNeverReached()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Add("ws", FakeNetwork.There);
        using (var posted = await gateway.Http.SendAsync(gateway.Request("/mcp/ws", "tools/list"), Stop))
        {
            Assert.Equal(HttpStatusCode.UpgradeRequired, posted.StatusCode);
            Assert.Equal("websocket", posted.Headers.Upgrade.ToString());
            Assert.Equal("13", Assert.Single(posted.Headers.GetValues("Sec-WebSocket-Version")));
            Assert.Contains("for WebSocket clients", await posted.Content.ReadAsStringAsync(Stop));
        }

        using var client = await SocketClient.ConnectAsync(gateway);
        await client.InitializeAsync();
    }

    [Theory(Timeout = Limit)]
    [InlineData("{", WebSocketCloseStatus.InvalidPayloadData, "Not JSON-RPC")]
    [InlineData("", WebSocketCloseStatus.InvalidPayloadData, "Not JSON-RPC")]
    [InlineData("null", WebSocketCloseStatus.InvalidPayloadData, "Not JSON-RPC")]
    [InlineData("""[{"jsonrpc":"2.0","id":1,"method":"ping"}]""", WebSocketCloseStatus.InvalidPayloadData, "not a batch")]
    [InlineData("""{"jsonrpc":"2.0","id":1,"method":7}""", WebSocketCloseStatus.InvalidPayloadData, "Not JSON-RPC")]
    [InlineData("binary", WebSocketCloseStatus.InvalidMessageType, "text")]
    [InlineData("not utf-8", WebSocketCloseStatus.InvalidPayloadData, null)]
    public async Task WhatIsNoMessageEndsTheConnection(string message, WebSocketCloseStatus expected, string? words)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        using var client = await SocketClient.ConnectAsync(gateway);
        await client.InitializeAsync();
        await client.SendAsync(message == "not utf-8" ? [(byte)'"', 0xff, (byte)'"'] : Encoding.UTF8.GetBytes(message), message == "binary" ? WebSocketMessageType.Binary : WebSocketMessageType.Text);
        var (status, reason) = await client.ClosedAsync();
        Assert.Equal(expected, status);
        Assert.Contains(words ?? "", reason ?? "");
        await Eventually.HoldsAsync(() => gateway.Sockets.Clients == 0 && gateway.Dialer.Open == 0, "no client, no legs");
    }

    [Fact(Timeout = Limit)]
    public async Task MessagesAreBounded()
    {
        const int max = 100_000;
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, limits: new() { Message = max });
        using var client = await SocketClient.ConnectAsync(gateway);

        // As long as may be, in one piece and in many.
        var ping = Encoding.UTF8.GetBytes("""{"jsonrpc":"2.0","id":1,"method":"ping"}""".PadRight(max));
        await client.SendAsync(ping);
        Assert.NotNull((await client.NextAsync())["result"]);
        foreach (var piece in ping.Chunk(7_000))
        {
            await client.SendAsync(piece, endOfMessage: piece.Length < 7_000);
        }

        Assert.NotNull((await client.NextAsync())["result"]);
        await client.SendAsync([.. ping, (byte)' ']);
        Assert.Equal((WebSocketCloseStatus.MessageTooBig, $"A message may have {max:N0} bytes."), await client.ClosedAsync());
    }

    [Fact(Timeout = Limit)]
    public async Task ClientsAreBounded()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, limits: new() { Clients = 2 });
        using var first = await SocketClient.ConnectAsync(gateway);
        using var second = await SocketClient.ConnectAsync(gateway);
        using (var third = Handshake(gateway, "localhost", "mcp"))
        using (var response = await gateway.Http.SendAsync(third, Stop))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            Assert.Contains("2 WebSocket clients already", await response.Content.ReadAsStringAsync(Stop));
        }

        await first.Socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Stop).WaitAsync(Patience, Stop);
        Assert.Equal(WebSocketCloseStatus.NormalClosure, first.Socket.CloseStatus);
        await Eventually.HoldsAsync(() => gateway.Sockets.Clients == 1, "one client");
        using var fourth = await SocketClient.ConnectAsync(gateway);
        await fourth.InitializeAsync();
    }

    [Theory(Timeout = Limit)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AClientThatDoesNotReadIsEnded(bool byTime)
    {
        var time = new FakeTimeProvider();
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, limits: byTime ? null : new() { Unsent = 1_000_000 }, socketTime: time);
        gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        using var client = await SocketClient.ConnectAsync(gateway);

        // More than lies between in buffers.
        var text = new string('x', 1_000_000);
        try
        {
            for (var id = 0; id < 40; id++)
            {
                await client.AskAsync("tools/call", Echo(text), id);
            }
        }
        catch (Exception e) when (e is WebSocketException or IOException)
        {
            Assert.False(byTime, e.Message);
        }

        await Eventually.HoldsAsync(() => gateway.Sockets.Clients == 0, byTime ? () => time.Advance(TimeSpan.FromMilliseconds(200)) : null, "no client");
    }

    [Fact(Timeout = Limit)]
    public async Task AMessageThatIsNeverFinishedEndsTheConnection()
    {
        var time = new FakeTimeProvider();
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, socketTime: time);
        using var client = await SocketClient.ConnectAsync(gateway);
        await client.InitializeAsync();
        time.Advance(TimeSpan.FromHours(1));
        await client.SendAsync("ping", null, 3);
        await client.AnswerAsync(3);
        await client.SendAsync("{"u8.ToArray(), endOfMessage: false);
        await Eventually.HoldsAsync(() => gateway.Sockets.Clients == 0, () => time.Advance(TimeSpan.FromSeconds(1)), "no client");
    }

    [Fact(Timeout = Limit)]
    public async Task AClientThatAnswersNoPingIsEnded_AndOneThatDoesStays()
    {
        var often = TimeSpan.FromMilliseconds(300);
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, limits: new() { Ping = often, Pong = 20 * often });
        using var alive = await SocketClient.ConnectAsync(gateway);
        await alive.InitializeAsync();
        var answer = alive.AnswerAsync(3);
        using var dead = new TcpClient();
        await dead.ConnectAsync(IPAddress.Loopback, gateway.Server.Url!.Port, Stop);
        var handshake = $"GET /mcp/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mcp\r\n\r\n";
        await dead.GetStream().WriteAsync(Encoding.ASCII.GetBytes(handshake), Stop);
        await Eventually.HoldsAsync(() => gateway.Sockets.Clients == 2, "both");
        await Eventually.HoldsAsync(() => gateway.Sockets.Clients == 1, "one of them");
        await alive.SendAsync("ping", null, 3);
        Assert.NotNull((await answer)["result"]);
    }

    [Fact(Timeout = Limit)]
    public async Task AClientThatVanishesCancelsItsCalls()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        using var client = await SocketClient.ConnectAsync(gateway);
        await client.InitializeAsync();
        await client.SendAsync("tools/call", new() { ["name"] = "first__slow" }, 3);
        await agent.SlowStarted.Task.WaitAsync(Patience, Stop);
        client.Socket.Abort();
        await agent.SlowCancelled.Task.WaitAsync(Patience, Stop);
        await Eventually.HoldsAsync(() => gateway.Sockets.Clients == 0 && gateway.Dialer.Open == 0, "no client, no legs");
    }

    [Fact(Timeout = Limit)]
    public async Task AStoppingNodeAnswersWhatIsInFlightAndSaysThatItGoes()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        var agent = gateway.Add("first", FakeNetwork.Here);
        await gateway.SettleAsync();
        using var client = await SocketClient.ConnectAsync(gateway);
        using var silent = await SocketClient.ConnectAsync(gateway);
        await client.InitializeAsync();
        await client.SendAsync("tools/call", new() { ["name"] = "first__slow" }, 3);
        await agent.SlowStarted.Task.WaitAsync(Patience, Stop);
        var answer = client.AnswerAsync(3);
        var stopping = gateway.Server.StopAsync(Stop);
        Assert.Equal("outcome-unknown", (string?)(await answer)["error"]!["data"]!["dawn"]);
        Assert.Equal((WebSocketCloseStatus.EndpointUnavailable, "The node stops."), await client.ClosedAsync());
        await stopping.WaitAsync(Patience, Stop);
        await Eventually.HoldsAsync(() => gateway.Sockets.Clients == 0, "no clients");
    }

    private static List<string?> Names(JsonNode answer) => [.. answer["result"]!["tools"]!.AsArray().Select(tool => (string?)tool!["name"])];

    // Lists of prompts and resources change as well.
    private static async Task<JsonNode> HeardAsync(SocketClient client, string method)
    {
        while (true)
        {
            var message = await client.NextAsync();
            if ((string?)message["method"] == method)
            {
                return message;
            }
        }
    }

    private static HttpRequestMessage Handshake(GatewayFixture gateway, string host, string? protocol)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(gateway.Server.Url!, "/mcp/ws"));
        request.Headers.Host = $"{host}:{gateway.Server.Url!.Port}";
        request.Headers.Connection.Add("Upgrade");
        request.Headers.Upgrade.ParseAdd("websocket");
        request.Headers.Add("Sec-WebSocket-Version", "13");
        request.Headers.Add("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==");
        if (protocol is not null)
        {
            request.Headers.Add("Sec-WebSocket-Protocol", protocol);
        }

        return request;
    }
}
