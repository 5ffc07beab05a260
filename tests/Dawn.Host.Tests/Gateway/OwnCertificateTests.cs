using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Tests.Agents;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Gateway;

public sealed class OwnCertificateTests : IDisposable
{
    private const string Host = "192.0.2.7";

    private readonly TempDirectory _temp = new();
    private readonly FakeTimeProvider _time = new(new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly ListLogger _log = new();

    private string FilePath => Path.Combine(_temp.Path, OwnCertificate.FileName);

    public void Dispose()
    {
        _log.Dispose();
        _temp.Dispose();
    }

    private GatewayTls Open(string host = Host) => GatewayTls.Open(null, _temp.Open(), host, [host, "localhost"], _time, _log);

    [Fact]
    public void ItIsForItsHostsAndForNoLongerThanBrowsersTake()
    {
        var certificate = GatewayTls.Open(null, _temp.Open(), "dawn.example", ["dawn.example", "192.0.2.7", "fd00::7"], _time, NullLogger.Instance).Certificate;
        using var key = certificate.GetECDsaPublicKey();
        Assert.Equal("1.2.840.10045.3.1.7", key!.ExportParameters(false).Curve.Oid.Value);
        Assert.All(["dawn.example", "192.0.2.7", "fd00::7"], host => Assert.True(certificate.MatchesHostname(host), host));
        Assert.False(certificate.MatchesHostname("other.example"));
        Assert.True(certificate.NotBefore.ToUniversalTime() < _time.GetUtcNow());
        Assert.InRange(certificate.NotAfter - certificate.NotBefore, TimeSpan.FromDays(300), TimeSpan.FromDays(398));
        Assert.False(Assert.Single(certificate.Extensions.OfType<X509BasicConstraintsExtension>()).CertificateAuthority);
        Assert.Equal("1.3.6.1.5.5.7.3.1", Assert.Single(Assert.Single(certificate.Extensions.OfType<X509EnhancedKeyUsageExtension>()).EnhancedKeyUsages.Cast<Oid>()).Value);

        // Whoever connects sees the subject: it is that of every node.
        Assert.Equal("CN=Dawn gateway", certificate.Subject);
    }

    [Fact]
    public void ItIsKeptAndItsFileIsTheOwnersAlone()
    {
        var first = Open().Info;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
        Assert.Equal(first, Open().Info);
        Assert.True(first.SelfMade);

        // As openssl and browsers make it: of the whole certificate.
        using var kept = X509Certificate2.CreateFromPem(File.ReadAllText(FilePath));
        Assert.Equal(Convert.ToHexString(SHA256.HashData(kept.RawData)), first.Sha256.Replace(":", "", StringComparison.Ordinal));
        Assert.Matches("^([0-9A-F]{2}:){31}[0-9A-F]{2}$", first.Sha256);
    }

    [Theory]
    [InlineData(334, false)]
    [InlineData(336, true)]
    [InlineData(1000, true)]
    [InlineData(-2, true)]
    public void ItIsRenewedBeforeItEnds(int days, bool isRenewed)
    {
        var first = Open().Info;
        _time.AdjustTime(_time.GetUtcNow().AddDays(days));
        var second = Open().Info;
        Assert.Equal(isRenewed, first.Sha256 != second.Sha256);
        Assert.Equal(isRenewed, second.NotAfter == _time.GetUtcNow().AddDays(365));
        Assert.Equal(second, Open().Info);
    }

    [Fact]
    public void AnotherHostGetsAnother()
    {
        var first = Open().Info;
        Assert.Equal(first, Open("localhost").Info);
        Assert.NotEqual(first.Sha256, Open("192.0.2.8").Info.Sha256);
    }

    [Fact]
    public void ANodeThatRunsForYearsRenewsIt()
    {
        var tls = Open();
        var first = tls.Info;
        _time.Advance(TimeSpan.FromDays(334));
        Assert.Equal(first, tls.Info);
        _time.Advance(TimeSpan.FromDays(2));
        Assert.NotEqual(first.Sha256, tls.Info.Sha256);
        Assert.Same(tls.Certificate, tls.ForConnection().ServerCertificateContext!.TargetCertificate);
        Assert.Equal(tls.Info, Open().Info);
        Assert.Contains(_log.Lines, m => m.Contains(tls.Info.Sha256, StringComparison.Ordinal));
    }

    [Fact]
    public void WhatCantBeKeptAtRunTimeIsSaidAndTriedAgainLater()
    {
        var tls = Open();
        var first = tls.Info;
        // In the way of the draft: a disk that is full can't be had here.
        Directory.CreateDirectory(FilePath + ".new");
        _time.Advance(TimeSpan.FromDays(340));
        Assert.Equal(first, tls.Info);
        Assert.Contains("can't be kept", Assert.Single(_log.Lines, m => m.StartsWith("Error", StringComparison.Ordinal)), StringComparison.Ordinal);
        Directory.Delete(FilePath + ".new");
        Assert.Equal(first, tls.Info);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.NotEqual(first.Sha256, tls.Info.Sha256);
    }

    [Fact]
    public void WhatCantBeUsedStopsTheStartWithItsCure()
    {
        Directory.CreateDirectory(FilePath + ".new");
        Assert.Contains("can't be kept", Assert.Throws<StartException>(() => Open()).Message, StringComparison.Ordinal);
        Directory.Delete(FilePath + ".new");
        Open();
        File.SetUnixFileMode(FilePath, (UnixFileMode)0b110_100_000);
        Assert.Contains($"chmod 600 '{FilePath}'", Assert.Throws<StartException>(() => Open()).Message, StringComparison.Ordinal);
        _temp.Open().WriteText(OwnCertificate.FileName, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        Assert.Contains("is damaged", Assert.Throws<StartException>(() => Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ItsKeyIsNeverSaid()
    {
        var tls = Open();
        _time.Advance(TimeSpan.FromDays(340));
        Assert.NotNull(tls.ForConnection());
        var key = File.ReadAllLines(FilePath).SkipWhile(l => !l.Contains("PRIVATE KEY", StringComparison.Ordinal)).Skip(1).First();
        Assert.NotEmpty(_log.Lines);
        Assert.DoesNotContain(_log.Lines, m => m.Contains("PRIVATE", StringComparison.Ordinal) || m.Contains(key, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("https://dawn.example:1", "dawn.example", "dawn.example localhost 127.0.0.1 ::1")]
    [InlineData("https://192.0.2.9:1", "192.0.2.9", "192.0.2.9")]
    [InlineData("https://[fd00::9]:1", "fd00::9", "fd00::9")]
    [InlineData("https://bücher.example:1", "xn--bcher-kva.example", "xn--bcher-kva.example localhost 127.0.0.1 ::1")]
    [InlineData("https://localhost:1", "localhost", "localhost 127.0.0.1 ::1")]
    [InlineData("https://0.0.0.0:1", "192.0.2.7", "box box.local 192.0.2.7 127.0.0.1 localhost ::1")]
    [InlineData("https://[::]:1", "192.0.2.7", "box box.local 192.0.2.7 fd00::7 127.0.0.1 ::1 localhost")]
    public void TheHostsAreThoseOfTheUrlAndOfTheMachine(string url, string told, string all)
    {
        IReadOnlyList<IPAddress> local = [IPAddress.Parse("192.0.2.7"), IPAddress.Parse("fd00::7"), IPAddress.Loopback, IPAddress.IPv6Loopback];
        Assert.Equal(told, GatewayHosts.Told(new(url), null, local));
        Assert.Equal(all.Split(' '), GatewayHosts.All(new(url), "box", local));
        Assert.DoesNotContain(GatewayHosts.All(new(url), "my box!", local), host => host.Contains("box", StringComparison.Ordinal));
    }

    [Fact]
    public void OnAllAddressesTheNameOfAGivenCertificateIsTold()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("*.example.org");
        names.AddDnsName("dawn.example.org");
        var request = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(names.Build());
        using var given = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        Assert.Equal("dawn.example.org", GatewayHosts.Told(new("https://0.0.0.0:1"), given, []));
        Assert.Equal("127.0.0.1", GatewayHosts.Told(new("https://0.0.0.0:1"), null, [IPAddress.Loopback]));
    }
}
