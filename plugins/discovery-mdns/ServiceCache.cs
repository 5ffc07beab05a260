using System.Net;
using Dawn.Discovery.Mdns.Messages;

namespace Dawn.Discovery.Mdns;

/// <summary>What others have told of one service type, as long as it lasts: its instances, and of these and their hosts no more than it takes to dial them.</summary>
/// <param name="isWanted">Tells by an instance's text whether it is of use; the others make room where it gets narrow.</param>
internal sealed class ServiceCache(DnsName serviceType, Func<TextData, bool> isWanted, Random random)
{
    public const int MaxInstances = 256;
    public const int MaxRecords = 1_024;

    /// <summary>Of one name and type: a host's addresses.</summary>
    public const int MaxAlike = LinkInterface.MaxAddresses;

    private const int MaxEvictions = 16;

    // What the RFC has people use for what is not a host's (RFC 6762, 10); nobody needs more.
    private static readonly TimeSpan MaxTtl = TimeSpan.FromMinutes(75);

    // RFC 6762, 10.1 and 10.2.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    // By interface: a peer has other addresses on each.
    private readonly Dictionary<(int Interface, DnsName Name, DnsType Type), List<Entry>> _entries = [];
    private int _instances;
    private TimeSpan _fullUntil;

    public int Count { get; private set; }

    /// <summary>The instances on all interfaces.</summary>
    public IEnumerable<Entry> Instances => _entries.Where(e => e.Key.Type == DnsType.Ptr).SelectMany(e => e.Value);

    public TimeSpan NextExpiry => _entries.Values.SelectMany(list => list).Select(e => e.Expires).DefaultIfEmpty(TimeSpan.MaxValue).Min();

    public IReadOnlyList<Entry> Find(int link, DnsName name, DnsType type) => _entries.GetValueOrDefault((link, name, type)) ?? [];

    /// <summary>Takes what belongs to instances of the service; all else in a message is nobody's business here.</summary>
    /// <returns>True where it changed anything.</returns>
    public bool Add(DnsMessage response, Scope scope, TimeSpan now)
    {
        var (link, hasChanged) = (scope.Interface, false);
        List<DnsRecord> records = [.. response.Answers.Concat(response.Additionals)];

        // In this order each finds that to which it belongs.
        Take(records.Where(r => r.Data is PointerData pointer && r.Name.Equals(serviceType) && pointer.Target.IsChildOf(serviceType)));
        HashSet<DnsName> instances = [.. Find(link, serviceType, DnsType.Ptr).Select(e => ((PointerData)e.Record.Data).Target)];
        Take(records.Where(r => r.Data is ServiceData or TextData && instances.Contains(r.Name)));
        HashSet<DnsName> hosts = [.. instances.SelectMany(i => Find(link, i, DnsType.Srv)).Select(e => ((ServiceData)e.Record.Data).Target)];
        Take(records.Where(r => r.Data is AddressData && hosts.Contains(r.Name)));
        return hasChanged;

        void Take(IEnumerable<DnsRecord> some)
        {
            foreach (var record in some)
            {
                hasChanged |= Add(record, scope, now);
            }
        }
    }

    /// <returns>True where anything expired.</returns>
    public bool Expire(TimeSpan now)
    {
        var expired = _entries.Values.SelectMany(list => list).Where(e => e.Expires <= now).ToList();
        expired.ForEach(Remove);
        return expired.Count > 0;
    }

    /// <summary>Where somebody listens, of all that is known: the instance, and its addresses of either family.</summary>
    public (ServiceData Service, TextData Text, IReadOnlyList<IPAddress> Addresses)? Resolve(Entry instance)
    {
        var (link, name) = (instance.Scope.Interface, ((PointerData)instance.Record.Data).Target);
        return Find(link, name, DnsType.Srv) is [var service, ..] && Find(link, name, DnsType.Txt) is [var text, ..]
            ? ((ServiceData)service.Record.Data, (TextData)text.Record.Data, [.. AddressesOf(link, ((ServiceData)service.Record.Data).Target).Select(e => ((AddressData)e.Record.Data).Address)])
            : null;
    }

    /// <summary>The entries that an instance consists of.</summary>
    public IEnumerable<Entry> Parts(Entry instance)
    {
        var (link, name) = (instance.Scope.Interface, ((PointerData)instance.Record.Data).Target);
        var services = Find(link, name, DnsType.Srv);
        return [instance, .. services, .. Find(link, name, DnsType.Txt), .. services.SelectMany(s => AddressesOf(link, ((ServiceData)s.Record.Data).Target))];
    }

    /// <summary>Null until it is known.</summary>
    public TextData? TextOf(Entry instance) =>
        Find(instance.Scope.Interface, ((PointerData)instance.Record.Data).Target, DnsType.Txt) is [var text, ..] ? (TextData)text.Record.Data : null;

    /// <summary>What is to be asked for before an instance can be dialled.</summary>
    public IEnumerable<Question> Missing(Entry instance)
    {
        var (link, name) = (instance.Scope.Interface, ((PointerData)instance.Record.Data).Target);
        var services = Find(link, name, DnsType.Srv);
        if (services.Count == 0)
        {
            yield return new(name, DnsType.Srv);
        }
        else if (((ServiceData)services[0].Record.Data).Target is var host && !AddressesOf(link, host).Any())
        {
            yield return new(host, DnsType.A);
            yield return new(host, DnsType.Aaaa);
        }

        if (Find(link, name, DnsType.Txt).Count == 0)
        {
            yield return new(name, DnsType.Txt);
        }
    }

