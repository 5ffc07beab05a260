using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dawn.Tls;
using Xunit;

namespace Dawn.Tests.Tls;

public sealed class CertificateFileTests : IDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly X509Certificate2 _issuer;
    private readonly X509Certificate2 _server;

    public CertificateFileTests()
    {
        var (from, until) = (DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        using var issuing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var issuer = new CertificateRequest("CN=issuer", issuing, HashAlgorithmName.SHA256);
        issuer.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _issuer = issuer.CreateSelfSigned(from, until);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var bare = new CertificateRequest("CN=server", key, HashAlgorithmName.SHA256).Create(_issuer, from, until, [1]);
        _server = bare.CopyWithPrivateKey(key);
    }

    public void Dispose()
    {
        _issuer.Dispose();
        _server.Dispose();
        _temp.Dispose();
    }

    [Theory]
    [InlineData("both.pem", null, null)]
    [InlineData("certificate.pem", "key.pem", null)]
    [InlineData("certificate.pem", "sealed.pem", "pw")]
    [InlineData("both.pfx", null, "pw")]
    public void ThePathToTheRootIsServedToo(string name, string? keyName, string? password)
    {
        using var key = _server.GetECDsaPrivateKey()!;
        var path = Path.Combine(_temp.Path, name);
        var chain = $"{_server.ExportCertificatePem()}\n{_issuer.ExportCertificatePem()}\n";
        if (Path.GetExtension(name) == ".pfx")
        {
            using var issuer = X509CertificateLoader.LoadCertificate(_issuer.RawData);
            File.WriteAllBytes(path, new X509Certificate2Collection { issuer, _server }.Export(X509ContentType.Pfx, password)!);
        }
        else
        {
            File.WriteAllText(path, keyName is null ? chain + key.ExportPkcs8PrivateKeyPem() : chain);
        }

        var keyPath = keyName is null ? null : Path.Combine(_temp.Path, keyName);
        if (keyPath is not null)
        {
            File.WriteAllText(keyPath, password is null ? key.ExportPkcs8PrivateKeyPem() : key.ExportEncryptedPkcs8PrivateKeyPem(password, new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)));
        }

        var file = CertificateFile.Load(path, keyPath, password);
        Assert.Equal(_server.Thumbprint, file.Certificate.Thumbprint);
        Assert.True(file.Certificate.HasPrivateKey);
        Assert.Contains(file.Chain, c => c.Thumbprint == _issuer.Thumbprint);
    }

    [Fact]
    public void WithoutAKeyItIsRefused()
    {
        using var issuer = X509CertificateLoader.LoadCertificate(_issuer.RawData);
        var (pfx, pem) = (Path.Combine(_temp.Path, "issuer.pfx"), Path.Combine(_temp.Path, "issuer.pem"));
        File.WriteAllBytes(pfx, issuer.Export(X509ContentType.Pfx)!);
        File.WriteAllText(pem, issuer.ExportCertificatePem());
        Assert.Contains("no private key", Assert.Throws<CryptographicException>(() => CertificateFile.Load(pfx)).Message, StringComparison.Ordinal);
        Assert.Throws<CryptographicException>(() => CertificateFile.Load(pem));
    }
}
