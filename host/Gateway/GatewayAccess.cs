using System.Net;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Dawn.Identity;

namespace Dawn.Gateway;

/// <summary>Who may talk to the gateway at all: hosts and origins (against DNS rebinding and foreign pages), and tokens.</summary>
/// <param name="ownerToken">The token that makes a local caller the node's owner; null while there is none.</param>
internal sealed class GatewayAccess(Uri url, string? token, Func<X509Certificate2?> certificate, Func<string?> ownerToken)
{
    private static readonly string[] LoopbackHosts = ["localhost", "127.0.0.1", "[::1]"];

    private readonly bool _anyAddress = GatewayHosts.IsAny(url);

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (!IsHost(context.Request.Host.Host))
        {
            await RefuseAsync(context, StatusCodes.Status403Forbidden, $"The host '{context.Request.Host.Host}' is not this gateway's; use the host of Dawn:Gateway:Url.");
        }
        else if (!IsOrigin(context.Request))
        {
            await RefuseAsync(context, StatusCodes.Status403Forbidden, $"The origin '{context.Request.Headers.Origin}' may not use this gateway.");
        }
        else if (NeedsCaller(context.Request.Path) && !Identify(context))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await RefuseAsync(
                context, StatusCodes.Status401Unauthorized,
                token is null
                    ? "This bearer token is none that the gateway knows; leave it out, or send that of the node's owner (owner.token in its data directory, from this machine only)."
                    : "A bearer token is needed: that of Dawn:Gateway:Token.");
        }
        else
        {
            await next(context);
        }
    }

    /// <summary>The agent part of the caller's address.</summary>
    public static string CallerOf(HttpContext context) => context.User.FindFirstValue(ClaimTypes.NameIdentifier) ?? AgentId.Gateway;

    public static Task RefuseAsync(HttpContext context, int status, string message, ModelContextProtocol.Protocol.RequestId id = default, int code = RelayException.Unavailable)
    {
        (context.Response.StatusCode, context.Response.ContentType) = (status, "application/json");
        return context.Response.Body.WriteAsync(Agents.JsonRpc.Serialize(RelayException.Error(id, code, message))).AsTask();
    }

    private static bool NeedsCaller(PathString path) => path.StartsWithSegments("/mcp") || path.StartsWithSegments("/metrics");

    // An attacker's page can make its own name point here (DNS rebinding), but it can't make the browser name ours.
    private bool IsHost(string host) =>
        LoopbackHosts.Contains(host, StringComparer.OrdinalIgnoreCase) ||
        host.Equals(url.Host, StringComparison.OrdinalIgnoreCase) ||
        (certificate()?.MatchesHostname(host.Trim('[', ']')) ?? false) ||
        // An address is no name, so nobody can point it elsewhere.
        (_anyAddress && IPAddress.TryParse(host.Trim('[', ']'), out _));

    // Pages of this very gateway, under any of its names; programs send no origin.
    private bool IsOrigin(HttpRequest request) =>
        request.Headers.Origin.Count == 0 ||
        (request.Headers.Origin.Count == 1 && Uri.TryCreate(request.Headers.Origin[0], UriKind.Absolute, out var origin) &&
            origin.Scheme == request.Scheme && origin.Port == (request.Host.Port ?? (request.IsHttps ? 443 : 80)) && IsHost(origin.Host));

    private bool Identify(HttpContext context)
    {
        var header = context.Request.Headers.Authorization.ToString();
        var given = header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? header["Bearer ".Length..].Trim() : null;
        var isLoopback = context.Connection.RemoteIpAddress is { } remote && IPAddress.IsLoopback(remote);
        var caller =
            given is null ? (token is null ? AgentId.Gateway : null) :
            isLoopback && IsSame(given, ownerToken()) ? AgentId.Owner :
            IsSame(given, token) ? AgentId.Gateway :
            null;
        if (caller is null)
        {
            return false;
        }

        // The name ties an MCP session to whoever began it.
        context.User = new(new ClaimsIdentity([new Claim(ClaimTypes.NameIdentifier, caller)], "Bearer"));
        return true;
    }

    // Hashes have one length, so time tells nothing of the token's either.
    private static bool IsSame(string given, string? expected) =>
        expected is { Length: > 0 } && CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), SHA256.HashData(Encoding.UTF8.GetBytes(expected)));
}
