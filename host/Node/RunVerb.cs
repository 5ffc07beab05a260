using System.Text.Json;
using System.Text.Json.Serialization;
using Dawn.Agents.Node;
using Dawn.Commands;
using Dawn.Configuration;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Membership;
using Dawn.Plugins;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Dawn.Node;

/// <summary><c>dawn run</c>: from the settings to a node that serves until it is told to stop.</summary>
internal static partial class RunVerb
{
    // Sessions say goodbye, children end, HTTP drains; then the process goes in any case.
    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(9);

    // Idle is what allocates less than this in that time; below the other a collection is not worth its milliseconds.
    private static readonly TimeSpan SettleEvery = TimeSpan.FromSeconds(3);
    private const long IdleBytes = 1024 * 1024;
    private const long WorthwhileBytes = 2 * 1024 * 1024;

    public static async Task<int> RunAsync(RunOptions options, CancellationToken cancellationToken)
    {
        try
        {
            var configuration = DawnConfiguration.Build(options.DataDirectory, options.Settings);
            var settings = Read(configuration);
            if (settings is null)
            {
                return ExitCode.Usage;
            }

            var isFirst = !Directory.Exists(settings.DataDirectory);
            using var directory = DataDirectory.Lock(settings.DataDirectory);
            if (isFirst)
            {
                // The lock has made the directory, and settings that come into it are to be seen.
                configuration = DawnConfiguration.Build(options.DataDirectory, options.Settings);
            }

            using var self = NodeIdentity.Open(directory, settings.NetworkName, settings.NetworkSecret, TimeProvider.System, Entropy.System);
            using var host = Build(settings, configuration, directory, self, options.Verbose);
            try
            {
                await host.StartAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping.IsCancellationRequested)
            {
                // Stopped before it was up, which is no failure.
                await host.StopAsync(CancellationToken.None);
                return ExitCode.Done;
            }
            catch (Exception e)
            {
                await host.StopAsync(CancellationToken.None);
                if (e is not IOException)
                {
                    throw;
                }

                throw new StartException($"{e.Message.TrimEnd('.')}. If another node runs here, give this one another --data as well.", e);
            }

            Ready(host.Services);
            _ = SettleAsync(cancellationToken);
            await host.WaitForShutdownAsync(cancellationToken);
            return ExitCode.Done;
        }
        catch (StartException e)
        {
            throw new CommandException(e.Message, ExitCode.Usage);
        }
    }

    // What the start, or a busy hour, needed goes back to the system once the node is idle: nodes are many, and idle most of the time.
    // The runtime itself collects only when more is asked for, which an idle node doesn't do.
    private static async Task SettleAsync(CancellationToken cancellationToken)
    {
        var (settled, before) = (0L, 0L);
        while (!cancellationToken.IsCancellationRequested)
        {
            await Task.Delay(SettleEvery, TimeProvider.System, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var allocated = GC.GetTotalAllocatedBytes();
            if (allocated - before < IdleBytes && allocated - settled > WorthwhileBytes)
            {
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                settled = allocated;
            }

            before = allocated;
        }
    }

    private static readonly string[] BundledModes = ["centralized", "decentralized", "hybrid"];

    /// <summary>Reads and checks all settings; null where there are problems, which are all said by then.</summary>
    private static DawnSettings? Read(IConfigurationRoot configuration)
    {
        var problems = new List<string>();
        var settings = SettingsRules.Read(configuration, problems);
        if (problems.Count > 0 && !BundledModes.Contains(settings.Mode))
        {
            // Only plugins know which modes there are, and with such settings none is loaded; but all that is wrong should be said at once.
            problems.Add($"Dawn:Mode is '{settings.Mode}', and the bundled modes are {string.Join(", ", BundledModes)}; it takes a plugin that offers it");
        }

        foreach (var problem in problems)
        {
            Console.Error.WriteLine($"error: {problem}");
        }

        return problems.Count == 0 ? settings : null;
    }

    private static IHost Build(DawnSettings settings, IConfigurationRoot configuration, DataDirectory directory, NodeIdentity self, bool verbose)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        // The SDK warns of each request that fails, which is its caller's to know. Before the settings, so that they can ask for it.
        if (!verbose)
        {
            builder.Logging.AddFilter("ModelContextProtocol", LogLevel.Error);
        }

        builder.Logging.AddConfiguration(configuration.GetSection("Logging"));
        if (verbose)
        {
            builder.Logging.SetMinimumLevel(LogLevel.Debug).AddFilter("Dawn", LogLevel.Debug);
        }

        // A failed start is said in one line, by whoever catches it.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);

        // Standard output belongs to the ready line.
        builder.Logging.AddConsole(console =>
        {
            console.FormatterName = LogFormatter.FormatterName;
            console.LogToStandardErrorThreshold = LogLevel.Trace;
        });
        builder.Services.AddSingleton<ConsoleFormatter>(new LogFormatter(TimeProvider.System));
        var ring = new LogRing(TimeProvider.System);
        builder.Services.AddSingleton(ring);
        builder.Logging.AddProvider(ring);
        builder.Services.AddSingleton<IPostConfigureOptions<LoggerFilterOptions>>(ring.Levels);
        builder.Services.AddSingleton<IOptionsChangeTokenSource<LoggerFilterOptions>>(ring.Levels);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = ShutdownTimeout);
        builder.Services.AddNode(settings, configuration, directory, self);
        return builder.Build();
    }

    // The one line that scripts wait for (docs/cli.md).
    private static void Ready(IServiceProvider services)
    {
        var logger = services.GetRequiredService<ILoggerFactory>().CreateLogger("Dawn");
        var self = services.GetRequiredService<INodeIdentity>();
        var server = services.GetRequiredService<GatewayServer>();
        var gateway = server.Url?.GetLeftPart(UriPartial.Authority);
        var listeners = services.GetRequiredService<Listeners>();
        var listen = listeners.Addresses.Concat(listeners.Local).Select(PeerAddress.Text);
        foreach (var name in services.GetRequiredService<PluginHost>().UnknownSettings)
        {
            LogUnknownPlugin(logger, name);
        }

        LogReady(logger, self.Id.ToString(), self.Network.Name);
        var facts = new ReadyFacts(self.Id.ToString(), gateway is null ? null : PageOf(services, logger), gateway is null ? null : gateway + "/mcp", listen, server.Certificate?.Sha256);
        Console.WriteLine($"ready {JsonSerializer.Serialize(facts, JsonSerializerOptions.Web)}");
    }

    // Without a ticket it is a page that only members' browsers can use, which is better than no node.
    private static string PageOf(IServiceProvider services, ILogger logger)
    {
        var gateway = services.GetRequiredService<GatewayServer>().Url!;
        try
        {
            return services.GetRequiredService<Admission>().InvitePage(gateway).Address.AbsoluteUri;
        }
        catch (InvalidOperationException e)
        {
            LogNoTicket(logger, e.Message);
            return gateway.GetLeftPart(UriPartial.Authority) + "/";
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The page's address carries no ticket: {Cause}")]
    private static partial void LogNoTicket(ILogger logger, string cause);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Dawn:Plugins:{Name} is set, but no plugin of that name is installed")]
    private static partial void LogUnknownPlugin(ILogger logger, string name);

    [LoggerMessage(Level = LogLevel.Information, Message = "Node {Node} of network '{Network}' is ready")]
    private static partial void LogReady(ILogger logger, string node, string network);

    /// <param name="Certificate">The fingerprint of what the gateway shows; absent without https.</param>
    private sealed record ReadyFacts(
        string Node, string? Ui, string? Mcp, IEnumerable<string> Listen, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Certificate);
}
