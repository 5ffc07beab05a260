using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Dawn.Agents;
using Dawn.Plugins;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using Xunit;

namespace Dawn.Tests.Plugins;

/// <summary>The bundled agent with the most libraries leaves nothing behind either: each edit of its settings loads it anew.</summary>
public sealed class AssistantUnloadTests : IAsyncDisposable
{
    private readonly PluginSandbox _sandbox = new();

    public ValueTask DisposeAsync() => _sandbox.DisposeAsync();

    [Theory(Timeout = 60_000)]
    [InlineData("/help", "/tools")]
    [InlineData("/tools", "None of the")]
    [InlineData("Hello", "Hi.")]
    public async Task An_assistant_that_was_talked_with_is_collected(string message, string reply)
    {
        await using var endpoint = await EndpointAsync();
        _sandbox["assistant:Endpoint"] = endpoint.Urls.Single() + "/v1";
        _sandbox["assistant:Model"] = "fake";
        var context = await UseAsync(message, reply, TestContext.Current.CancellationToken);
        await PluginSandbox.CollectedAsync(context, TestContext.Current.CancellationToken);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task<WeakReference> UseAsync(string message, string reply, CancellationToken cancellationToken)
    {
        var node = Node();
        Assert.True(_sandbox.Agents.TryAdd(node));
        var plugin = new Plugin("agents/assistant", _sandbox.Install("agents/assistant", "agents/assistant"), _sandbox.Surroundings);
        await plugin.ProvisionAsync(isAgent: true, cancellationToken);
        var context = plugin.Context!;
        Assert.True(_sandbox.Agents.TryAdd(plugin.Agent!));
        await SayAsync(message, reply, cancellationToken);
        await _sandbox.Agents.RemoveAsync(plugin.Agent!);
        await plugin.DisposeAsync();
        return context;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task SayAsync(string message, string reply, CancellationToken cancellationToken)
    {
        var channel = await _sandbox.Agents.DialAsync(new(FakeAgentHost.Node, "assistant"), "tester", cancellationToken);
        await using var client = await McpClient.CreateAsync(new ChannelClientTransport("assistant", channel), null, null, cancellationToken);
        var result = await client.CallToolAsync("chat", new Dictionary<string, object?> { ["message"] = message }, cancellationToken: cancellationToken);
        Assert.Contains(reply, result.Content.OfType<TextContentBlock>().Single().Text, StringComparison.Ordinal);
    }

    private static AssemblyAgent Node()
    {
        McpServerTool[] tools =
        [
            McpServerTool.Create(() => new { node = FakeAgentHost.Node.ToString() }, new() { Name = "id", UseStructuredContent = true }),
            McpServerTool.Create(() => new { agents = Array.Empty<string>() }, new() { Name = "agents", UseStructuredContent = true }),
        ];
        var options = new McpServerOptions { ServerInfo = new() { Name = "node", Version = "1" }, ToolCollection = [.. tools] };
        return new("node", null, "built in", new(Audience.Everyone, ImmutableDictionary<string, Audience>.Empty), options, new ServiceCollection().BuildServiceProvider(), NullLoggerFactory.Instance);
    }

    private static async Task<WebApplication> EndpointAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.MapPost("/v1/chat/completions", async context =>
        {
            context.Response.ContentType = "text/event-stream";
            const string Chunk = """data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"fake","choices":[{"index":0,"delta":{"content":"Hi."},"finish_reason":"stop"}]}""";
            await context.Response.WriteAsync($"{Chunk}\n\ndata: [DONE]\n\n", context.RequestAborted);
        });
        await app.StartAsync(TestContext.Current.CancellationToken);
        return app;
    }
}
