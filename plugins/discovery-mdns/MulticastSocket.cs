using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Dawn.Discovery.Mdns;

/// <summary>One socket for each family, on the port that all responders of a machine share.</summary>
internal sealed partial class MulticastSocket : IMulticastSocket
{
    public const int Port = 5353;

    private static readonly IPAddress GroupV4 = IPAddress.Parse("224.0.0.251");
    private static readonly IPAddress GroupV6 = IPAddress.Parse("ff02::fb");
    private static readonly TimeSpan PauseAfterError = TimeSpan.FromMilliseconds(100);

    private readonly MdnsSettings _settings;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Dictionary<AddressFamily, Socket> _sockets = [];
    private readonly Lock _sending = new();
    private readonly ConcurrentDictionary<string, bool> _reported = new();
    private readonly CancellationTokenSource _end = new();
    private readonly List<Task> _receiving = [];
    private volatile Joined _joined = new([], [], FrozenSet<IPAddress>.Empty, []);

    private MulticastSocket(MdnsSettings settings, TimeProvider time, ILogger logger) => (_settings, _time, _logger) = (settings, time, logger);

    public ImmutableArray<LinkInterface> Interfaces => _joined.Interfaces;

    public ImmutableArray<Scope> Scopes => _joined.Scopes;

    public IReadOnlySet<IPAddress> OwnAddresses => _joined.Own;

    /// <exception cref="IOException">The port can't be shared.</exception>
    public static MulticastSocket Open(MdnsSettings settings, TimeProvider time, ILogger logger)
    {
        var socket = new MulticastSocket(settings, time, logger);
        try
        {
            socket.Bind(AddressFamily.InterNetwork);
            if (settings.IPv6 && Socket.OSSupportsIPv6)
            {
                socket.Bind(AddressFamily.InterNetworkV6);
            }
        }
        catch (SocketException e)
        {
            foreach (var bound in socket._sockets.Values)
            {
                bound.Dispose();
            }

            throw new IOException($"UDP port {Port} can't be shared: {e.Message}. Stop the program that holds it alone, or switch off discovery-mdns.", e);
        }

        if (!socket.Refresh())
        {
            socket.NoInterface();
        }

        return socket;
    }

    public void Start(Action<Datagram> received)
    {
        foreach (var (family, socket) in _sockets)
        {
            _receiving.Add(ReceiveAsync(family, socket, received));
        }
    }

    public bool Refresh()
    {
        var before = _joined;
        List<LinkInterface> interfaces = [];
        List<Scope> scopes = [];
        List<(int Interface, IPNetwork Network)> networks = [];
        HashSet<IPAddress> own = [];
        foreach (var one in NetworkInterface.GetAllNetworkInterfaces())
        {
            var properties = one.GetIPProperties();
            own.UnionWith(properties.UnicastAddresses.Select(a => Plain(a.Address)));
            if (!IsWanted(one))
            {
                continue;
            }

            var isLoopback = one.NetworkInterfaceType == NetworkInterfaceType.Loopback;
            var addresses = properties.UnicastAddresses.Where(a => !a.Address.IsIPv4MappedToIPv6).ToList();
            int? index = null;
            foreach (var family in _sockets.Keys)
            {
                // The interface of the machine itself has no route for the group of IPv6; IPv4 suffices there, as all listen at both.
                if ((isLoopback && family == AddressFamily.InterNetworkV6) || !addresses.Any(a => a.Address.AddressFamily == family) || IndexOf(one, properties, family) is not { } at)
                {
                    continue;
                }

                var scope = new Scope(at, family);
                if (before.Scopes.Contains(scope) || TryJoin(scope, one.Name))
                {
                    scopes.Add(scope);
                    index = at;
                }
            }

            if (index is { } joined)
            {
                interfaces.Add(new(joined, one.Name, isLoopback,
                    [.. addresses.Select(a => a.Address).Where(a => !a.IsIPv6LinkLocal && (_settings.IPv6 || a.AddressFamily == AddressFamily.InterNetwork)).Take(LinkInterface.MaxAddresses)]));
                networks.AddRange(addresses.Select(a => (joined, NetworkOf(a.Address, a.PrefixLength))));
            }
        }

        foreach (var scope in before.Scopes.Except(scopes))
        {
            Leave(scope);
        }

        _joined = new([.. interfaces], [.. scopes], own.ToFrozenSet(), [.. networks]);
        var hasChanged = !before.Interfaces.SequenceEqual(interfaces) || !before.Scopes.SequenceEqual(scopes);
        if (hasChanged)
        {
            Listening(string.Join(", ", interfaces.Select(i => i.Name)));
        }

        return hasChanged;
    }

