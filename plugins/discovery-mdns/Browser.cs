using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Dawn.Discovery.Mdns.Messages;

namespace Dawn.Discovery.Mdns;

/// <summary>Asks for the nodes of one network, and remembers who answered (RFC 6762, 5.2 and 10).</summary>
internal sealed class Browser : IParticipant
{
    private static readonly TimeSpan LeastDelay = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan MostDelay = TimeSpan.FromMilliseconds(120);
    private static readonly TimeSpan FirstInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxInterval = TimeSpan.FromMinutes(60);

    // The rest of an answer mostly comes with it; asking goes on slowly, for a packet may be lost and a peer asleep.
    private const int AskFactor = 3;

    private readonly MdnsLoop _loop;
    private readonly string _network;
    private readonly Func<DnsName, bool> _isOwn;
    private readonly Random _random;
    private readonly ServiceCache _cache;
    private readonly Dictionary<Scope, Schedule> _schedules = [];

    // All that is remembered is looked through at once, not for each packet of many.
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(20);
    private TimeSpan _nextLook;
    private TimeSpan _lastLook;
    private bool _hasChanged;

    // What the reader lacks is the difference of the two: however slow it is, nothing piles up.
    private readonly Lock _lock = new();
    private readonly Channel<bool> _changed = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private HashSet<Uri> _present = [];
    private readonly HashSet<Uri> _told = [];

    /// <param name="isOwn">Whether this very node tells an instance.</param>
    public Browser(MdnsLoop loop, string network, Func<DnsName, bool> isOwn, Random random)
    {
        (_loop, _network, _isOwn, _random) = (loop, network, isOwn, random);
        _cache = new(OwnServices.ServiceType, IsOfNetwork, random);
    }

    public int Records => _cache.Count;

    public void OnFault(Exception cause) => _changed.Writer.TryComplete(cause);

    public void OnInterfacesChanged()
    {
        foreach (var gone in _schedules.Keys.Except(_loop.Socket.Scopes).ToList())
        {
            _schedules.Remove(gone);
        }

        (_hasChanged, _nextLook) = (true, TimeSpan.Zero);
    }

    public void OnMessage(DnsMessage message, Scope scope, IPEndPoint source)
    {
        // Others listen at that port; what comes from another is nobody's answer (RFC 6762, 6).
        if (message.IsResponse && source.Port == MulticastSocket.Port)
        {
            _hasChanged |= _cache.Add(message, scope, _loop.Now);
            _nextLook = Earlier(_nextLook, _lastLook + LookInterval);
        }
    }

    public TimeSpan Run(TimeSpan now)
    {
        if (now < _nextLook)
        {
            return _nextLook;
        }

        _lastLook = now;
        if (_cache.Expire(now) || _hasChanged)
        {
            _hasChanged = false;
            Compare();
        }

        return _nextLook = Earlier(_cache.NextExpiry, Earlier(Query(now), AskOn(now)));
    }

