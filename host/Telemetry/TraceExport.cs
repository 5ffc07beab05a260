using System.Runtime.CompilerServices;
using Dawn.Configuration;
using Dawn.Identity;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Dawn.Telemetry;

/// <summary>Sends spans to an OTLP collector, where the settings or OpenTelemetry's own environment variables name one; else it does nothing and loads nothing.</summary>
internal sealed partial class TraceExport(DawnSettings settings, IConfiguration configuration, INodeIdentity self, ILogger<TraceExport> logger) : IHostedService
{
    private const string SignalPath = "/v1/traces";

    // The exporter's own variables; it reads them, and all others that begin so, itself.
    private static readonly string[] Variables = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

    private IDisposable? _provider;

    /// <summary>Where spans go; null for nowhere.</summary>
    public string? Target => settings.TelemetryEndpoint?.ToString() ?? Variables.Select(name => configuration[name]).FirstOrDefault(value => !string.IsNullOrEmpty(value));

    public static bool TryParseEndpoint(string text, out Uri? endpoint) =>
        Uri.TryCreate(text, UriKind.Absolute, out endpoint) && endpoint is { Scheme: "http" or "https", Host.Length: > 0, UserInfo: "", Query: "", Fragment: "" };

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (Target is { } target)
        {
            _provider = Listen();
            LogExporting(target);
        }

        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _provider, null) is { } provider)
        {
            // Sends what is left, which a collector that hangs delays by five seconds at most.
            await Task.Run(provider.Dispose, CancellationToken.None);
        }
    }

    // A method of its own: to run the caller must not load the exporter.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private IDisposable Listen() => Sdk.CreateTracerProviderBuilder()
        .ConfigureResource(resource => resource.AddService("dawn", serviceVersion: DawnVersion.Text, serviceInstanceId: self.Id.ToString()).AddEnvironmentVariableDetector())
        .AddSource(Tracing.SourceName)
        .AddOtlpExporter(options =>
        {
            if (settings.TelemetryEndpoint is { } endpoint)
            {
                options.Protocol = OtlpExportProtocol.HttpProtobuf;
                options.Endpoint = SignalOf(endpoint);
            }
        })
        .Build();

    // An endpoint names the collector; each signal has its path below it (OpenTelemetry, OTLP exporter, endpoint URLs for OTLP/HTTP).
    private static Uri SignalOf(Uri endpoint) => endpoint.AbsolutePath.TrimEnd('/') is var path && path.EndsWith(SignalPath, StringComparison.Ordinal)
        ? endpoint
        : new UriBuilder(endpoint) { Path = path + SignalPath }.Uri;

    [LoggerMessage(LogLevel.Information, "Traces go to {Endpoint}")]
    private partial void LogExporting(string endpoint);
}
