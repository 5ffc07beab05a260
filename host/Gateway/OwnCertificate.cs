using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dawn.Identity;
using Dawn.Tls;

namespace Dawn.Gateway;

/// <summary>The certificate that a node makes for its gateway where none is given: <c>gateway.pem</c> in its data directory, with the key, mode 0600.</summary>
internal static class OwnCertificate
{
    public const string FileName = "gateway.pem";

    // Browsers take none that is good for more than 398 days (CA/Browser Forum, Baseline Requirements, 6.3.2).
    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(365);
    private static readonly TimeSpan RenewedBefore = TimeSpan.FromDays(30);

    // A client's clock may be behind.
    private static readonly TimeSpan Backdated = TimeSpan.FromDays(1);

    // The subject says nothing of the node: whoever connects sees it.
    private const string Subject = "Dawn gateway";
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    /// <summary>Reads the certificate; null where the directory has none.</summary>
    /// <exception cref="StartException">The file is damaged, or others may read it.</exception>
    public static X509Certificate2? TryLoad(DataDirectory directory)
    {
        if (directory.ReadText(FileName) is not { } text)
        {
            return null;
        }

        var path = directory.File(FileName);
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) is not UnixFileMode.None)
        {
            throw new StartException($"Others may read the key of this gateway's certificate {path}. Remove the file, and the next start makes another; or, if nobody has read it, run: chmod 600 '{path}'");
        }

        try
        {
            using var pem = X509Certificate2.CreateFromPem(text, text);
            return CertificateFile.Servable(pem);
        }
        catch (CryptographicException e)
        {
            throw new StartException($"{path} is damaged: {e.Message.TrimEnd('.')}. Remove it, and the next start makes another.", e);
        }
    }

    /// <summary>Makes a certificate and keeps it in place of the one before.</summary>
    /// <param name="hosts">The names and addresses that it is for.</param>
    /// <exception cref="IOException">It can't be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static X509Certificate2 Make(DataDirectory directory, IEnumerable<string> hosts, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(Subject);
        var request = new CertificateRequest(subject.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication)], critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        var names = new SubjectAlternativeNameBuilder();
        foreach (var host in hosts)
        {
            if (IPAddress.TryParse(host, out var address))
            {
                names.AddIpAddress(address);
            }
            else
            {
                names.AddDnsName(host);
            }
        }

        request.CertificateExtensions.Add(names.Build());
        using var made = request.CreateSelfSigned(now - Backdated, now + Lifetime);
        directory.WriteText(FileName, $"{made.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        return CertificateFile.Servable(made);
    }

    /// <summary>Whether another one is to take its place: it ends soon, is not good yet (the clock was wrong), or is for other hosts.</summary>
    public static bool IsDue(X509Certificate2 certificate, string host, DateTimeOffset now) =>
        now > certificate.NotAfter - RenewedBefore || now < certificate.NotBefore || !certificate.MatchesHostname(host);
}