    /// <summary>What changes, for one reader.</summary>
    public async IAsyncEnumerable<DiscoveredPeer> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var _ in _changed.Reader.ReadAllAsync(cancellationToken))
        {
            foreach (var change in TakeChanges())
            {
                yield return change;
            }
        }
    }

    /// <summary>What has changed since the last time.</summary>
    public List<DiscoveredPeer> TakeChanges()
    {
        lock (_lock)
        {
            List<DiscoveredPeer> changes = [.. _told.Except(_present).Select(gone => new DiscoveredPeer(gone, IsGone: true)), .. _present.Except(_told).Select(found => new DiscoveredPeer(found))];
            _told.Clear();
            _told.UnionWith(_present);
            return changes;
        }
    }

    private TimeSpan Query(TimeSpan now)
    {
        var next = TimeSpan.MaxValue;
        foreach (var scope in _loop.Socket.Scopes)
        {
            if (!_schedules.TryGetValue(scope, out var schedule))
            {
                _schedules[scope] = schedule = new(now + Delay(), FirstInterval);
            }

            if (schedule.Due <= now)
            {
                var known = _cache.Instances.Where(i => i.Scope.Interface == scope.Interface).Select(i => i.AsKnown(now)).OfType<DnsRecord>();
                Send(scope, DnsMessage.Query([new(OwnServices.ServiceType, DnsType.Ptr)], known));
                _schedules[scope] = schedule = new(now + schedule.Interval, schedule.Interval * 2 < MaxInterval ? schedule.Interval * 2 : MaxInterval);
            }

            next = Earlier(next, schedule.Due);
        }

        return next;
    }

    // Asks for what instances lack, and whether what is about to expire still holds.
    private TimeSpan AskOn(TimeSpan now)
    {
        var next = TimeSpan.MaxValue;
        Dictionary<Scope, List<Question>> questions = [];
        foreach (var instance in _cache.Instances.ToList())
        {
            // Nobody here cares whether those of others stay.
            if (_isOwn(((PointerData)instance.Record.Data).Target) || (_cache.TextOf(instance) is { } text && !IsOfNetwork(text)))
            {
                continue;
            }

            List<Question> missing = [.. _cache.Missing(instance)];
            if (missing.Count == 0)
            {
                instance.Ask = default;
            }
            else if (instance.Ask is { Count: 0, Due.Ticks: 0 })
            {
                instance.Ask = (0, now + Delay());
            }
            else if (instance.Ask.Due <= now)
            {
                Want(instance.Scope, missing);
                var interval = FirstInterval * Math.Pow(AskFactor, instance.Ask.Count);
                instance.Ask = (instance.Ask.Count + 1, now + (interval < MaxInterval ? interval : MaxInterval));
            }

            next = missing.Count > 0 ? Earlier(next, instance.Ask.Due) : next;
            foreach (var part in _cache.Parts(instance))
            {
                if (part.RefreshDue <= now)
                {
                    part.Refreshed();
                    Want(part.Scope, [new(part.Record.Name, part.Record.Type)]);
                }

                next = Earlier(next, part.RefreshDue);
            }
        }

        foreach (var (scope, asked) in questions)
        {
            Send(scope, DnsMessage.Query(asked.Distinct(), []));
        }

        return next;

        void Want(Scope scope, List<Question> some)
        {
            if (!questions.TryGetValue(scope, out var list))
            {
                questions[scope] = list = [];
            }

            list.AddRange(some);
        }
    }

    private void Compare()
    {
        HashSet<Uri> present = [];
        foreach (var instance in _cache.Instances)
        {
            if (!_isOwn(((PointerData)instance.Record.Data).Target) && _cache.Resolve(instance) is { } resolved && IsOfNetwork(resolved.Text) && resolved.Service.Port > 0
                && resolved.Text["s"] is { } scheme && IsScheme(scheme))
            {
                var isLoopback = _loop.Socket.Interfaces.Any(i => i.Index == instance.Scope.Interface && i.IsLoopback);
                foreach (var address in resolved.Addresses.Where(a => CanDial(a, isLoopback)))
                {
                    var host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
                    if (Uri.TryCreate($"{scheme}://{host}:{resolved.Service.Port}", UriKind.Absolute, out var uri))
                    {
                        present.Add(uri);
                    }
                }
            }
        }

        lock (_lock)
        {
            if (present.SetEquals(_present))
            {
                return;
            }

            _present = present;
        }

        _changed.Writer.TryWrite(true);
    }

    private bool IsOfNetwork(TextData text) => text["v"] == "1" && text["n"] == _network;

    // Of transports, such as ws and tcp; one that nobody here has is the node's to leave out.
    private static bool IsScheme(string scheme) => scheme.Length is >= 1 and <= 16 && scheme[0] is >= 'a' and <= 'z' && scheme.All(c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '+' or '-' or '.');

    // The scope of a link-local address would be this machine's own, and this machine's loopback is nobody else's.
    private static bool CanDial(IPAddress address, bool isLoopback) =>
        !address.IsIPv6LinkLocal && !address.IsIPv6Multicast && !address.IsIPv4MappedToIPv6 && !address.Equals(IPAddress.IPv6Any)
        && (isLoopback || !IPAddress.IsLoopback(address))
        && (address.AddressFamily != AddressFamily.InterNetwork || address.GetAddressBytes() is [> 0 and < 224, ..]);

    private void Send(Scope scope, List<byte[]> messages) => messages.ForEach(message => _loop.Send(scope, message));

    private TimeSpan Delay() => LeastDelay + (MostDelay - LeastDelay) * _random.NextDouble();

    private static TimeSpan Earlier(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private readonly record struct Schedule(TimeSpan Due, TimeSpan Interval);
}
