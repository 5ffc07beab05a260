using System.Net;
using System.Net.WebSockets;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.AspNetCore;

namespace Dawn.Benchmarks.Peers;

/// <summary>The comparators' servers: Kestrel with the MCP SDK, gRPC or a WebSocket echo.</summary>
internal static class WebServer
{
    public static async Task<(ServedAt At, IAsyncDisposable Server)> StartAsync(string kind)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        var certificate = kind == "mcp-plain" ? null : SelfSigned.Create();
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (certificate is not null)
            {
                listen.UseHttps(certificate);
            }
        }));
        builder.Services.AddRouting();
        switch (kind)
        {
            case "grpc":
                builder.Services.AddGrpc();
                break;
            case "mcp" or "mcp-plain" or "mcp-proxied":
                // A session for each client, as a channel is in Dawn; without one the server is made anew for each request.
                // Against the gateway both revisions are served as the gateway does, so that the same client speaks the same one to both.
                builder.Services.AddMcpServer()
                    .WithHttpTransport(o => o.SessionMode = kind == "mcp" ? HttpServerSessionMode.Stateful : HttpServerSessionMode.StatefulForInitializeClients).WithTools([.. McpMemory.Tools()]);
                break;
        }

        var app = builder.Build();
        switch (kind)
        {
            case "grpc":
                app.MapGrpcService<GrpcEcho>();
                break;
            case "mcp" or "mcp-plain" or "mcp-proxied":
                app.MapMcp("/mcp");
                break;
            case "websocket":
                app.UseWebSockets();
                app.Map("/echo", context => WithSocketAsync(context, EchoAsync));
                app.Map("/bulk", context => WithSocketAsync(context, CountAsync));
                break;
            default:
                throw new ArgumentException($"There is no server '{kind}'.");
        }

        await app.StartAsync();
        var address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        return (new($"{address.Scheme}://127.0.0.1:{address.Port}", certificate is null ? "" : SelfSigned.ThumbprintOf(certificate)), app);
    }

    private static async Task WithSocketAsync(HttpContext context, Func<WebSocket, CancellationToken, Task> serve)
    {
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        await serve(socket, context.RequestAborted);
    }

    private static async Task EchoAsync(WebSocket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        while (await socket.ReceiveAsync(buffer.AsMemory(), cancellationToken) is { MessageType: not WebSocketMessageType.Close } received)
        {
            await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, received.EndOfMessage, cancellationToken);
        }
    }

    // A text message asks how many bytes came.
    private static async Task CountAsync(WebSocket socket, CancellationToken cancellationToken)
    {
        var buffer = new byte[64 * 1024];
        var bytes = 0L;
        while (await socket.ReceiveAsync(buffer.AsMemory(), cancellationToken) is { MessageType: not WebSocketMessageType.Close } received)
        {
            if (received.MessageType == WebSocketMessageType.Binary)
            {
                bytes += received.Count;
            }
            else
            {
                await socket.SendAsync(BitConverter.GetBytes(bytes), WebSocketMessageType.Binary, true, cancellationToken);
            }
        }
    }
}

/// <summary>A unary call written out by hand: no generated code, the same string in and out.</summary>
[BindServiceMethod(typeof(GrpcEchoBase), nameof(Bind))]
internal abstract class GrpcEchoBase
{
    private static readonly Marshaller<string> Text = new(System.Text.Encoding.UTF8.GetBytes, System.Text.Encoding.UTF8.GetString);

    public static Method<string, string> Method { get; } = new(MethodType.Unary, "dawn.Benchmark", nameof(Echo), Text, Text);

    public static void Bind(ServiceBinderBase binder, GrpcEchoBase? service) =>
        binder.AddMethod(Method, service is null ? null : new UnaryServerMethod<string, string>(service.Echo));

    // gRPC looks for the service's methods above the class that binds them, as its generator lays them out.
    public abstract Task<string> Echo(string text, ServerCallContext context);
}

internal sealed class GrpcEcho : GrpcEchoBase
{
    public override Task<string> Echo(string text, ServerCallContext context) => Task.FromResult(text);
}
