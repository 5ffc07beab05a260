using System.Net;
using System.Net.Security;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dawn.Gateway;
using Xunit;

namespace Dawn.Tests.Gateway;

public sealed class GatewaySettingsTests : IDisposable
{
    private const string Token = "0123456789abcdef";

    private readonly string _pfx = Path.Combine(Path.GetTempPath(), $"{Path.GetRandomFileName()}.pfx");

    public GatewaySettingsTests() => WriteCertificate(_pfx, "pw");

    [Fact]
    public void LoopbackNeedsNothing()
    {
        Assert.Empty(GatewaySettings.Validate(new(null)));
        Assert.Empty(GatewaySettings.Validate(new("http://127.0.0.1:7600")));
        Assert.Empty(GatewaySettings.Validate(new("http://[::1]:0")));
        Assert.Empty(GatewaySettings.Validate(new("http://localhost:7600", "short")));
    }

    [Theory]
    [InlineData("http://0.0.0.0:7600")]
    [InlineData("http://192.168.1.2:7600")]
    [InlineData("http://dawn.example:7600")]
    public void OtherAddressesNeedHttpsAndAToken(string url)
    {
        var problems = GatewaySettings.Validate(new(url)).ToList();
        Assert.Equal(2, problems.Count);
        Assert.Contains(problems, problem => problem.Contains("https", StringComparison.Ordinal));
        Assert.Contains(problems, problem => problem.Contains("Dawn:Gateway:Token", StringComparison.Ordinal));
        var safe = url.Replace("http:", "https:", StringComparison.Ordinal);
        Assert.Empty(GatewaySettings.Validate(new(safe, Token, new(_pfx, "pw"))));
        Assert.Single(GatewaySettings.Validate(new(safe, "tooshort", new(_pfx, "pw"))));
        // Without a certificate the node makes one, and the cure says so.
        Assert.Empty(GatewaySettings.Validate(new(safe, Token)));
        Assert.Contains(problems, problem => problem.Contains($"write {safe}, and the node makes a certificate", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, false)]
    [InlineData(50_000_000, false)]
    [InlineData(50_000_001, true)]
    public void FilesAreAsLargeAsAMessageCanCarry(long size, bool isRefused) =>
        Assert.Equal(isRefused, GatewaySettings.Validate(new("http://127.0.0.1:7600", FileSize: size)).Any(problem => problem.StartsWith("Dawn:Gateway:FileSize", StringComparison.Ordinal)));

    [Theory]
    [InlineData("nonsense")]
    [InlineData("ws://127.0.0.1:1")]
    [InlineData("http://127.0.0.1:1/path")]
    [InlineData("http://me@127.0.0.1:1")]
    public void BadUrlsAreNamed(string url) => Assert.Contains("Dawn:Gateway:Url", Assert.Single(GatewaySettings.Validate(new(url))));

    [Fact]
    public void BadCertificatesAreNamed()
    {
        Assert.Empty(GatewaySettings.Validate(new("https://localhost:1")));
        Assert.Contains("missing.pem", Assert.Single(GatewaySettings.Validate(new("https://localhost:1", null, new("missing.pem")))));
        Assert.Contains("can't be read", Assert.Single(GatewaySettings.Validate(new("https://localhost:1", null, new(_pfx, "wrong")))));
        Assert.Contains("Token", Assert.Single(GatewaySettings.Validate(new("http://localhost:1", "with space"))));
    }

    [Fact(Timeout = 60_000)]
    public async Task HttpsOnAllAddressesAsksForTheToken()
    {
        await using var gateway = await GatewayFixture.StartAsync(TestContext.Current.CancellationToken, new($"https://[::]:{FreePort()}", Token, new(_pfx, "pw")));
        gateway.Add("first", FakeNetwork.Here);
        var url = new UriBuilder(gateway.Server.Url!) { Host = "localhost" }.Uri;
        using var request = gateway.Request("/mcp/first", "tools/list");
        request.RequestUri = new Uri(url, "/mcp/first");
        using var refused = await gateway.Http.SendAsync(request, GatewayFixture.Stop);
        Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);

        using var again = gateway.Request("/mcp/first", "tools/list");
        again.RequestUri = new Uri(url, "/mcp/first");
        again.Headers.Authorization = new("Bearer", Token);
        using var taken = await gateway.Http.SendAsync(again, GatewayFixture.Stop);
        Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
    }

