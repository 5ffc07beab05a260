using System.Security.Cryptography;
using Dawn.Tls;

namespace Dawn.Gateway;

/// <summary>The section <c>Dawn:Gateway</c>.</summary>
/// <param name="Url">Where the gateway listens, as <c>http://127.0.0.1:7600</c>; null for a node without one. Port 0 takes a free port.</param>
/// <param name="Token">The bearer token that MCP clients must send; null asks for none, which only loopback allows.</param>
/// <param name="Certificate">For https; null where the node makes its own.</param>
/// <param name="TestHooks">Opens what only tests of the pages use.</param>
/// <param name="FileSize">Bytes of the files of one message of the page together.</param>
internal sealed record GatewaySettings(string? Url, string? Token = null, GatewayCertificate? Certificate = null, bool TestHooks = false, long FileSize = GatewaySettings.MaxFileSize)
{
    /// <summary>A token on a network is guessed at by strangers: 128 bits in hexadecimal digits have 32 characters; this is the least that isn't foolish.</summary>
    public const int MinTokenLength = 16;

    /// <summary>A message has 64 MiB, and base64 makes four bytes of three; the rest is for words.</summary>
    public const long MaxFileSize = 50_000_000;

    /// <summary>What is wrong with the settings, one sentence each, with the key and the cure.</summary>
    public static IEnumerable<string> Validate(GatewaySettings settings)
    {
        if (settings.FileSize is < 1 or > MaxFileSize)
        {
            yield return $"Dawn:Gateway:FileSize is {settings.FileSize}; allowed: 1 to {MaxFileSize} bytes, which is what one message can carry";
        }

        if (settings.Url is null)
        {
            yield break;
        }

        if (!Uri.TryCreate(settings.Url, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") ||
            url.AbsolutePath != "/" || url.Query != "" || url.Fragment != "" || url.UserInfo != "")
        {
            yield return $"Dawn:Gateway:Url is '{settings.Url}'; give http://127.0.0.1:7600 or https://name:port, without a path, or null for no gateway";
            yield break;
        }

        if (url.Scheme == "https" && settings.Certificate?.Problem() is { } problem)
        {
            yield return problem;
        }

        if (!url.IsLoopback)
        {
            if (url.Scheme != "https")
            {
                yield return $"Dawn:Gateway:Url is '{settings.Url}', which others on the network can reach; that needs https: write https://{url.Authority}, and the node makes a certificate, or uses the one of Dawn:Gateway:Certificate";
            }

            if (settings.Token is not { Length: >= MinTokenLength })
            {
                yield return $"Dawn:Gateway:Url is '{settings.Url}', which others on the network can reach; that needs Dawn:Gateway:Token, at least {MinTokenLength} characters";
            }
        }

        if (settings.Token is { } token && (token.Length == 0 || token.AsSpan().ContainsAnyExceptInRange('!', '~')))
        {
            yield return "Dawn:Gateway:Token must be visible ASCII characters without spaces";
        }
    }
}

/// <summary>A certificate and its private key: a PFX file, or a PEM file that holds both.</summary>
internal sealed record GatewayCertificate(string Path, string? Password = null)
{
    public CertificateFile Load() => CertificateFile.Load(Path, password: Password);

    internal string? Problem()
    {
        try
        {
            using var certificate = Load().Certificate;
            return null;
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return $"Dawn:Gateway:Certificate '{Path}' can't be read: {e.Message}";
        }
    }
}
