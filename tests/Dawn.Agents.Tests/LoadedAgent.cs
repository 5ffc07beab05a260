using System.IO.Pipelines;
using System.Reflection;
using System.Security.Claims;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Tests;

/// <summary>An agent assembly, taken up as a host takes it up: by its attributes and by the names of its set-up class.</summary>
internal sealed class LoadedAgent : IAsyncDisposable
{
    private readonly Assembly _assembly;
    private readonly ServiceProvider _services;
    private readonly Type? _setup;

    public LoadedAgent(Assembly assembly, Action<IServiceCollection>? configure = null)
    {
        _assembly = assembly;
        _setup = assembly.GetExportedTypes().SingleOrDefault(type => type.Name == "McpServerSetup");
        var services = new ServiceCollection();
        services.AddLogging();
        configure?.Invoke(services);
        _setup?.GetMethod("ConfigureServices")?.Invoke(null, [services]);
        _services = services.BuildServiceProvider();
    }

    public static LoadedAgent First(Action<IServiceCollection>? configure = null) => new(typeof(Agents.First.PingTools).Assembly, configure);

    public static LoadedAgent Sample() => new(typeof(Units.UnitTools).Assembly);

    public static LoadedAgent Conformance(TimeProvider? time = null) =>
        new(typeof(Agents.Conformance.ContentTools).Assembly, services => services.AddSingleton(time ?? TimeProvider.System));

    /// <summary>Opens a conversation in which both ends are the real ones.</summary>
    public async Task<Conversation> OpenAsync(McpClientOptions? options = null, string? caller = null)
    {
        var (transport, server, serving) = Serve(caller);
        return new(await McpClient.CreateAsync(transport, options, cancellationToken: TestContext.Current.CancellationToken), server, serving);
    }

    /// <summary>Opens a conversation without a client, which would answer by itself what a test means to answer.</summary>
    public async Task<RawConversation> OpenRawAsync(string? caller = null)
    {
        var (transport, server, serving) = Serve(caller);
        return new(await transport.ConnectAsync(TestContext.Current.CancellationToken), server, serving);
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private (StreamClientTransport Transport, McpServer Server, Task Serving) Serve(string? caller)
    {
        var (toServer, toClient) = (new Pipe(), new Pipe());
        var server = McpServer.Create(new StreamServerTransport(toServer.Reader.AsStream(), toClient.Writer.AsStream()), Options(caller), null, _services);
        return (new(toServer.Writer.AsStream(), toClient.Reader.AsStream()), server, server.RunAsync(TestContext.Current.CancellationToken));
    }

    private McpServerOptions Options(string? caller)
    {
        var options = new McpServerOptions
        {
            ServerInfo = new() { Name = _assembly.GetName().Name!, Version = "1" },
            ToolCollection = [],
            PromptCollection = [],
            ResourceCollection = [],
        };
        foreach (var method in _assembly.GetTypes().SelectMany(type => type.GetMethods()))
        {
            if (method.IsDefined(typeof(McpServerToolAttribute)))
            {
                options.ToolCollection.Add(method.IsStatic
                    ? McpServerTool.Create(method, target: null, new() { Services = _services })
                    : McpServerTool.Create(method, request => New(method, request.Services!), new() { Services = _services }));
            }
            else if (method.IsDefined(typeof(McpServerPromptAttribute)))
            {
                options.PromptCollection.Add(method.IsStatic
                    ? McpServerPrompt.Create(method, target: null, new() { Services = _services })
                    : McpServerPrompt.Create(method, request => New(method, request.Services!), new() { Services = _services }));
            }
            else if (method.IsDefined(typeof(McpServerResourceAttribute)))
            {
                options.ResourceCollection.Add(method.IsStatic
                    ? McpServerResource.Create(method, target: null, new() { Services = _services })
                    : McpServerResource.Create(method, request => New(method, request.Services!), new() { Services = _services }));
            }
        }

        _setup?.GetMethod("Configure")?.Invoke(null, [options, _services]);
        if (caller is not null)
        {
            var user = new ClaimsPrincipal(new ClaimsIdentity([new(ClaimTypes.Name, caller), new("node", caller.Split(':')[0]), new("role", caller.EndsWith(":page", StringComparison.Ordinal) ? "browser" : "member")], "test"));
            options.Filters.Message.IncomingFilters.Add(next => (context, ct) =>
            {
                context.User = user;
                return next(context, ct);
            });
        }

        return options;
    }

    private static object New(MethodInfo method, IServiceProvider services) => ActivatorUtilities.CreateInstance(services, method.DeclaringType!);
}