    private IEnumerable<Entry> AddressesOf(int link, DnsName host) => Find(link, host, DnsType.A).Concat(Find(link, host, DnsType.Aaaa));

    private bool Add(DnsRecord record, Scope scope, TimeSpan now)
    {
        var key = (scope.Interface, record.Name, record.Type);
        var list = _entries.GetValueOrDefault(key);
        if (record.CacheFlush && list is not null)
        {
            // Not those of the last second: they may have come in another packet of the same answer.
            foreach (var other in list.Where(e => !e.Record.IsSameAs(record) && e.Received < now - Grace && e.Expires > now + Grace))
            {
                other.Expires = now + Grace;
            }
        }

        var known = list?.FirstOrDefault(e => e.Record.IsSameAs(record));
        if (record.Ttl == 0)
        {
            if (known is not null && known.Expires > now + Grace)
            {
                known.Expires = now + Grace;
            }

            return known is not null;
        }

        var lifetime = TimeSpan.FromSeconds(record.Ttl) is var told && told < MaxTtl ? told : MaxTtl;
        if (known is not null)
        {
            known.Renew(record, scope, now, lifetime, random);
            return false;
        }

        // An instance has one place and one text: the newer counts.
        if (record.Type is DnsType.Srv or DnsType.Txt && list is [var former, ..])
        {
            Remove(former);
        }

        if (record.Type is DnsType.A or DnsType.Aaaa && list?.Count >= MaxAlike && list.MinBy(e => e.Expires) is { } oldest)
        {
            Remove(oldest);
        }

        if (!HasRoom(record.Type, now))
        {
            return false;
        }

        var entry = new Entry(record, scope);
        entry.Renew(record, scope, now, lifetime, random);
        if (!_entries.TryGetValue(key, out list))
        {
            _entries[key] = list = [];
        }

        list.Add(entry);
        Count++;
        _instances += record.Type == DnsType.Ptr ? 1 : 0;
        return true;
    }

    // A flood of instances finds no room where useful ones are: it only drives out its own kind.
    private bool HasRoom(DnsType type, TimeSpan now)
    {
        if (Count < MaxRecords && (type != DnsType.Ptr || _instances < MaxInstances))
        {
            return true;
        }

        // Looking for it has a price, which a flood must not set.
        if (now < _fullUntil)
        {
            return false;
        }

        // Those that just came may be of use in a moment.
        var useless = Instances.Where(i => i.Received < now - Grace && (TextOf(i) is not { } text || !isWanted(text) || Missing(i).Any()))
            .OrderBy(i => i.Received).Take(MaxEvictions).ToList();
        if (useless.Count == 0)
        {
            _fullUntil = now + Grace;
            return false;
        }

        foreach (var part in useless.SelectMany(Parts).ToList())
        {
            // A host may serve others too; what they lack they ask for again.
            Remove(part);
        }

        return true;
    }

    private void Remove(Entry entry)
    {
        var key = (entry.Scope.Interface, entry.Record.Name, entry.Record.Type);
        if (_entries.TryGetValue(key, out var list) && list.Remove(entry))
        {
            Count--;
            _instances -= entry.Record.Type == DnsType.Ptr ? 1 : 0;
            if (list.Count == 0)
            {
                _entries.Remove(key);
            }
        }
    }

    /// <summary>A record, and when it ends.</summary>
    public sealed class Entry(DnsRecord record, Scope scope)
    {
        // RFC 6762, 5.2.
        private const double FirstRefresh = 0.80;
        private const double RefreshStep = 0.05;
        private const double RefreshJitter = 0.02;
        private const int MaxRefreshes = 4;

        private TimeSpan _lifetime;
        private double _jitter;
        private int _refreshes;

        public DnsRecord Record { get; private set; } = record;

        /// <summary>Where it was heard last.</summary>
        public Scope Scope { get; private set; } = scope;

        public TimeSpan Received { get; private set; }

        public TimeSpan Expires { get; set; }

        /// <summary>When to ask whether it still holds.</summary>
        public TimeSpan RefreshDue => _refreshes == MaxRefreshes || Expires < Received + _lifetime ? TimeSpan.MaxValue
            : Received + _lifetime * (FirstRefresh + RefreshStep * _refreshes + _jitter);

        /// <summary>For an instance: how often, and when next, to ask for what is missing.</summary>
        public (int Count, TimeSpan Due) Ask { get; set; }

        public void Refreshed() => _refreshes++;

        public void Renew(DnsRecord record, Scope scope, TimeSpan now, TimeSpan lifetime, Random random)
        {
            (Record, Scope, Received, Expires, _lifetime, _refreshes) = (record, scope, now, now + lifetime, lifetime, 0);
            _jitter = random.NextDouble() * RefreshJitter;
        }

        /// <summary>As told to those who have it, so that they don't say it again (RFC 6762, 7.1).</summary>
        public DnsRecord? AsKnown(TimeSpan now) =>
            Expires - now > _lifetime / 2 ? Record with { CacheFlush = false, Ttl = (uint)(Expires - now).TotalSeconds } : null;
    }
}
