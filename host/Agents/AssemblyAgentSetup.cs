using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dawn.Plugins;
using Microsoft.Extensions.Options;
using ModelContextProtocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents;

/// <summary>Finds what an agent's assembly offers and puts it into <see cref="McpServerOptions"/>.</summary>
/// <remarks>
/// An assembly may hold a public static class <c>McpServerSetup</c>, in any namespace, with one or both of these public static methods:
/// <code>
/// public static void ConfigureServices(IServiceCollection services)                        // before the container is built
/// public static void Configure(McpServerOptions options, IServiceProvider services)        // once, after the marked classes were added
/// </code>
/// The second may add handlers (completion, subscriptions, logging level), filters, instructions, and tools that no attribute describes. The options serve all conversations.
/// An <see cref="IConfigureOptions{TOptions}"/> of <see cref="McpServerOptions"/> in the services is honoured too, just before.
/// </remarks>
internal sealed class AssemblyAgentSetup
{
    private const string ClassName = "McpServerSetup";
    private const BindingFlags Methods = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance;

    private readonly Type[] _types;
    private readonly Type? _class;

    public AssemblyAgentSetup(Assembly assembly)
    {
        _types = assembly.GetTypes();
        _class = Array.Find(_types, t => t is { Name: ClassName, IsPublic: true });
        if (_class is null && !_types.Any(IsMarked))
        {
            throw new PluginException(
                "No MCP types found.",
                "Mark a class with [McpServerToolType] and its methods with [McpServerTool] (or the same for prompts or resources), and don't ship another ModelContextProtocol.Core.dll.");
        }
    }

    public void ConfigureServices(IServiceCollection services) => Call("ConfigureServices", [typeof(IServiceCollection)], services);

    public McpServerOptions Build(string id, string version, string? title, string? description, IServiceProvider services)
    {
        // Options remember every type that they wrote, and equal options share that memory: these equal no others, so that the types can be unloaded.
        var json = new JsonSerializerOptions(McpJsonUtilities.DefaultOptions);
        json.TypeInfoResolverChain.Add(new DefaultJsonTypeInfoResolver());
        json.MakeReadOnly();

        var options = new McpServerOptions
        {
            ServerInfo = new() { Name = id, Title = title, Description = description, Version = version },
            ToolCollection = [],
            PromptCollection = [],
            ResourceCollection = [],
        };
        foreach (var (type, method) in Marked<McpServerToolTypeAttribute, McpServerToolAttribute>())
        {
            var create = new McpServerToolCreateOptions { Services = services, SerializerOptions = json };
            options.ToolCollection.Add(method.IsStatic
                ? McpServerTool.Create(method, options: create)
                : McpServerTool.Create(method, request => Instance(request.Services ?? services, type), create));
        }

        foreach (var (type, method) in Marked<McpServerPromptTypeAttribute, McpServerPromptAttribute>())
        {
            var create = new McpServerPromptCreateOptions { Services = services, SerializerOptions = json };
            options.PromptCollection.Add(method.IsStatic
                ? McpServerPrompt.Create(method, options: create)
                : McpServerPrompt.Create(method, request => Instance(request.Services ?? services, type), create));
        }

        foreach (var (type, method) in Marked<McpServerResourceTypeAttribute, McpServerResourceAttribute>())
        {
            var create = new McpServerResourceCreateOptions { Services = services, SerializerOptions = json };
            options.ResourceCollection.Add(method.IsStatic
                ? McpServerResource.Create(method, options: create)
                : McpServerResource.Create(method, request => Instance(request.Services ?? services, type), create));
        }

        foreach (var configure in services.GetServices<IConfigureOptions<McpServerOptions>>())
        {
            configure.Configure(options);
        }

        Call("Configure", [typeof(McpServerOptions), typeof(IServiceProvider)], options, services);
        if (_class is null && options.ToolCollection.IsEmpty && options.PromptCollection.IsEmpty && options.ResourceCollection.IsEmpty)
        {
            throw new PluginException("No MCP methods found in its marked classes.", "Mark methods with [McpServerTool], [McpServerPrompt] or [McpServerResource].");
        }

        return options;
    }

    private static object Instance(IServiceProvider services, Type type) => ActivatorUtilities.CreateInstance(services, type);

    private static bool IsMarked(Type type) =>
        type.IsDefined(typeof(McpServerToolTypeAttribute)) || type.IsDefined(typeof(McpServerPromptTypeAttribute)) || type.IsDefined(typeof(McpServerResourceTypeAttribute));

    private IEnumerable<(Type Type, MethodInfo Method)> Marked<TType, TMethod>() where TType : Attribute where TMethod : Attribute =>
        from type in _types
        where type.IsDefined(typeof(TType))
        from method in type.GetMethods(Methods)
        where method.IsDefined(typeof(TMethod))
        select (type, method);

    private void Call(string name, Type[] parameters, params object[] arguments)
    {
        if (_class?.GetMethods(BindingFlags.Public | BindingFlags.Static).FirstOrDefault(m => m.Name == name) is not { } method)
        {
            return;
        }

        if (!method.GetParameters().Select(p => p.ParameterType).SequenceEqual(parameters))
        {
            throw new PluginException($"{ClassName}.{name} has other parameters.", $"Declare it {name}({string.Join(", ", parameters.Select(p => p.Name))}).");
        }

        method.Invoke(null, BindingFlags.DoNotWrapExceptions, null, arguments, null);
    }
}
