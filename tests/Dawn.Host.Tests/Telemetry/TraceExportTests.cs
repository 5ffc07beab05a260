using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Telemetry;
using Dawn.Tests.Membership;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.Tests.Telemetry;

[Collection(TracingCollection.Name)]
public sealed class TraceExportTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => _temp.Dispose();

    [Theory(Timeout = 60_000)]
    [InlineData("", "/v1/traces")]
    [InlineData("/", "/v1/traces")]
    [InlineData("/otlp/", "/otlp/v1/traces")]
    [InlineData("/v1/traces", "/v1/traces")]
    public async Task ACollectorGetsTheSpansOverHttp(string path, string expected)
    {
        await using var collector = await Collector.StartAsync();
        var node = new TestNetwork().Node(1);
        var export = Export(collector.Url + path, [], node);
        await export.StartAsync(TestContext.Current.CancellationToken);
        Assert.True(Tracing.Source.HasListeners());
        using (var span = Tracing.Start(ActivityKind.Server, new RequestId(1L), "tools/call", System.Text.Json.Nodes.JsonNode.Parse("""{"name":"roll-the-dice"}"""), default))
        {
            Assert.True(span!.Recorded);
            span.SetFailed("tool_error");
        }

        await export.StopAsync(Stop);
        Assert.False(Tracing.Source.HasListeners());
        var (at, type, body) = Assert.Single(collector.Posts);
        Assert.Equal(expected, at);
        Assert.Equal("application/x-protobuf", type);
        var text = Encoding.UTF8.GetString(body);
        Assert.Contains("tools/call roll-the-dice", text, StringComparison.Ordinal);
        Assert.Contains("tool_error", text, StringComparison.Ordinal);
        Assert.Contains("service.name", text, StringComparison.Ordinal);
        Assert.Contains(node.Id.ToString(), text, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task WithoutAnEndpointNobodyListens()
    {
        var export = Export(null, [], new TestNetwork().Node(1));
        Assert.Null(export.Target);
        await export.StartAsync(TestContext.Current.CancellationToken);
        Assert.False(Tracing.Source.HasListeners());
        await export.StopAsync(Stop);
    }

    [Fact]
    public void OpenTelemetrysOwnVariablesNameACollectorToo()
    {
        var node = new TestNetwork().Node(1);
        Assert.Equal("http://one:4317", Export(null, [new("OTEL_EXPORTER_OTLP_ENDPOINT", "http://one:4317")], node).Target);
        Assert.Equal("http://two:4317", Export(null, [new("OTEL_EXPORTER_OTLP_ENDPOINT", "http://one:4317"), new("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://two:4317")], node).Target);
        Assert.Equal("http://three:4318/", Export("http://three:4318", [new("OTEL_EXPORTER_OTLP_ENDPOINT", "http://one:4317")], node).Target);
    }

    [Theory]
    [InlineData("http://127.0.0.1:4318", true)]
    [InlineData("https://collector.example.org/otlp", true)]
    [InlineData("", true)]
    [InlineData("collector:4318", false)]
    [InlineData("/v1/traces", false)]
    [InlineData("ftp://collector", false)]
    [InlineData("https://user:secret@collector.example.org", false)]
    [InlineData("https://collector.example.org/?key=secret", false)]
    public void TheEndpointIsChecked(string endpoint, bool isGood)
    {
        List<string> problems = [];
        var settings = DawnConfiguration.Read(DawnConfiguration.Build(_temp.Path, [$"--Dawn:Telemetry:Endpoint={endpoint}"]), problems);
        if (isGood)
        {
            Assert.Empty(problems);
            Assert.Equal(endpoint.Length > 0 ? new Uri(endpoint) : null, settings.TelemetryEndpoint);
        }
        else
        {
            Assert.Equal($"Dawn:Telemetry:Endpoint is '{endpoint}'; allowed: the URL of an OTLP collector over HTTP, such as http://127.0.0.1:4318", Assert.Single(problems));
        }
    }

    private TraceExport Export(string? endpoint, KeyValuePair<string, string?>[] variables, TestIdentity node) => new(
        MeshNode.SettingsOf(_temp.Path, EncryptionMode.Required) with { TelemetryEndpoint = endpoint is null ? null : new(endpoint) },
        new ConfigurationBuilder().AddInMemoryCollection(variables).Build(), node, NullLogger<TraceExport>.Instance);

    /// <summary>Takes what exporters post.</summary>
    private sealed class Collector(WebApplication app) : IAsyncDisposable
    {
        public ConcurrentQueue<(string Path, string? Type, byte[] Body)> Posts { get; } = new();

        public string Url => app.Urls.First();

        public static async Task<Collector> StartAsync()
        {
            var builder = WebApplication.CreateEmptyBuilder(new());
            builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
            var app = builder.Build();
            var collector = new Collector(app);
            app.Run(async context =>
            {
                using var body = new MemoryStream();
                await context.Request.Body.CopyToAsync(body, context.RequestAborted);
                collector.Posts.Enqueue((context.Request.Path, context.Request.ContentType, body.ToArray()));
                context.Response.ContentType = "application/x-protobuf";
            });
            await app.StartAsync(Stop);
            return collector;
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();
    }
}
