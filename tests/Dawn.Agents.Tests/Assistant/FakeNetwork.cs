using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Tests.Assistant;

/// <summary>A node with its agent <c>node</c>, agents of its own and of another node, all real MCP servers in memory, and the assistant.</summary>
internal sealed class FakeNetwork : IAsyncDisposable
{
    public const string Here = "aaaaaaaahere";
    public const string There = "bbbbbbbbthere";
    public const string Owner = Here + ":owner";
    public const string Page = "ccccccccpage:page";

    private readonly LoadedAgent _assistant;
    private readonly List<IAsyncDisposable> _open = [];

    public FakeNetwork(params (string Key, string Value)[] settings)
    {
        Settings = new ConfigurationBuilder().AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value)).Build();
        _assistant = new(typeof(Agents.Assistant.McpServerSetup).Assembly, services =>
        {
            services.AddSingleton<IConfiguration>(Settings);
            services.AddSingleton<TimeProvider>(Time);
            services.AddSingleton<Func<string, CancellationToken, Task<McpClient>>>(ConnectAsync);
            // As a node does: what the caller may not call itself is refused, and so is every other node's.
            services.AddSingleton<Func<string, System.Security.Claims.ClaimsPrincipal, CancellationToken, Task<McpClient>>>((address, _, cancellationToken) =>
                address == Here + ":public" ? ConnectAsync(address, cancellationToken) : throw new ModelContextProtocol.McpException($"{address} is not open to you"));
        });
    }

    public IConfiguration Settings { get; }

    public Microsoft.Extensions.Time.Testing.FakeTimeProvider Time { get; } = new();

    /// <summary>What was called, as <c>address tool</c>.</summary>
    public List<string> Called { get; } = [];

    public Task<Conversation> OpenAsync(string caller = Owner, Func<ElicitRequestParams, ElicitResult>? asked = null) => _assistant.OpenAsync(
        new()
        {
            Capabilities = asked is null ? new() : new() { Elicitation = new() { Form = new() } },
            Handlers = new() { ElicitationHandler = asked is null ? null : (request, _) => new(asked(request!)) },
            ProtocolVersion = "2025-11-25",
        },
        caller);

    public Task<RawConversation> OpenRawAsync() => _assistant.OpenRawAsync(Owner);

    public async ValueTask DisposeAsync()
    {
        foreach (var one in _open)
        {
            await one.DisposeAsync();
        }

        await _assistant.DisposeAsync();
    }

    private async Task<McpClient> ConnectAsync(string address, CancellationToken cancellationToken)
    {
        var options = new McpServerOptions { ToolCollection = [.. ToolsOf(address)] };
        var (toServer, toClient) = (new System.IO.Pipelines.Pipe(), new System.IO.Pipelines.Pipe());
        var server = McpServer.Create(new StreamServerTransport(toServer.Reader.AsStream(), toClient.Writer.AsStream()), options);
        _ = server.RunAsync(TestContext.Current.CancellationToken);
        lock (_open)
        {
            _open.Add(server);
        }

        return await McpClient.CreateAsync(new StreamClientTransport(toServer.Writer.AsStream(), toClient.Reader.AsStream()), cancellationToken: cancellationToken);
    }

    private IEnumerable<McpServerTool> ToolsOf(string address) => address switch
    {
        "node" =>
        [
            Tool(address, "id", "", () => new { node = Here }),
            Tool(address, "agents", "", () => new { agents = new[] { Agent(Here, "private"), Agent(Here, "public"), Agent(There, "text"), Agent(There, "gone", false) } }),
        ],
        Here + ":private" => [Tool(address, "read_diary", "Reads the diary of the house.", () => "Dear diary")],
        Here + ":public" => [Tool(address, "weather", "Tells the weather of a city.", (string city) => $"Sun in {city}"), Tool(address, "chat", "Talks.", (string message) => "no")],
        There + ":text" => [Tool(address, "count", "Counts the words of a text.", (string text) => $"{text.Split(' ').Length} words"), Tool(address, "fail", "Always fails.", string () => throw new ModelContextProtocol.McpException("It is broken."))],
        _ => throw new InvalidOperationException(address),
    };

    private McpServerTool Tool(string address, string name, string description, Delegate answer)
    {
        var tool = McpServerTool.Create(answer, new() { Name = name, Description = description, UseStructuredContent = address == "node" });
        return address == "node" ? tool : new Noted(tool, () => Called.Add($"{address} {name}"));
    }

    private static object Agent(string node, string agent, bool online = true) => new { address = $"{node}:{agent}", node, agent, title = $"The {agent}", online };

    private sealed class Noted(McpServerTool inner, Action note) : DelegatingMcpServerTool(inner)
    {
        public override ValueTask<CallToolResult> InvokeAsync(RequestContext<CallToolRequestParams> request, CancellationToken cancellationToken = default)
        {
            note();
            return base.InvokeAsync(request, cancellationToken);
        }
    }
}
