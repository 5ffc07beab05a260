using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dawn.Tls;
using Microsoft.Extensions.Options;

namespace Dawn.Transports.WebSockets;

/// <summary>The certificates that the settings name, for both ends of wss.</summary>
internal sealed class CertificateFiles(IOptions<WebSocketSettings> options)
{
    private readonly WebSocketSettings _settings = options.Value;

    /// <summary>What a listener shows. Read at each bind, so that a renewed file counts.</summary>
    /// <exception cref="IOException">None is set, or it can't be read; the message names the setting.</exception>
    public CertificateFile Load(Uri address)
    {
        if (_settings.Certificate is not { Length: > 0 } file)
        {
            throw new IOException(
                $"{address.GetLeftPart(UriPartial.Authority)} needs a certificate: set Certificate in the settings of this plugin (Dawn:Plugins:transport-websocket:Certificate) to a PFX or PEM file.");
        }

        try
        {
            return CertificateFile.Load(file, _settings.CertificateKey, _settings.CertificatePassword);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The certificate {file} can't be used: {e.Message} Check Certificate, CertificateKey and CertificatePassword.", e);
        }
    }

    /// <summary>How a dialer judges the listener's certificate; null leaves it to the machine.</summary>
    public SslClientAuthenticationOptions ForDialing() => _settings.Trust switch
    {
        CertificateTrust.System => new(),
        CertificateTrust.Listed => new() { CertificateChainPolicy = ListedRoots() },
        _ => new() { RemoteCertificateValidationCallback = static (_, _, _, _) => true },
    };

    private X509ChainPolicy ListedRoots()
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(_settings.TrustedCertificates!);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new IOException($"TrustedCertificates {_settings.TrustedCertificates} can't be read: {e.Message}", e);
        }

        return policy;
    }
}
