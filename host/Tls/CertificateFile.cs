using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dawn.Tls;

/// <summary>A certificate with its key, and those that lead from it to its root: what a server shows.</summary>
/// <remarks>Part of the host and of the transport for <c>wss</c>, which has no other tie to it.</remarks>
internal sealed record CertificateFile(X509Certificate2 Certificate, X509Certificate2Collection Chain)
{
    /// <summary>Reads a PFX file, or a PEM file.</summary>
    /// <param name="keyPath">The PEM file of the key, where it is in one of its own.</param>
    /// <param name="password">Of the PFX file or of the encrypted key.</param>
    /// <exception cref="CryptographicException">It holds no certificate with its key, or the password is another.</exception>
    /// <exception cref="IOException">It can't be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static CertificateFile Load(string path, string? keyPath = null, string? password = null)
    {
        var chain = new X509Certificate2Collection();
        if (Path.GetExtension(path).ToLowerInvariant() is ".pfx" or ".p12")
        {
            chain = X509CertificateLoader.LoadPkcs12CollectionFromFile(path, password);
            return new(chain.FirstOrDefault(c => c.HasPrivateKey) ?? throw new CryptographicException("It has no private key; use a file that holds both."), chain);
        }

        using var pem = password is not null ? X509Certificate2.CreateFromEncryptedPemFile(path, password, keyPath) : X509Certificate2.CreateFromPemFile(path, keyPath);
        chain.ImportFromPemFile(path);
        return new(Servable(pem), chain);
    }

    /// <summary>The same certificate in the one form that every system serves: Windows serves no key that was never in a PFX.</summary>
    public static X509Certificate2 Servable(X509Certificate2 certificate) => X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
}