    public void Send(Scope scope, ReadOnlySpan<byte> datagram) => Send(scope, scope.Family == AddressFamily.InterNetwork
        ? new IPEndPoint(GroupV4, Port)
        : new IPEndPoint(new IPAddress(GroupV6.GetAddressBytes(), scope.Interface), Port), datagram);

    public void Send(Scope scope, IPEndPoint target, ReadOnlySpan<byte> datagram)
    {
        if (!_sockets.TryGetValue(scope.Family, out var socket))
        {
            return;
        }

        try
        {
            // The interface is the socket's, not the packet's: whoever sets it sends before others do.
            lock (_sending)
            {
                if (scope.Family == AddressFamily.InterNetwork)
                {
                    socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.MulticastInterface, IPAddress.HostToNetworkOrder(scope.Interface));
                }

                socket.SendTo(datagram, SocketFlags.None, target);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // An interface that just went down, or a full buffer: what is told is told again.
            NotSent(target, scope.Interface, e.Message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        foreach (var socket in _sockets.Values)
        {
            socket.Dispose();
        }

        await Task.WhenAll(_receiving);
        _end.Dispose();
    }

    private void Bind(AddressFamily family)
    {
        var isV4 = family == AddressFamily.InterNetwork;
        var socket = new Socket(family, SocketType.Dgram, ProtocolType.Udp);
        _sockets[family] = socket;
        var level = isV4 ? SocketOptionLevel.IP : SocketOptionLevel.IPv6;
        if (!isV4)
        {
            socket.DualMode = false;
        }

        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        socket.Bind(new IPEndPoint(isV4 ? IPAddress.Any : IPAddress.IPv6Any, Port));
        socket.SetSocketOption(level, SocketOptionName.PacketInformation, true);
        // RFC 6762, 11: a router that forwards it shows.
        const int TimeToLive = 255;
        socket.SetSocketOption(level, SocketOptionName.MulticastTimeToLive, TimeToLive);
        socket.SetSocketOption(level, SocketOptionName.IpTimeToLive, TimeToLive);
        // Other programs of this machine hear it too.
        socket.SetSocketOption(level, SocketOptionName.MulticastLoopback, true);
        socket.Blocking = false;
    }

    private async Task ReceiveAsync(AddressFamily family, Socket socket, Action<Datagram> received)
    {
        var buffer = new byte[Messages.MessageReader.MaxMessage + 1];
        var from = new IPEndPoint(family == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        while (!_end.IsCancellationRequested)
        {
            try
            {
                var packet = await socket.ReceiveMessageFromAsync(buffer, SocketFlags.None, from, _end.Token);
                var (scope, source) = (new Scope(packet.PacketInformation.Interface, family), (IPEndPoint)packet.RemoteEndPoint);
                if (_joined.Scopes.Contains(scope) && IsLocal(scope, source.Address, packet.PacketInformation.Address))
                {
                    received(new(scope, source, buffer.AsMemory(0, packet.ReceivedBytes)));
                }
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // Such as an interface that went down (or, on Windows, a datagram that was too long); what comes next may be well.
                NotReceived(e.Message);
                await Task.Delay(PauseAfterError, _time, _end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    // RFC 6762, 11: routers don't forward what was sent to the group; anything else must come from a network of the interface.
    private bool IsLocal(Scope scope, IPAddress source, IPAddress target) =>
        target.Equals(GroupV4) || (target.IsIPv6Multicast && target.GetAddressBytes().AsSpan().SequenceEqual(GroupV6.GetAddressBytes()))
        || source.IsIPv6LinkLocal || _joined.Networks.Any(n => n.Interface == scope.Interface && n.Network.BaseAddress.AddressFamily == source.AddressFamily && n.Network.Contains(Plain(source)));

    private bool IsWanted(NetworkInterface one)
    {
        var isLoopback = one.NetworkInterfaceType == NetworkInterfaceType.Loopback;
        // Virtual interfaces of Linux don't know whether they are up.
        if (one.OperationalStatus is not (OperationalStatus.Up or OperationalStatus.Unknown))
        {
            return false;
        }

        if (_settings.Interfaces.Count > 0)
        {
            return _settings.Interfaces.Contains(one.Name, StringComparer.Ordinal) || (isLoopback && _settings.Interfaces.Contains(MdnsSettings.Loopback, StringComparer.OrdinalIgnoreCase));
        }

        // Tunnels and dialled lines have no hardware address: nobody is nearby there.
        return !isLoopback && one.SupportsMulticast && one.NetworkInterfaceType is not (NetworkInterfaceType.Ppp or NetworkInterfaceType.Slip or NetworkInterfaceType.Tunnel)
            && one.GetPhysicalAddress().GetAddressBytes().Length > 0;
    }

    private static int? IndexOf(NetworkInterface one, IPInterfaceProperties properties, AddressFamily family)
    {
        try
        {
            return one.Supports(family == AddressFamily.InterNetwork ? NetworkInterfaceComponent.IPv4 : NetworkInterfaceComponent.IPv6)
                ? family == AddressFamily.InterNetwork ? properties.GetIPv4Properties().Index : properties.GetIPv6Properties().Index
                : null;
        }
        catch (NetworkInformationException)
        {
            // It went away since it was listed.
            return null;
        }
    }

    private bool TryJoin(Scope scope, string name)
    {
        try
        {
            if (scope.Family == AddressFamily.InterNetwork)
            {
                _sockets[scope.Family].SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership, new MulticastOption(GroupV4, scope.Interface));
            }
            else
            {
                _sockets[scope.Family].SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.AddMembership, new IPv6MulticastOption(GroupV6, scope.Interface));
            }

            return true;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            // It was gone and came back: the kernel remembers.
            return true;
        }
        catch (SocketException e)
        {
            // Tried again with each look at the interfaces, said once.
            if (_reported.TryAdd($"{name} {scope.Family}", true))
            {
                NotJoined(name, scope.Family == AddressFamily.InterNetwork ? "IPv4" : "IPv6", e.Message);
            }

            return false;
        }
    }

    private void Leave(Scope scope)
    {
        try
        {
            if (scope.Family == AddressFamily.InterNetwork)
            {
                _sockets[scope.Family].SetSocketOption(SocketOptionLevel.IP, SocketOptionName.DropMembership, new MulticastOption(GroupV4, scope.Interface));
            }
            else
            {
                _sockets[scope.Family].SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.DropMembership, new IPv6MulticastOption(GroupV6, scope.Interface));
            }
        }
        catch (SocketException)
        {
            // The interface is gone, and the membership with it.
        }
    }

    private static IPAddress Plain(IPAddress address) =>
        address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address.AddressFamily == AddressFamily.InterNetworkV6 && address.ScopeId != 0 ? new(address.GetAddressBytes()) : address;

    private static IPNetwork NetworkOf(IPAddress address, int prefix)
    {
        var bytes = address.GetAddressBytes();
        for (var bit = prefix; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        }

        return new(new IPAddress(bytes), prefix);
    }

    [LoggerMessage(LogLevel.Information, "Discovery by mDNS listens on: {Interfaces}")]
    private partial void Listening(string interfaces);

    [LoggerMessage(LogLevel.Warning, "Discovery by mDNS has no interface: none is up and can multicast, or none that Interfaces names. They are looked for again every 15 s")]
    private partial void NoInterface();

    [LoggerMessage(LogLevel.Warning, "{Interface} can't be used for mDNS over {Family}: {Cause}")]
    private partial void NotJoined(string @interface, string family, string cause);

    [LoggerMessage(LogLevel.Debug, "A packet for {Target} was not sent on interface {Interface}: {Cause}")]
    private partial void NotSent(IPEndPoint target, int @interface, string cause);

    [LoggerMessage(LogLevel.Debug, "Nothing received: {Cause}")]
    private partial void NotReceived(string cause);

    private sealed record Joined(ImmutableArray<LinkInterface> Interfaces, ImmutableArray<Scope> Scopes, FrozenSet<IPAddress> Own, ImmutableArray<(int Interface, IPNetwork Network)> Networks);
}
