using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dawn.Identity;
using Dawn.Tls;

namespace Dawn.Gateway;

/// <summary>What a person compares with what the browser shows.</summary>
/// <param name="Sha256">Its fingerprint, as <c>openssl x509 -fingerprint -sha256</c> writes it.</param>
/// <param name="SelfMade">Whether the node made it, so that nothing but the fingerprint speaks for it.</param>
internal sealed record GatewayCertificateInfo(string Sha256, DateTimeOffset NotAfter, bool SelfMade)
{
    public static GatewayCertificateInfo Of(X509Certificate2 certificate, bool selfMade) =>
        new(string.Join(':', certificate.GetCertHash(HashAlgorithmName.SHA256).Select(b => b.ToString("X2"))), certificate.NotAfter.ToUniversalTime(), selfMade);
}

/// <summary>The certificate that the gateway shows: that of the settings, or one that the node makes and renews by itself.</summary>
internal sealed partial class GatewayTls
{
    // A disk that is full stays so for a while.
    private static readonly TimeSpan RetryPeriod = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly Func<X509Certificate2>? _renew;
    private readonly string _host;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private Served _served;
    private DateTimeOffset _nextTry = DateTimeOffset.MinValue;

    private GatewayTls(Served served, Func<X509Certificate2>? renew, string host, TimeProvider time, ILogger logger) =>
        (_served, _renew, _host, _time, _logger) = (served, renew, host, time, logger);

    /// <summary>The one in force.</summary>
    public X509Certificate2 Certificate => Current().Certificate;

    public GatewayCertificateInfo Info => Current().Info;

    /// <param name="host">What clients ask for.</param>
    /// <param name="hosts">All that a certificate of the node's own is for.</param>
    /// <exception cref="StartException">The node's own can't be used, or not be kept.</exception>
    public static GatewayTls Open(CertificateFile? given, DataDirectory directory, string host, IReadOnlyList<string> hosts, TimeProvider time, ILogger logger)
    {
        if (given is not null)
        {
            return new(Served.Of(given, selfMade: false), null, host, time, logger);
        }

        X509Certificate2 Renew() => OwnCertificate.Make(directory, hosts, time.GetUtcNow());
        var own = OwnCertificate.TryLoad(directory);
        try
        {
            if (own is null || OwnCertificate.IsDue(own, host, time.GetUtcNow()))
            {
                own?.Dispose();
                own = Renew();
                LogMade(logger, host);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"The gateway's certificate {directory.File(OwnCertificate.FileName)} can't be kept: {e.Message.TrimEnd('.')}. Make room or mend the directory, or set Dawn:Gateway:Certificate.", e);
        }

        return new(Served.Of(new(own, []), selfMade: true), Renew, host, time, logger);
    }

    /// <summary>For one handshake.</summary>
    public SslServerAuthenticationOptions ForConnection() => new() { ServerCertificateContext = Current().Context };

    private Served Current()
    {
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            if (_renew is not null && now >= _nextTry && OwnCertificate.IsDue(_served.Certificate, _host, now))
            {
                _nextTry = now + RetryPeriod;
                try
                {
                    // The one before is left to the collector: handshakes that began with it go on.
                    _served = Served.Of(new(_renew(), []), selfMade: true);
                    LogRenewed(_served.Info.Sha256);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    LogNotRenewed(e.Message);
                }
            }

            return _served;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Made a certificate for the gateway, for {Host}")]
    private static partial void LogMade(ILogger logger, string host);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The gateway's certificate would soon have ended; the SHA-256 of the new one is {Fingerprint}")]
    private partial void LogRenewed(string fingerprint);

    [LoggerMessage(Level = LogLevel.Error, Message = "The gateway's certificate ends soon, and a new one can't be kept: {Cause} Make room or mend the data directory; it is tried again in an hour.")]
    private partial void LogNotRenewed(string cause);

    private sealed record Served(X509Certificate2 Certificate, SslStreamCertificateContext Context, GatewayCertificateInfo Info)
    {
        // Offline: a node fetches nothing from strangers to start.
        public static Served Of(CertificateFile file, bool selfMade) =>
            new(file.Certificate, SslStreamCertificateContext.Create(file.Certificate, file.Chain, offline: true), GatewayCertificateInfo.Of(file.Certificate, selfMade));
    }
}
