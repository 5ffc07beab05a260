using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Dawn.Gateway;

/// <summary>The names and addresses of a gateway, from the host of its URL and those of its machine.</summary>
internal static class GatewayHosts
{
    public static bool IsAny(Uri url) => IPAddress.TryParse(url.DnsSafeHost, out var address) && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));

    /// <summary>The host that people and programs are told, which for a gateway on all addresses is one that leads here without a name service.</summary>
    /// <param name="given">The certificate of the settings: the names in it are those that clients will believe.</param>
    /// <param name="local">This machine's addresses, the best first.</param>
    public static string Told(Uri url, X509Certificate2? given, IReadOnlyList<IPAddress> local) =>
        !IsAny(url) ? Bare(url)
        : given?.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(names => names.EnumerateDnsNames()).FirstOrDefault(name => !name.StartsWith('*')) is { } name ? name
        : Reachable(url, local).FirstOrDefault(a => !IPAddress.IsLoopback(a))?.ToString() ?? IPAddress.Loopback.ToString();

    /// <summary>All that a certificate of its own is for.</summary>
    public static IEnumerable<string> All(Uri url, string machine, IReadOnlyList<IPAddress> local)
    {
        IEnumerable<string> loopback = ["localhost", IPAddress.Loopback.ToString(), IPAddress.IPv6Loopback.ToString()];
        if (IsAny(url))
        {
            var isName = Uri.CheckHostName(machine) == UriHostNameType.Dns;
            // A plain name is known to its neighbours by multicast DNS (RFC 6762, 3).
            IEnumerable<string> names = !isName ? [] : machine.Contains('.') ? [machine] : [machine, $"{machine}.local"];
            return names.Concat(Reachable(url, local).Select(a => a.ToString())).Concat(loopback).Distinct(StringComparer.OrdinalIgnoreCase);
        }

        // An address listens on itself alone, a name on all of the machine's.
        return IPAddress.TryParse(url.DnsSafeHost, out _) ? [Bare(url)] : loopback.Prepend(Bare(url)).Distinct(StringComparer.OrdinalIgnoreCase);
    }

    private static string Bare(Uri url) => IPAddress.TryParse(url.DnsSafeHost, out var address) ? address.ToString() : url.IdnHost;

    // An IPv6 wildcard takes IPv4 too (RFC 3493, 5.3).
    private static IEnumerable<IPAddress> Reachable(Uri url, IReadOnlyList<IPAddress> local) =>
        local.Where(a => a.AddressFamily == AddressFamily.InterNetwork || url.HostNameType == UriHostNameType.IPv6);
}
