using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.WebSockets;
using Grpc.Core;
using Grpc.Net.Client;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Benchmarks.Peers;

/// <summary>Any MCP client: that of the SDK's HTTP transport at a server or a gateway, or within one process.</summary>
internal sealed class McpLoadClient(McpClient client, IAsyncDisposable? other = null) : ILoadClient
{
    public static async Task<McpLoadClient> ConnectAsync(Uri endpoint, string thumbprint, CancellationToken cancellationToken)
    {
        var http = new HttpClient(SelfSigned.Handler(thumbprint)) { Timeout = Timeout.InfiniteTimeSpan };
        return new(await McpClient.CreateAsync(
            new HttpClientTransport(new() { Endpoint = endpoint, TransportMode = HttpTransportMode.StreamableHttp }, http, ownsHttpClient: true), cancellationToken: cancellationToken));
    }

    public async Task<LoadResult> RunAsync(LoadRequest request, CancellationToken cancellationToken)
    {
        var call = new EchoCall(client, request.Size);
        var before = await EchoCall.AllocatedAsync(client, cancellationToken);
        var calls = 0L;
        var result = await Load.RunAsync(
            () =>
            {
                Interlocked.Increment(ref calls);
                return call.RunAsync(cancellationToken);
            },
            request.InFlight, request.Seconds, cancellationToken);
        var after = await EchoCall.AllocatedAsync(client, cancellationToken);
        return result with { RemoteAllocatedPerCall = (double)(after - before) / calls };
    }

    public async ValueTask DisposeAsync()
    {
        await client.DisposeAsync();
        if (other is not null)
        {
            await other.DisposeAsync();
        }
    }
}

/// <summary>The SDK's client and server in one process, over pipes: what MCP itself costs.</summary>
internal static class McpMemory
{
    public static IEnumerable<McpServerTool> Tools() =>
        [McpServerTool.Create(EchoTools.Echo, new() { Name = "echo" }), McpServerTool.Create(EchoTools.Allocated, new() { Name = "allocated" })];

    public static async Task<McpLoadClient> ConnectAsync(CancellationToken cancellationToken)
    {
        var (up, down) = (new Pipe(), new Pipe());
        var server = McpServer.Create(
            new StreamServerTransport(up.Reader.AsStream(), down.Writer.AsStream()),
            new() { ServerInfo = new() { Name = "echo", Version = "1" }, ToolCollection = [.. Tools()] });
        _ = server.RunAsync(cancellationToken);
        return new(await McpClient.CreateAsync(new StreamClientTransport(up.Writer.AsStream(), down.Reader.AsStream()), cancellationToken: cancellationToken), server);
    }
}

internal sealed class GrpcLoadClient(ServedAt at) : ILoadClient
{
    private readonly GrpcChannel _channel = GrpcChannel.ForAddress(at.Address, new() { HttpHandler = SelfSigned.Handler(at.Thumbprint), DisposeHttpClient = true });

    public Task<LoadResult> RunAsync(LoadRequest request, CancellationToken cancellationToken)
    {
        var invoker = _channel.CreateCallInvoker();
        var text = new string('x', request.Size);
        return Load.RunAsync(CallAsync, request.InFlight, request.Seconds, cancellationToken);

        async Task CallAsync()
        {
            using var call = invoker.AsyncUnaryCall(GrpcEcho.Method, null, new CallOptions(cancellationToken: cancellationToken), text);
            if (await call != text)
            {
                throw new InvalidOperationException("The echo differs.");
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        _channel.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>Raw messages: one echo at a time, or bulk in one direction.</summary>
internal sealed class WebSocketLoadClient : ILoadClient
{
    private readonly ClientWebSocket _socket = new();
    private readonly bool _isBulk;

    private WebSocketLoadClient(bool isBulk) => _isBulk = isBulk;

    public static async Task<WebSocketLoadClient> ConnectAsync(ServedAt at, bool isBulk, CancellationToken cancellationToken)
    {
        var client = new WebSocketLoadClient(isBulk);
        client._socket.Options.RemoteCertificateValidationCallback = SelfSigned.Pin(at.Thumbprint);
        await client._socket.ConnectAsync(new Uri($"{at.Address.Replace("https", "wss")}/{(isBulk ? "bulk" : "echo")}"), cancellationToken);
        return client;
    }

    public Task<LoadResult> RunAsync(LoadRequest request, CancellationToken cancellationToken)
    {
        var message = new byte[request.Size];
        Array.Fill(message, (byte)'x');
        if (_isBulk)
        {
            return Bulk.RunAsync(
                async () => await _socket.SendAsync(message.AsMemory(), WebSocketMessageType.Binary, true, cancellationToken),
                () => ArrivedAsync(cancellationToken), request, cancellationToken);
        }

        if (request.InFlight != 1)
        {
            throw new ArgumentException("A raw WebSocket has no call numbers: one at a time.");
        }

        var answer = new byte[request.Size];
        return Load.RunAsync(EchoAsync, 1, request.Seconds, cancellationToken);

        async Task EchoAsync()
        {
            await _socket.SendAsync(message.AsMemory(), WebSocketMessageType.Binary, true, cancellationToken);
            for (var read = 0; read < answer.Length;)
            {
                read += (await _socket.ReceiveAsync(answer.AsMemory(read), cancellationToken)).Count;
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<long> ArrivedAsync(CancellationToken cancellationToken)
    {
        await _socket.SendAsync("?"u8.ToArray(), WebSocketMessageType.Text, true, cancellationToken);
        var count = new byte[sizeof(long)];
        await _socket.ReceiveAsync(count.AsMemory(), cancellationToken);
        return BitConverter.ToInt64(count);
    }
}

/// <summary>Messages one after the other in one direction; counted are those that the other end says it has.</summary>
internal static class Bulk
{
    public static async Task<LoadResult> RunAsync(Func<Task> send, Func<Task<long>> arrived, LoadRequest request, CancellationToken cancellationToken)
    {
        await SendForAsync(Math.Min(0.2, request.Seconds / 4));
        var before = await arrived();
        var (began, allocated) = (Stopwatch.GetTimestamp(), GC.GetTotalAllocatedBytes());
        await SendForAsync(request.Seconds);
        var messages = (await arrived() - before) / request.Size;
        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        return new(messages, messages / seconds, 0, 0, 0, 0, (double)(GC.GetTotalAllocatedBytes() - allocated) / Math.Max(1, messages));

        async Task SendForAsync(double duration)
        {
            for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < duration;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await send();
            }
        }
    }
}
