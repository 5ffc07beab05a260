using Dawn;
using Dawn.Transports.WebSockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

[assembly: DawnPlugin(typeof(WebSocketPlugin))]

namespace Dawn.Transports.WebSockets;

/// <summary>Offers the schemes ws and wss.</summary>
internal sealed class WebSocketPlugin : IDawnPlugin
{
    public void ConfigureServices(IServiceCollection services, IConfiguration settings)
    {
        services.AddOptions<WebSocketSettings>()
            .Bind(settings, binder => binder.ErrorOnUnknownConfiguration = true)
            .Validate(s => s.Backlog is >= 1 and <= 65_535, "Backlog must be 1 to 65535.")
            .Validate(s => s.CloseTimeout > TimeSpan.Zero && s.ConnectTimeout > TimeSpan.Zero, "CloseTimeout and ConnectTimeout must be longer than nothing.")
            .Validate(s => s.Trust != CertificateTrust.Listed || s.TrustedCertificates is not null, "Trust is Listed, so TrustedCertificates must name a PEM file.");
        services.AddSingleton<CertificateFiles>();
        services.AddSingleton<IPeerTransport, WebSocketTransport>();
    }
}

/// <summary>The settings of the WebSocket transport.</summary>
internal sealed class WebSocketSettings
{
    /// <summary>How many accepted connections may wait for the node; more are told to come again (503).</summary>
    public int Backlog { get; set; } = 128;

    /// <summary>How long a dial may take, where the caller allows more.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long sending the rest and the closing handshake may take.</summary>
    public TimeSpan CloseTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>For listening on wss: a PFX file, or a PEM file with the certificate and those that lead to its root.</summary>
    public string? Certificate { get; set; }

    /// <summary>The PEM file of the key, where it is not in <see cref="Certificate"/>.</summary>
    public string? CertificateKey { get; set; }

    /// <summary>The password of the PFX file or of the encrypted key.</summary>
    public string? CertificatePassword { get; set; }

    /// <summary>Which certificates of a wss listener are taken by those who dial.</summary>
    public CertificateTrust Trust { get; set; } = CertificateTrust.Any;

    /// <summary>With <see cref="CertificateTrust.Listed"/>: a PEM file of the roots to trust.</summary>
    public string? TrustedCertificates { get; set; }
}

/// <summary>Which certificates of a wss listener are taken by those who dial.</summary>
internal enum CertificateTrust
{
    /// <summary>Any: TLS gets the bytes past proxies and firewalls; who the peer is, the link above proves.</summary>
    Any,

    /// <summary>Those that this machine trusts.</summary>
    System,

    /// <summary>Those that lead to a root in <see cref="WebSocketSettings.TrustedCertificates"/>.</summary>
    Listed,
}
