using System.Net;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Membership;
using Dawn.Sessions;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using ModelContextProtocol.AspNetCore;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Dawn.Gateway;

/// <summary>The node's HTTP side: MCP for ordinary clients, the page for browsers, health and metrics, on a Kestrel of its own that starts and stops with the node.</summary>
/// <param name="ownerToken">The token that makes a local caller the node's owner; null while there is none.</param>
/// <param name="pagesFolder">Where the browser's files are; null where they are beside the program.</param>
internal sealed partial class GatewayServer(
    GatewaySettings settings, NodeId node, DataDirectory directory, HttpRelays relays, WebSocketRelays sockets, LinkEndpoint links, Readiness readiness, Func<string?> ownerToken, TimeProvider time, ILoggerFactory loggers,
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
    private GatewayTls? _tls;
    private WebApplication? _app;

    /// <summary>Where the gateway is reached, with the port it got; null without a gateway.</summary>
    public Uri? Url { get; private set; }

    /// <summary>The certificate that it shows; null without https.</summary>
    public GatewayCertificateInfo? Certificate => _tls?.Info;

    /// <exception cref="IOException">The address can't be had.</exception>
    /// <exception cref="StartException">The node's own certificate can't be used.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (settings.Url is null)
        {
            return;
        }

        var url = new Uri(settings.Url);
        var local = Listeners.LocalAddresses();
        var given = url.Scheme == "https" ? settings.Certificate?.Load() : null;
        var host = GatewayHosts.Told(url, given?.Certificate, local);
        if (url.Scheme == "https")
        {
            _tls = GatewayTls.Open(given, directory, host, [.. GatewayHosts.All(url, Dns.GetHostName(), local)], time, _logger);
        }

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
        Url = new UriBuilder(url) { Host = host, Port = bound.Port }.Uri;
        LogListening(Url);
        if (_tls is not null)
        {
            LogCertificate(_tls.Info.Sha256, _tls.Info.NotAfter, _tls.Info.SelfMade ? "; made by this node, so compare it with what the browser shows" : "");
        }
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
                if (_tls is { } tls)
                {
                    listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(tls.ForConnection()) });
                }
            });
        });

        var app = builder.Build();
        var access = new GatewayAccess(url, settings.Token, () => _tls?.Certificate, ownerToken);
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

    [LoggerMessage(Level = LogLevel.Information, Message = "The gateway's certificate has the SHA-256 {Fingerprint} and holds until {NotAfter:u}{SelfMade}")]
    private partial void LogCertificate(string fingerprint, DateTimeOffset notAfter, string selfMade);

    /// <summary>The node decides when the gateway ends, not the console.</summary>
    private sealed class NodeLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
