using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dawn.Benchmarks.Peers;

/// <summary>TLS without files: a certificate that lives in the server's memory, and clients that take this one alone.</summary>
internal static class SelfSigned
{
    public static X509Certificate2 Create()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    public static string ThumbprintOf(X509Certificate certificate) => certificate.GetCertHashString(HashAlgorithmName.SHA256);

    public static RemoteCertificateValidationCallback Pin(string thumbprint) => (_, certificate, _, _) => certificate is not null && ThumbprintOf(certificate) == thumbprint;

    public static SocketsHttpHandler Handler(string thumbprint) => new()
    {
        SslOptions = new() { RemoteCertificateValidationCallback = Pin(thumbprint) },
        UseProxy = false,
        AllowAutoRedirect = false,
        UseCookies = false,
    };
}
