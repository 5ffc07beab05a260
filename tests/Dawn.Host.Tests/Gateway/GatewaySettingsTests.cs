using System.Net;
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
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("ws://127.0.0.1:1")]
    [InlineData("http://127.0.0.1:1/path")]
    [InlineData("http://me@127.0.0.1:1")]
    public void BadUrlsAreNamed(string url) => Assert.Contains("Dawn:Gateway:Url", Assert.Single(GatewaySettings.Validate(new(url))));

    [Fact]
    public void BadCertificatesAreNamed()
    {
        Assert.Contains("Dawn:Gateway:Certificate", Assert.Single(GatewaySettings.Validate(new("https://localhost:1"))));
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
