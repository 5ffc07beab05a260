using System.IO.Pipelines;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using Xunit;

namespace MyAgent.Tests;

/// <summary>The agent as an MCP client sees it, without a node.</summary>
public sealed class AgentTests : IAsyncLifetime
{
    private readonly Pipe _toServer = new();
    private readonly Pipe _toClient = new();
    private ServiceProvider _services = null!;
    private McpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        var services = new ServiceCollection().AddLogging();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection([new("Greeting", "Hello")]).Build());
        var agent = typeof(Tools).Assembly;
        services.AddMcpServer().WithToolsFromAssembly(agent).WithPromptsFromAssembly(agent).WithResourcesFromAssembly(agent)
            .WithStreamServerTransport(_toServer.Reader.AsStream(), _toClient.Writer.AsStream());
        _services = services.BuildServiceProvider();
        _ = _services.GetRequiredService<McpServer>().RunAsync(TestContext.Current.CancellationToken);
        _client = await McpClient.CreateAsync(new StreamClientTransport(_toServer.Writer.AsStream(), _toClient.Reader.AsStream()), cancellationToken: TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _services.DisposeAsync();
    }

    [Fact(Timeout = 30_000)]
    public async Task It_greets_as_its_settings_say()
    {
        var result = await _client.CallToolAsync("greet", new Dictionary<string, object?> { ["name"] = "Ada" }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("Hello, Ada!", Assert.IsType<TextContentBlock>(Assert.Single(result.Content)).Text);
    }

    [Fact(Timeout = 30_000)]
    public async Task It_says_what_is_wrong()
    {
        var result = await _client.CallToolAsync("greet", new Dictionary<string, object?> { ["name"] = " " }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.True(result.IsError);
        Assert.Contains("name is empty", Assert.IsType<TextContentBlock>(Assert.Single(result.Content)).Text, StringComparison.Ordinal);
    }

    [Fact(Timeout = 30_000)]
    public async Task It_has_a_prompt_and_a_resource()
    {
        Assert.Equal("welcome", Assert.Single(await _client.ListPromptsAsync(cancellationToken: TestContext.Current.CancellationToken)).Name);
        Assert.Equal("manners", Assert.Single(await _client.ListResourcesAsync(cancellationToken: TestContext.Current.CancellationToken)).Name);
    }
}