    [Theory(Timeout = 60_000)]
    [InlineData("https://0.0.0.0:0")]
    [InlineData("https://[::]:0")]
    [InlineData("https://127.0.0.1:0")]
    public async Task WhoeverPinsTheFingerprintReachesAGatewayWithItsOwnCertificate(string url)
    {
        await using var gateway = await GatewayFixture.StartAsync(TestContext.Current.CancellationToken, new(url, Token));
        gateway.Add("first", FakeNetwork.Here);
        var shown = gateway.Server.Certificate!;
        Assert.True(shown.SelfMade);
        Assert.False(GatewayHosts.IsAny(gateway.Server.Url!));

        using var pinning = new HttpClient(new HttpClientHandler
        {
            ServerCertificateCustomValidationCallback = (_, certificate, _, errors) =>
                // Nobody vouches for it; for its name it is good.
                errors == SslPolicyErrors.RemoteCertificateChainErrors && GatewayCertificateInfo.Of(certificate!, true).Sha256 == shown.Sha256,
        });
        using var request = gateway.Request("/mcp/first", "tools/list");
        request.Headers.Authorization = new("Bearer", Token);
        using var answer = await pinning.SendAsync(request, GatewayFixture.Stop);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("ok\n", await pinning.GetStringAsync(new Uri(gateway.Server.Url!, "/healthz"), GatewayFixture.Stop));
        using var page = await pinning.GetAsync(gateway.Server.Url!, GatewayFixture.Stop);
        Assert.DoesNotContain("Strict-Transport-Security", page.Headers.Select(h => h.Key));

        using var trusting = new HttpClient();
        await Assert.ThrowsAsync<HttpRequestException>(() => trusting.GetAsync(new Uri(gateway.Server.Url!, "/healthz"), GatewayFixture.Stop));
    }

    [Fact(Timeout = 60_000)]
    public async Task OverHttpsThePageMayOpenItsLinkAndForeignPagesMayNot()
    {
        await using var gateway = await GatewayFixture.StartAsync(TestContext.Current.CancellationToken, new("https://127.0.0.1:0", Token), pages: Path.GetTempPath());
        var served = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        gateway.Serve = async (connection, scheme, _) =>
        {
            served.TrySetResult(scheme);
            await connection.DisposeAsync();
        };
        await gateway.Links.StartAsync(GatewayFixture.Stop);
        var port = gateway.Server.Url!.Port;
        foreach (var (origin, isOwn) in new[] { ($"http://127.0.0.1:{port}", false), ("https://evil.example", false), ($"https://127.0.0.1:{port}", true) })
        {
            using var socket = new ClientWebSocket();
            socket.Options.RemoteCertificateValidationCallback = (_, certificate, _, _) => GatewayCertificateInfo.Of((X509Certificate2)certificate!, true).Sha256 == gateway.Server.Certificate!.Sha256;
            socket.Options.SetRequestHeader("Origin", origin);
            socket.Options.CollectHttpResponseDetails = true;
            var connecting = socket.ConnectAsync(new Uri($"wss://127.0.0.1:{port}/link"), GatewayFixture.Stop);
            if (isOwn)
            {
                await connecting;
                Assert.Equal("wss", await served.Task.WaitAsync(GatewayFixture.Patience, GatewayFixture.Stop));
            }
            else
            {
                await Assert.ThrowsAsync<WebSocketException>(() => connecting);
                Assert.Equal(HttpStatusCode.Forbidden, socket.HttpStatusCode);
            }
        }
    }

    [Fact(Timeout = 60_000)]
    public async Task APortInUseNamesThePortAndTheSetting()
    {
        await using var first = await GatewayFixture.StartAsync(TestContext.Current.CancellationToken);
        var error = await Assert.ThrowsAsync<IOException>(() => GatewayFixture.StartAsync(TestContext.Current.CancellationToken, new(first.Server.Url!.ToString())));
        Assert.Contains($"Port {first.Server.Url!.Port}", error.Message);
        Assert.Contains("Dawn:Gateway:Url", error.Message);
    }

    [Fact(Timeout = 60_000)]
    public async Task NoUrlIsNoGateway()
    {
        await using var gateway = await GatewayFixture.StartAsync(TestContext.Current.CancellationToken, new(null));
        Assert.Null(gateway.Server.Url);
    }

    public void Dispose() => File.Delete(_pfx);

    private static void WriteCertificate(string path, string password)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=dawn.example", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
        File.WriteAllBytes(path, certificate.Export(X509ContentType.Pfx, password));
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.IPv6Any, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
