using System.Buffers;
using System.Net;
using System.Net.WebSockets;
using Dawn.Gateway;
using Microsoft.AspNetCore.Connections;
using Xunit;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Gateway;

/// <summary>Where pages come in: who may, and that bytes pass both ways until one end is done.</summary>
public sealed class LinkEndpointTests
{
    private const int Limit = 60_000;

    [Fact(Timeout = Limit)]
    public async Task BytesPassBothWaysWhateverTheBoundsOfMessages()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        await gateway.Links.StartAsync(Stop);
        gateway.Serve = EchoAsync;
        using var socket = await ConnectAsync(gateway);
        var sent = new byte[300_000];
        new Random(1).NextBytes(sent);
        for (var at = 0; at < sent.Length; at += 50_000)
        {
            await socket.SendAsync(sent.AsMemory(at, 25_000), WebSocketMessageType.Binary, false, Stop);
            await socket.SendAsync(sent.AsMemory(at + 25_000, 25_000), WebSocketMessageType.Binary, true, Stop);
            var received = new byte[50_000];
            for (var count = 0; count < received.Length;)
            {
                count += (await socket.ReceiveAsync(received.AsMemory(count), Stop)).Count;
            }

            Assert.True(received.AsSpan().SequenceEqual(sent.AsSpan(at, 50_000)));
        }

        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, null, Stop);
        Assert.Equal(WebSocketCloseStatus.NormalClosure, socket.CloseStatus);
    }

    [Fact(Timeout = Limit)]
    public async Task WhereTheNodeEndsTheConnectionThePageSeesAClose()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        await gateway.Links.StartAsync(Stop);
        gateway.Serve = static async (connection, _, _) =>
        {
            await connection.Transport.Output.WriteAsync("last words"u8.ToArray(), Stop);
            await connection.DisposeAsync();
        };
        using var socket = await ConnectAsync(gateway);
        var buffer = new byte[64];
        Assert.Equal("last words".Length, (await socket.ReceiveAsync(buffer, Stop)).Count);
        Assert.Equal(WebSocketMessageType.Close, (await socket.ReceiveAsync(buffer, Stop)).MessageType);
    }

    [Fact(Timeout = Limit)]
    public async Task OverHttp2OneLinkIsCutAndTheOthersOfTheBrowserGoOn()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, new("https://127.0.0.1:0"));
        await gateway.Links.StartAsync(Stop);
        var count = 0;
        ConnectionContext? cut = null;
        gateway.Serve = async (connection, _, _) =>
        {
            if (Interlocked.Increment(ref count) == 1)
            {
                Volatile.Write(ref cut, connection);
            }

            await EchoAsync(connection, "wss", Stop);
        };
        // One client has one connection.
        using var first = await OpenAsync();
        await EchoesAsync(first);
        using var second = await OpenAsync();
        await EchoesAsync(second);
        Volatile.Read(ref cut)!.Abort();
        await Assert.ThrowsAsync<WebSocketException>(() => first.ReceiveAsync(new byte[16], Stop));
        await EchoesAsync(second);

        async Task<ClientWebSocket> OpenAsync()
        {
            var socket = new ClientWebSocket();
            (socket.Options.HttpVersion, socket.Options.HttpVersionPolicy) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
            await socket.ConnectAsync(new UriBuilder(gateway.Server.Url!) { Scheme = "wss", Path = "/link" }.Uri, gateway.Http, Stop).WaitAsync(Patience, Stop);
            return socket;
        }

        static async Task EchoesAsync(ClientWebSocket socket)
        {
            await socket.SendAsync("echo"u8.ToArray(), WebSocketMessageType.Binary, true, Stop);
            Assert.Equal(4, (await socket.ReceiveAsync(new byte[16], Stop)).Count);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task TextEndsTheConnection()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        await gateway.Links.StartAsync(Stop);
        var ended = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        gateway.Serve = async (connection, scheme, _) =>
        {
            Assert.Equal("ws", scheme);
            Assert.Equal(IPAddress.Loopback, Assert.IsType<IPEndPoint>(connection.RemoteEndPoint).Address);
            try
            {
                await connection.Transport.Input.ReadAsync(Stop);
                ended.SetResult("no fault");
            }
            catch (IOException e)
            {
                ended.SetResult(e.Message);
            }
        };
        using var socket = await ConnectAsync(gateway);
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, Stop);
        Assert.Contains("text", await ended.Task.WaitAsync(Patience, Stop), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task ItIsOpenWhileTheNodesListenersAre()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, await RefusalAsync(gateway));
        await gateway.Links.StartAsync(Stop);
        gateway.Serve = EchoAsync;
        using (var socket = await ConnectAsync(gateway))
        {
            await gateway.Links.StopAsync(Stop);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await RefusalAsync(gateway));
        }

        Assert.Equal(HttpStatusCode.UpgradeRequired, (await gateway.Http.GetAsync(new Uri(gateway.Server.Url!, "/link"), Stop)).StatusCode);
    }

    [Theory(Timeout = Limit)]
    [InlineData("Origin", "http://localhost:1")]
    [InlineData("Origin", "https://elsewhere.example")]
    [InlineData("Origin", "null")]
    [InlineData("Host", "elsewhere.example")]
    public async Task PagesFromElsewhereAreRefused(string header, string value)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        await gateway.Links.StartAsync(Stop);
        gateway.Serve = static (_, _, _) => throw new InvalidOperationException("It got in.");
        Assert.Equal(HttpStatusCode.Forbidden, await RefusalAsync(gateway, (header, value)));
    }

    [Fact(Timeout = Limit)]
    public async Task ATokenOfTheGatewayIsNotAskedForSinceTheLinkAsksForMore()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, new("http://127.0.0.1:0", "the-gateways-token"));
        await gateway.Links.StartAsync(Stop);
        gateway.Serve = EchoAsync;
        using var socket = await ConnectAsync(gateway);
        Assert.Equal(WebSocketState.Open, socket.State);
    }

    private static async Task EchoAsync(ConnectionContext connection, string scheme, CancellationToken stop)
    {
        while (true)
        {
            var read = await connection.Transport.Input.ReadAsync(Stop);
            await connection.Transport.Output.WriteAsync(read.Buffer.ToArray(), Stop);
            connection.Transport.Input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                break;
            }
        }

        await connection.DisposeAsync();
    }

    private static Uri Link(GatewayFixture gateway) => new UriBuilder(gateway.Server.Url!) { Scheme = "ws", Path = LinkEndpoint.Path }.Uri;

    private static async Task<ClientWebSocket> ConnectAsync(GatewayFixture gateway)
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Origin", gateway.Server.Url!.GetLeftPart(UriPartial.Authority));
        await socket.ConnectAsync(Link(gateway), Stop);
        return socket;
    }

    private static async Task<HttpStatusCode> RefusalAsync(GatewayFixture gateway, (string Name, string Value)? header = null)
    {
        using var socket = new ClientWebSocket();
        socket.Options.CollectHttpResponseDetails = true;
        if (header is var (name, value))
        {
            socket.Options.SetRequestHeader(name, value);
        }

        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(Link(gateway), Stop));
        return socket.HttpStatusCode;
    }
}
