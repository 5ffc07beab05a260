using System.Collections.Immutable;
using System.Reflection;
using System.Security.Claims;
using Dawn.Agents;
using Microsoft.Extensions.Options;
using ModelContextProtocol.Client;

namespace Dawn.Plugins;

/// <summary>What the host lends to plugins.</summary>
/// <param name="Dialer">Late, since what carries calls is itself carried by transports.</param>
/// <param name="Records">Null where no node runs: plugins that need it are of no use then.</param>
/// <param name="Data">Where plugins keep what outlives them, each in a directory of its own; null where there is no such place.</param>
internal sealed record PluginSurroundings(
    IConfiguration Configuration, ILoggerFactory Loggers, TimeProvider Time, Lazy<IAgentDialer> Dialer, Lazy<IAgentDirectory> Directory,
    IRecordReader? Records = null, string? Data = null);

/// <summary>One loaded plugin: its assemblies, its container and what the host asked of it. Nothing of it outlives the disposal.</summary>
/// <remarks>Life cycle: inspect, load, configure, build, resolve, start; then use; then stop, dispose, unload. The last three also after a failure of the first six.</remarks>
internal sealed class Plugin : IAsyncDisposable
{
    private readonly PluginSurroundings _surroundings;
    private readonly List<IHostedService> _started = [];
    private PluginLoader? _loader;
    private ServiceProvider? _services;
    private AssemblyAgentClients? _clients;
    private int _disposed;

    /// <param name="name">Below the plugin directory.</param>
    /// <param name="folder">The copy to load from.</param>
    public Plugin(string name, string folder, PluginSurroundings surroundings)
    {
        (Name, Folder, _surroundings) = (name, folder, surroundings);
        ShortName = name[(name.LastIndexOf('/') + 1)..];
    }

    public string Name { get; }

    public string ShortName { get; }

    public string Folder { get; }

    public string? Version { get; private set; }

    public ImmutableArray<IPeerTransport> Transports { get; private set; } = [];

    public ImmutableArray<IAgentRegistry> Registries { get; private set; } = [];

    public ImmutableArray<IPeerDiscovery> Discoveries { get; private set; } = [];

    public ImmutableArray<IRoutingMode> Modes { get; private set; } = [];

    public AssemblyAgent? Agent { get; private set; }

    /// <summary>Dies after disposal, once nothing in the process holds the plugin any more.</summary>
    public WeakReference? Context => _loader?.Context;

