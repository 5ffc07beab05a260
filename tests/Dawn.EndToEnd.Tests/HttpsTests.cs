using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>A gateway that others on the network can reach, with the certificate that its node makes.</summary>
public sealed class HttpsTests : IDisposable
{
    private const string Token = "Gateway:Token=0123456789abcdef0123";

    private readonly string _data = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_data, recursive: true);

    [Fact]
    public async Task TheFingerprintIsSaidEverywhereAndOutlivesRestarts()
    {
        string fingerprint;
        await using (var node = await DawnNode.StartOnAsync(_data, "Gateway:Url=https://0.0.0.0:0", Token))
        {
            fingerprint = node.Certificate;
            Assert.Matches("^([0-9A-F]{2}:){31}[0-9A-F]{2}$", fingerprint);
            Assert.Matches("^https://[^0][^/]*:[0-9]+/#dawn1", node.Ui);
            Assert.Equal(HttpStatusCode.OK, await GetAsync(new Uri(new Uri(node.Ui), "/healthz"), fingerprint));
            Assert.Equal(HttpStatusCode.Unauthorized, await GetAsync(new Uri(new Uri(node.Ui), "/mcp/node"), fingerprint));
            await Assert.ThrowsAsync<HttpRequestException>(() => GetAsync(new Uri(node.Ui), fingerprint.Replace(fingerprint[0], fingerprint[0] == 'A' ? 'B' : 'A')));

            var status = await node.CliAsync("status", "--json");
            var shown = status.Json.GetProperty("certificate");
            Assert.Equal(fingerprint, shown.GetProperty("sha256").GetString());
            Assert.True(shown.GetProperty("selfMade").GetBoolean());
            Assert.InRange(shown.GetProperty("notAfter").GetDateTimeOffset() - DateTimeOffset.UtcNow, TimeSpan.FromDays(300), TimeSpan.FromDays(398));
            Assert.Contains(fingerprint, (await node.CliAsync("status")).Out, StringComparison.Ordinal);
            Assert.Contains(fingerprint, (await node.CliAsync("doctor", "--Dawn:Gateway:Url=https://0.0.0.0:0", "--Dawn:" + Token)).Out, StringComparison.Ordinal);
            Assert.StartsWith(new Uri(node.Ui).GetLeftPart(UriPartial.Authority) + "/#dawn1", (await node.CliAsync("ui")).Out, StringComparison.Ordinal);

            await node.StopAsync();
            Assert.Contains(fingerprint, node.Log, StringComparison.Ordinal);
            Assert.DoesNotContain("PRIVATE KEY", node.Log, StringComparison.Ordinal);
        }

        await using var again = await DawnNode.StartOnAsync(_data, "Gateway:Url=https://0.0.0.0:0", Token);
        Assert.Equal(fingerprint, again.Certificate);
    }

    [Fact]
    public async Task HttpThatOthersCanReachIsRefusedWithItsCure()
    {
        var outcome = await Dawn.RunAsync(["run", "--data", _data, "--Dawn:Gateway:Url=http://0.0.0.0:7600", "--Dawn:" + Token]);
        Assert.Equal(2, outcome.Exit);
        Assert.Contains("write https://0.0.0.0:7600, and the node makes a certificate", outcome.Err, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ABrowserOpensThePageOverHttps()
    {
        await using var node = await DawnNode.StartOnAsync(_data, "Gateway:Url=https://0.0.0.0:0", Token);
        using var page = LivePage.Start("browser.mjs", node.Ui, node.Certificate);
        var seen = await page.EndAsync();
        Assert.True(seen.GetProperty("isSecure").GetBoolean());
        Assert.Equal("", seen.GetProperty("hash").GetString());
        Assert.Contains(seen.GetProperty("agents").EnumerateArray(), a => a.GetString()!.Contains("First steps", StringComparison.Ordinal));
        Assert.Equal(seen.GetProperty("agents").GetArrayLength(), seen.GetProperty("again").GetInt32());
        Assert.All(seen.GetProperty("sockets").EnumerateArray(), s => Assert.Equal($"wss://{new Uri(node.Ui).Authority}/link", s.GetString()));
        Assert.NotEqual(0, seen.GetProperty("sockets").GetArrayLength());

        // Without somebody's word for it a browser opens nothing by itself, and keeps no service worker.
        Assert.Contains("ERR_CERT_AUTHORITY_INVALID", seen.GetProperty("refusal").GetString(), StringComparison.Ordinal);
        Assert.All(seen.GetProperty("complaints").EnumerateArray(), c => Assert.Equal("An SSL certificate error occurred when fetching the script.", c.GetString()));
    }

    private static async Task<HttpStatusCode> GetAsync(Uri address, string fingerprint)
    {
        using var http = new HttpClient(new HttpClientHandler
        {
            ServerCertificateCustomValidationCallback = (_, certificate, _, errors) =>
                errors == SslPolicyErrors.RemoteCertificateChainErrors && certificate!.GetCertHashString(HashAlgorithmName.SHA256) == fingerprint.Replace(":", "", StringComparison.Ordinal),
        });
        using var response = await http.GetAsync(address, Stop);
        return response.StatusCode;
    }
}
