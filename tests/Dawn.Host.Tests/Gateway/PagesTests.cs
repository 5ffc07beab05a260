using System.IO.Compression;
using System.Net;
using System.Text;
using Dawn.Gateway;
using Xunit;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Gateway;

public sealed class PagesTests : IDisposable
{
    private const int Limit = 30_000;
    private const string Script = "export const dawn = 1;";

    private readonly TempDirectory _folder = new();

    private string Pages => Path.Combine(_folder.Path, "www");

    public PagesTests()
    {
        Directory.CreateDirectory(Path.Combine(Pages, "assets"));
        File.WriteAllText(Path.Combine(_folder.Path, "secret.js"), "secret");
        File.WriteAllText(Path.Combine(Pages, "index.html"), "<!DOCTYPE html><!--dawn:head--><noscript><!--dawn:noscript--></noscript>");
        File.WriteAllText(Path.Combine(Pages, "app-3A2DMITW.js"), Script);
        using (var brotli = new BrotliStream(File.Create(Path.Combine(Pages, "app-3A2DMITW.js.br")), CompressionLevel.Optimal))
        {
            brotli.Write(Encoding.UTF8.GetBytes(Script));
        }

        using (var gzip = new GZipStream(File.Create(Path.Combine(Pages, "app-3A2DMITW.js.gz")), CompressionLevel.Optimal))
        {
            gzip.Write(Encoding.UTF8.GetBytes(Script));
        }

        File.WriteAllText(Path.Combine(Pages, "worker.js"), "self;");
        File.WriteAllText(Path.Combine(Pages, "assets", "icon.svg"), "<svg/>");
        File.WriteAllText(Path.Combine(Pages, "odd.exe"), "odd");
    }

    public void Dispose() => _folder.Dispose();

    [Fact(Timeout = Limit)]
    public async Task ThePageSaysWhatProgramsNeedAndMayLoadNothingForeign()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, pages: Pages);
        using var page = await GetAsync(gateway, "/");
        var html = await page.Content.ReadAsStringAsync(Stop);
        Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
        Assert.Contains($"{gateway.Server.Url}mcp", html, StringComparison.Ordinal);
        Assert.Contains(FakeNetwork.Here.ToString(), html, StringComparison.Ordinal);
        Assert.DoesNotContain("dawn-test-hooks", html, StringComparison.Ordinal);
        var policy = Assert.Single(page.Headers.GetValues("Content-Security-Policy"));
        foreach (var rule in new[] { "default-src 'none'", "script-src 'self';", "style-src 'self';", $"connect-src 'self' ws://127.0.0.1:{gateway.Server.Url!.Port};", "frame-ancestors 'none'", "require-trusted-types-for 'script'" })
        {
            Assert.Contains(rule, policy, StringComparison.Ordinal);
        }

        Assert.Equal("nosniff", Assert.Single(page.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("no-referrer", Assert.Single(page.Headers.GetValues("Referrer-Policy")));
        Assert.Equal("same-origin", Assert.Single(page.Headers.GetValues("Cross-Origin-Opener-Policy")));
        using var again = await GetAsync(gateway, "/", r => r.Headers.IfNoneMatch.Add(page.Headers.ETag!));
        Assert.Equal(HttpStatusCode.NotModified, again.StatusCode);
    }

    [Fact(Timeout = Limit)]
    public async Task TestHooksAreThereOnlyWhereTheyAreAskedFor()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, new("http://127.0.0.1:0", TestHooks: true), pages: Pages);
        using var page = await GetAsync(gateway, "/");
        Assert.Contains("""<meta name="dawn-test-hooks" content="true">""", await page.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData(null, 50_000_000)]
    [InlineData(1234L, 1234)]
    public async Task ThePageKnowsHowLargeFilesMayBe(long? setting, long told)
    {
        var settings = new GatewaySettings("http://127.0.0.1:0");
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, setting is { } size ? settings with { FileSize = size } : settings, pages: Pages);
        using var page = await GetAsync(gateway, "/");
        Assert.Contains($"""<meta name="dawn-file-size" content="{told}">""", await page.Content.ReadAsStringAsync(Stop), StringComparison.Ordinal);
    }

    [Theory(Timeout = Limit)]
    [InlineData("br, gzip", "br")]
    [InlineData("gzip", "gzip")]
    [InlineData("br;q=0, *", "gzip")]
    [InlineData("identity", null)]
    [InlineData(null, null)]
    public async Task FilesComeAsTheBrowserTakesThem(string? accepted, string? encoding)
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, pages: Pages);
        using var script = await GetAsync(gateway, "/app-3A2DMITW.js", r => r.Headers.TryAddWithoutValidation("Accept-Encoding", accepted));
        Assert.Equal("text/javascript", script.Content.Headers.ContentType!.MediaType);
        Assert.Equal(encoding, script.Content.Headers.ContentEncoding.SingleOrDefault());
        Assert.Equal("Accept-Encoding", Assert.Single(script.Headers.Vary));
        Assert.Contains("immutable", script.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        await using var body = await script.Content.ReadAsStreamAsync(Stop);
        await using Stream plain = encoding switch { "br" => new BrotliStream(body, CompressionMode.Decompress), "gzip" => new GZipStream(body, CompressionMode.Decompress), _ => body };
        using var reader = new StreamReader(plain);
        Assert.Equal(Script, await reader.ReadToEndAsync(Stop));
    }

    [Fact(Timeout = Limit)]
    public async Task WhatIsNoFileOfThePageIsNotServed()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, pages: Pages);
        using var icon = await GetAsync(gateway, "/assets/icon.svg");
        Assert.Equal("image/svg+xml", icon.Content.Headers.ContentType!.MediaType);
        using var worker = await GetAsync(gateway, "/worker.js");
        Assert.True(worker.Headers.CacheControl!.NoCache);
        foreach (var path in new[] { "/odd.exe", "/secret.js", "/../secret.js", "/%2e%2e/secret.js", "/assets/..%2f..%2fsecret.js", "/assets/", "/app-3A2DMITW.js.br", "/index.html" })
        {
            using var none = await GetAsync(gateway, path);
            Assert.Equal(HttpStatusCode.NotFound, none.StatusCode);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task OneNameOfLoopbackIsTheOrigin()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, pages: Pages);
        var port = gateway.Server.Url!.Port;
        using var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false });
        using var request = new HttpRequestMessage(HttpMethod.Get, gateway.Server.Url);
        request.Headers.Host = $"localhost:{port}";
        using var moved = await client.SendAsync(request, Stop);
        Assert.Equal(HttpStatusCode.TemporaryRedirect, moved.StatusCode);
        Assert.Equal($"http://127.0.0.1:{port}/", moved.Headers.Location!.ToString());
    }

    [Fact(Timeout = Limit)]
    public async Task ANodeWithoutItsPageSaysHowToGetIt()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken, pages: Path.Combine(_folder.Path, "none"));
        using var page = await GetAsync(gateway, "/");
        var html = await page.Content.ReadAsStringAsync(Stop);
        Assert.Contains("built without its page", html, StringComparison.Ordinal);
        Assert.Contains($"{gateway.Server.Url}mcp", html, StringComparison.Ordinal);
    }

    private static async Task<HttpResponseMessage> GetAsync(GatewayFixture gateway, string path, Action<HttpRequestMessage>? change = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(gateway.Server.Url!, path));
        change?.Invoke(request);
        return await gateway.Http.SendAsync(request, Stop);
    }
}