    /// <summary>Brings the plugin up to where it can be used. May block: it runs the plugin's own code.</summary>
    /// <exception cref="PluginException">It can't be used; disposal is still due.</exception>
    public async Task ProvisionAsync(bool isAgent, CancellationToken cancellationToken)
    {
        try
        {
            var inspected = PluginAssembly.Inspect(Folder, ShortName);
            Version = inspected.Version;
            _loader = new(inspected);
            var assembly = _loader.Load();
            var manifest = isAgent ? AgentManifest.Read(Folder, ShortName) : null;
            var settings = new PluginSettings(_surroundings.Configuration, ShortName);
            var setup = isAgent ? new AssemblyAgentSetup(assembly) : null;
            _services = BuildServices(assembly, manifest, setup, settings.ForPlugin(isAgent, manifest?.Settings ?? []));
            Transports = [.. _services.GetServices<IPeerTransport>()];
            Registries = [.. _services.GetServices<IAgentRegistry>()];
            Discoveries = [.. _services.GetServices<IPeerDiscovery>()];
            Modes = [.. _services.GetServices<IRoutingMode>()];
            if (setup is not null)
            {
                var options = setup.Build(manifest!.Id, Version, manifest.Title, manifest.Description, _services);
                Agent = new(manifest.Id, manifest.Title, "plugins/" + Name, Checked(settings.Policy(manifest), options), options, _services, _surroundings.Loggers);
            }

            foreach (var service in _services.GetServices<IHostedService>())
            {
                await service.StartAsync(cancellationToken);
                _started.Add(service);
            }
        }
        catch (Exception e) when (e is not PluginException)
        {
            // Words alone go on: the exception's types and stack are the plugin's.
            throw Explain(e, ShortName);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        var (services, loader, agent, clients) = (_services, _loader, Agent, _clients);
        (_services, _loader, Agent, _clients, Transports, Registries, Discoveries, Modes) = (null, null, null, null, [], [], [], []);
        try
        {
            foreach (var service in Enumerable.Reverse(_started))
            {
                await service.StopAsync(CancellationToken.None);
            }

            foreach (var part in new IAsyncDisposable?[] { agent, clients, services })
            {
                if (part is not null)
                {
                    await part.DisposeAsync();
                }
            }
        }
        catch (Exception e)
        {
            throw Explain(e, ShortName);
        }
        finally
        {
            _started.Clear();
            loader?.Dispose();
        }
    }

    private ServiceProvider BuildServices(Assembly assembly, AgentManifest? manifest, AssemblyAgentSetup? setup, IConfiguration settings)
    {
        var services = new ServiceCollection();
        // The factory as it is: a container disposes what it creates, and this one is the host's.
        services.AddSingleton(_surroundings.Loggers).AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        services.AddOptions().AddSingleton(_surroundings.Time).AddSingleton(settings);
        if (_surroundings.Records is { } records)
        {
            services.AddSingleton(records);
        }

        if (_surroundings.Data is { } data)
        {
            // Made once it is asked for: most plugins keep nothing.
            services.AddSingleton<IPluginData>(_ => PluginData.Create(data, Name));
        }

        if (manifest is not null)
        {
            _clients = new(manifest.Id, _surroundings.Dialer, _surroundings.Directory, _surroundings.Loggers);
            services.AddSingleton<Func<string, CancellationToken, Task<McpClient>>>(_clients.DialAsync);
            services.AddSingleton<Func<string, ClaimsPrincipal, CancellationToken, Task<McpClient>>>(_clients.DialForAsync);
        }

        if (assembly.GetCustomAttribute<DawnPluginAttribute>() is { Entry: var entry })
        {
            if (Activator.CreateInstance(entry) is not IDawnPlugin plugin)
            {
                throw new PluginException($"Its entry point {entry.Name} is no {nameof(IDawnPlugin)}.", "Name one that is in [assembly: DawnPlugin(…)].");
            }

            plugin.ConfigureServices(services, settings);
        }
        else if (manifest is null)
        {
            throw new PluginException("It names no entry point.", "Add [assembly: DawnPlugin(typeof(…))], or put it under plugins/agents if it is an agent.");
        }

        setup?.ConfigureServices(services);
        return services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
    }

    // A misspelt tool would stay open to all.
    private AgentPolicy Checked(AgentPolicy policy, ModelContextProtocol.Server.McpServerOptions options)
    {
        var names = options.ToolCollection!.PrimitiveNames;
        var unknown = options.Handlers.ListToolsHandler is null ? policy.Tools.Keys.FirstOrDefault(tool => !names.Contains(tool)) : null;
        return unknown is null ? policy
            : throw new PluginException($"It has no tool '{unknown}', whose callers {AgentManifest.FileName} or {PluginSettings.Root}:{ShortName}:Tools restrict.", $"There are {string.Join(", ", names)}.");
    }

    internal static PluginException Explain(Exception error, string shortName)
    {
        while (true)
        {
            switch (error)
            {
                case PluginException known:
                    return known;
                case ReflectionTypeLoadException { LoaderExceptions: [{ } first, ..] }:
                    error = first;
                    continue;
                case TargetInvocationException { InnerException: { } inner }:
                    error = inner;
                    continue;
                case TypeInitializationException { InnerException: { } inner }:
                    error = inner;
                    continue;
                case AggregateException { InnerException: { } inner }:
                    error = inner;
                    continue;
                case FileNotFoundException { FileName: { } file } when file.Contains("Version=", StringComparison.Ordinal):
                    return PluginAssembly.Missing(new AssemblyName(file).Name!);
                case TypeLoadException or MissingMemberException:
                    return new(PluginState.NotSupported, OneLine(error), "Install the plugin's release for this version of Dawn, with the libraries that it was built with.");
                case BadImageFormatException:
                    return new(OneLine(error), "Copy the built plugin into the folder again.");
                case OptionsValidationException or InvalidOperationException when error.Message.Contains("onfiguration", StringComparison.Ordinal) || error is OptionsValidationException:
                    return new(OneLine(error), $"Correct {PluginSettings.Root}:{shortName} in the settings.");
                default:
                    return new($"It failed to start: {OneLine(error)}", "Its log may say more; otherwise ask its author.");
            }
        }
    }

    private static string OneLine(Exception e) =>
        $"{(e is OptionsValidationException or InvalidOperationException ? "" : e.GetType().Name + ": ")}{e.Message.ReplaceLineEndings(" ")}";
}
