using System.Net;
using System.Net.Sockets;
using Dawn.Commands;
using Dawn.Configuration;
using Dawn.Identity;

namespace Dawn.Node.Doctor;

/// <summary>Ports, addresses and neighbours.</summary>
internal static class NetworkChecks
{
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(2);

    // Somebody's list of a hundred addresses is not dialled from here.
    private const int MaxDialled = 32;

    public static async Task<IReadOnlyList<Finding>> AllAsync(DawnSettings settings, StoredNetwork? stored, LiveNode? node, TimeProvider time, CancellationToken cancellationToken)
    {
        var findings = new List<Finding>();
        foreach (var listen in settings.Listen)
        {
            findings.Add(Port("listen-port", "Dawn:Listen", listen, node?.Listen.Any(l => l.Port == listen.Port) ?? false, node is not null));
        }

        if (settings.GatewayUrl is { } text && Uri.TryCreate(text, UriKind.Absolute, out var gateway))
        {
            findings.Add(Port("gateway-port", "Dawn:Gateway:Url", gateway, Uri.TryCreate(node?.Status.Text("mcp"), UriKind.Absolute, out var mcp) && mcp.Port == gateway.Port, node is not null));
        }

        var peers = settings.Bootstrap.Concat((stored?.Bootstrap ?? []).Select(t => PeerAddress.TryParse(t, out var peer) ? peer! : null).OfType<PeerAddress>()).Distinct().Take(MaxDialled).ToList();
        var reached = await Task.WhenAll(peers.Select(p => ReachAsync(p, time, cancellationToken)));
        findings.AddRange(reached);
        findings.Add(Mesh(node, peers.Count, reached.Count(f => f.Outcome == "ok")));
        findings.AddRange(await AdvertisedAsync(node?.Listen ?? settings.Advertise, settings, time, cancellationToken));
        return findings;
    }

    private static Finding Port(string check, string key, Uri address, bool isOurs, bool isRunning)
    {
        var where = address.GetLeftPart(UriPartial.Authority);
        if (address.Port <= 0)
        {
            return Finding.Ok(check, $"{where}: the system chooses a free port.");
        }

        if (isOurs)
        {
            return Finding.Ok(check, $"{where} is this node's.");
        }

        try
        {
            var ip = IPAddress.TryParse(address.DnsSafeHost, out var parsed) ? parsed : address.IsLoopback ? IPAddress.Loopback : IPAddress.Any;
            using var probe = new Socket(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            probe.Bind(new IPEndPoint(ip, address.Port));
            return isRunning
                ? Finding.Warn(check, $"{where} is free, so the running node does not use it: it was started with other settings, or the transport is not active.", "See 'dawn status' and 'dawn plugins'.")
                : Finding.Ok(check, $"{where} is free.");
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return Finding.Fail(check, $"{where} is in use by another program.", $"Stop that one, or set {key} to another port.");
        }
        catch (SocketException e)
        {
            return Finding.Fail(check, $"{where} can't be bound: {e.Message}", e.SocketErrorCode == SocketError.AccessDenied ? $"Ports below 1024 are for root; set {key} to another." : $"Set {key} to an address of this machine.");
        }
    }

    private static async Task<Finding> ReachAsync(PeerAddress peer, TimeProvider time, CancellationToken cancellationToken)
    {
        var where = peer.Address.GetLeftPart(UriPartial.Authority);
        using var patience = new CancellationTokenSource(ConnectPatience, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(peer.Address.DnsSafeHost, peer.Address.Port > 0 ? peer.Address.Port : 7610, both.Token);
            return Finding.Ok("bootstrap", $"{where} takes connections.");
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            return Finding.Warn("bootstrap", $"{where} can't be reached: {(e is SocketException ? e.Message : $"no answer within {ConnectPatience.TotalSeconds:0} s")}.", "Start that node, open the way to it (firewall, port forwarding), or correct Dawn:Bootstrap.");
        }
    }

    private static Finding Mesh(LiveNode? node, int known, int reachable)
    {
        var links = node?.Links.Count ?? 0;
        return node is null ? Finding.Ok("mesh", "The node does not run, so it has no links.")
            : links > 0 ? Finding.Ok("mesh", $"{links} links, {node.Status.Text("sessions")} sessions, {node.Status.Text("peersKnown")} nodes known.")
            : known == 0 ? Finding.Ok("mesh", "No links, and nobody to dial: other nodes come by ticket ('dawn invite').")
            : reachable == 0 ? Finding.Fail("mesh", "No links, and none of the nodes to dial can be reached.", "See the bootstrap entries above.")
            : Finding.Warn("mesh", "No links, though others can be reached.", "See 'dawn logs --category Links --level debug'; the network's secret or the certificate may differ.");
    }

    private static async Task<IReadOnlyList<Finding>> AdvertisedAsync(IReadOnlyList<Uri> addresses, DawnSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        if (settings.Listen.IsEmpty && settings.Advertise.IsEmpty)
        {
            return [Finding.Ok("advertise", "Nobody can dial this node, as Dawn:Listen is empty; it dials others.")];
        }

        var findings = new List<Finding>();
        foreach (var address in addresses)
        {
            var where = address.GetLeftPart(UriPartial.Authority);
            if (IPAddress.TryParse(address.DnsSafeHost, out var ip))
            {
                findings.Add(ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any)
                    ? Finding.Fail("advertise", $"{where} is no address that others can dial.", "Set Dawn:Advertise to one of this machine's.")
                    : IPAddress.IsLoopback(ip) ? Finding.Warn("advertise", $"{where} can be dialled from this machine alone.", "For others, listen on 0.0.0.0 or set Dawn:Advertise.")
                    : Finding.Ok("advertise", $"{where} is told to others."));
                continue;
            }

            using var patience = new CancellationTokenSource(ConnectPatience, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
            try
            {
                var found = await Dns.GetHostAddressesAsync(address.DnsSafeHost, both.Token);
                findings.Add(Finding.Ok("advertise", $"{where} is told to others and leads to {found.FirstOrDefault()}."));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                findings.Add(Finding.Warn("advertise", $"The name in {where} leads nowhere from here.", "Correct Dawn:Advertise, or the name service."));
            }
        }

        return findings.Count > 0 ? findings : [Finding.Ok("advertise", "What Listen is bound to is told to others.")];
    }
}
