using System.Net;
using System.Security.Cryptography.X509Certificates;
using Dawn.Configuration;
using Dawn.Sessions;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using ModelContextProtocol.AspNetCore;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Dawn.Gateway;

/// <summary>The node's HTTP side: MCP for ordinary clients, the page for browsers, health and metrics, on a Kestrel of its own that starts and stops with the node.</summary>
/// <param name="ownerToken">The token that makes a local caller the node's owner; null while there is none.</param>
/// <param name="pagesFolder">Where the browser's files are; null where they are beside the program.</param>
internal sealed partial class GatewayServer(
    GatewaySettings settings, NodeId node, HttpRelays relays, WebSocketRelays sockets, LinkEndpoint links, Readiness readiness, Func<string?> ownerToken, TimeProvider time, ILoggerFactory loggers,
    string? pagesFolder = null)
    : IHostedService, IAsyncDisposable
{
    // A client that asks nothing for so long has most likely gone without a word.
    private static readonly TimeSpan SessionIdleTimeout = TimeSpan.FromMinutes(30);

    // Sessions at rest; the oldest ends for a new one.
    private const int MaxIdleSessions = 1000;

    // Connections at once: a client has one or two, and each costs a few KiB.
    private const int MaxConnections = 8192;

    // What is in flight when the node stops was told so; this is for the words to leave.
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(2);

    private readonly ILogger _logger = loggers.CreateLogger<GatewayServer>();
    private X509Certificate2? _certificate;
    private WebApplication? _app;

    /// <summary>Where the gateway listens, with the port it got; null without a gateway.</summary>
    public Uri? Url { get; private set; }

    /// <exception cref="IOException">The address can't be had.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (settings.Url is null)
        {
            return;
        }

        var url = new Uri(settings.Url);
        _certificate = url.Scheme == "https" ? settings.Certificate?.Load() : null;
        _app = Build(url);
        try
        {
            await _app.StartAsync(cancellationToken);
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            await DisposeAsync();
            throw new IOException(
                e is AddressInUseException || e.InnerException is AddressInUseException
                    ? $"Port {url.Port} of {url.Host} is in use; choose another with Dawn:Gateway:Url, or port 0 for any"
                    : $"The gateway can't listen at {url}: {e.Message}; change Dawn:Gateway:Url",
                e);
        }

        var bound = new Uri(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        Url = new UriBuilder(url) { Port = bound.Port }.Uri;
        LogListening(Url);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_app is { } app)
        {
            await sockets.DisposeAsync();
            await relays.DisposeAsync();
            await app.StopAsync(cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_app is { } app)
        {
            _app = null;
            await app.DisposeAsync();
            _certificate?.Dispose();
        }
    }

    // The empty builder: nothing from the environment or from files but what the node's own settings say.
    private WebApplication Build(Uri url)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        var services = builder.Services;
        services.AddLogging();
        services.AddSingleton(loggers);
        services.AddSingleton<IHostLifetime, NodeLifetime>();
        services.Configure<HostOptions>(options => options.ShutdownTimeout = StopTimeout);
        services.AddRoutingCore();
        services.AddHttpContextAccessor();
        services.AddOpenTelemetry().ConfigureResource(resource => resource.AddService("dawn", serviceVersion: DawnVersion.Text, serviceInstanceId: node.ToString())).WithMetrics(metrics => metrics.AddMeter(GatewayMetrics.MeterName, GatewayMetrics.MeterName + ".*").AddPrometheusExporter());
        services.AddMcpServer(options => options.ServerInfo = new() { Name = "dawn", Title = "Dawn", Version = DawnVersion.Text }).WithHttpTransport(options =>
        {
            options.SessionMode = HttpServerSessionMode.StatefulForInitializeClients;
            options.TimeProvider = time;
            options.ConfigureSessionOptions = relays.ConfigureAsync;
#pragma warning disable MCP9006, MCPEXP002 // Sessions are of the older era, and their beginning and end is what legs hang on.
            options.IdleTimeout = SessionIdleTimeout;
            options.MaxIdleSessionCount = MaxIdleSessions;
            options.RunSessionHandler = relays.RunAsync;
#pragma warning restore MCP9006, MCPEXP002
        });
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxConcurrentConnections = MaxConnections;
            options.Limits.MaxRequestBodySize = MeshChannel.MaxMessage;
            Listen(options, url, listen =>
            {
                if (_certificate is not null)
                {
                    listen.UseHttps(_certificate);
                }
            });
        });

        var app = builder.Build();
        var access = new GatewayAccess(url, settings.Token, _certificate, ownerToken);
        app.Use(next => context => access.InvokeAsync(context, next));
        app.UseWebSockets();
        app.UseRouting();
        app.Use(next => context => relays.InvokeAsync(context, next));
        app.MapMcp("/mcp");
        app.MapMcp("/mcp/{address}");
        app.Map(WebSocketRelays.Path, context => sockets.InvokeAsync(context));
        app.Map(LinkEndpoint.Path, context => links.InvokeAsync(context));
        new Pages(pagesFolder ?? Pages.DefaultFolder, node, settings).Map(app, () => Url!);
        app.MapGet("/healthz", context => context.Response.WriteAsync("ok\n"));
        app.MapGet("/readyz", ReadyAsync);
        app.MapPrometheusScrapingEndpoint("/metrics");
        return app;
    }

    private static void Listen(KestrelServerOptions options, Uri url, Action<ListenOptions> configure)
    {
        if (IPAddress.TryParse(url.DnsSafeHost, out var address))
        {
            options.Listen(address, url.Port, configure);
        }
        else if (!url.IsLoopback)
        {
            options.ListenAnyIP(url.Port, configure);
        }
        else if (url.Port == 0)
        {
            // A free port can't be had on both loopback addresses at once.
            options.Listen(IPAddress.Loopback, 0, configure);
        }
        else
        {
            options.ListenLocalhost(url.Port, configure);
        }
    }

    private Task ReadyAsync(HttpContext context)
    {
        var waiting = readiness.Waiting;
        context.Response.StatusCode = waiting.Count == 0 ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsJsonAsync(new { ready = waiting.Count == 0, waiting });
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "MCP for clients at {Url}mcp")]
    private partial void LogListening(Uri url);

    /// <summary>The node decides when the gateway ends, not the console.</summary>
    private sealed class NodeLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
