using System.Net;
using System.Net.Sockets;

namespace Dawn.Links;

/// <summary>How many strangers may knock, in all and from one address. Thread-safe.</summary>
/// <remarks>
/// Of all addresses together the oldest handshake gives way to the newest: whoever would keep others out by saying nothing has to come as fast as they shake hands.
/// Loopback counts in all alone: behind it stand this machine, whose processes need no network to do harm, or a proxy, which stands for everybody.
/// </remarks>
internal sealed class HandshakeLimits(LinkOptions options, TimeProvider time)
{
    // An address without running handshakes is forgotten once its rate is idle; beyond this many at once nobody new is let in.
    private const int MaxAddresses = 8_192;

    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, Address> _addresses = [];
    private readonly LinkedList<Permit> _running = [];
    private readonly long _created = time.GetTimestamp();
    private TimeSpan _forgetAt;

    /// <summary>Lets a connection in, until the returned permit is disposed; null where a limit of its address is reached.</summary>
    public Permit? TryEnter(EndPoint? remote, out string? limit)
    {
        Permit permit;
        Permit? oldest = null;
        lock (_lock)
        {
            limit = null;
            var key = KeyOf(remote);
            if (key is not null && !TryCount(key, out limit))
            {
                return null;
            }

            if (_running.Count >= options.MaxHandshakes)
            {
                oldest = _running.First!.Value;
                Leave(oldest);
            }

            permit = new(this, key);
            _running.AddLast(permit.Place);
        }

        oldest?.GiveWay();
        return permit;
    }

    private bool TryCount(IPAddress key, out string? limit)
    {
        var now = time.GetElapsedTime(_created);
        if (!_addresses.TryGetValue(key, out var address))
        {
            if (_addresses.Count >= MaxAddresses && !Forget(now))
            {
                limit = $"{MaxAddresses} addresses at once";
                return false;
            }

            address = _addresses[key] = new(new(TimeSpan.FromSeconds(1) / options.HandshakesPerSecond, options.HandshakeBurst));
        }

        limit = address.Running >= options.MaxHandshakesPerAddress ? $"{options.MaxHandshakesPerAddress} handshakes at once from {key}"
            : !address.Rate.TryTake(now) ? $"{options.HandshakesPerSecond} connections a second from {key}"
            : null;
        if (limit is not null)
        {
            return false;
        }

        address.Running++;
        return true;
    }

    // Looks through all of them, so not for every stranger.
    private bool Forget(TimeSpan now)
    {
        if (now < _forgetAt)
        {
            return false;
        }

        _forgetAt = now + TimeSpan.FromSeconds(1);
        foreach (var (key, _) in _addresses.Where(entry => entry.Value.Running == 0 && entry.Value.Rate.IsIdle(now)).ToArray())
        {
            _addresses.Remove(key);
        }

        return _addresses.Count < MaxAddresses;
    }

    // Under the lock; once counts.
    private void Leave(Permit permit)
    {
        if (permit.Place.List is null)
        {
            return;
        }

        _running.Remove(permit.Place);
        if (permit.Key is { } key)
        {
            _addresses[key].Running--;
        }
    }

    // An IPv6 host has a whole /64 to itself; what comes over other transports than IP counts in all alone.
    private static IPAddress? KeyOf(EndPoint? remote)
    {
        if (remote is not IPEndPoint { Address: var address } || IPAddress.IsLoopback(address))
        {
            return null;
        }

        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
            return IPAddress.IsLoopback(address) ? null : address;
        }

        return address.AddressFamily == AddressFamily.InterNetworkV6 ? new IPAddress([.. address.GetAddressBytes().AsSpan(0, 8), .. new byte[8]]) : address;
    }

    private sealed class Address(Gcra rate)
    {
        public Gcra Rate { get; } = rate;

        public int Running { get; set; }
    }

    /// <summary>A handshake's place.</summary>
    public sealed class Permit : IDisposable
    {
        private readonly HandshakeLimits _limits;
        private readonly CancellationTokenSource _replaced = new();

        public Permit(HandshakeLimits limits, IPAddress? key) => (_limits, Key, Place) = (limits, key, new(this));

        /// <summary>Cancelled when the place is needed for somebody newer.</summary>
        public CancellationToken Replaced => _replaced.Token;

        public IPAddress? Key { get; }

        public LinkedListNode<Permit> Place { get; }

        public void GiveWay() => _replaced.Cancel();

        public void Dispose()
        {
            lock (_limits._lock)
            {
                _limits.Leave(this);
            }
        }
    }
}
