using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Dawn.Discovery.Mdns.Messages;

namespace Dawn.Discovery.Mdns;

/// <summary>A name of this node's, made up: it says nothing of who the node is, and nobody meets it twice.</summary>
internal abstract class OwnName(DnsName parent, string prefix, int length, Random random)
{
    private const string Letters = "abcdefghijklmnopqrstuvwxyz0123456789";

    protected DnsName Parent => parent;

    public DnsName Name { get; private set; } = Make(parent, prefix, length, random);

    /// <summary>Seconds that others may remember it: less where an address is in it (RFC 6762, 10).</summary>
    protected const uint HostTtl = 120;
    protected const uint OtherTtl = 4_500;

    /// <summary>The records that are this name's alone, as told on one interface; with none, the name is not told there.</summary>
    public abstract IEnumerable<DnsRecord> RecordsOn(LinkInterface link);

    /// <summary>True for records of <see cref="RecordsOn"/>, on any interface: others may be the same link.</summary>
    public bool Has(DnsRecord record, IEnumerable<LinkInterface> links) => links.SelectMany(RecordsOn).Any(own => own.IsSameAs(record));

    /// <summary>Which types there are, and so which are not.</summary>
    public DnsRecord NsecOn(LinkInterface link) => Unique(NsecData.Of(Name, RecordsOn(link).Select(r => r.Type)), HostTtl);

    /// <summary>Somebody else has it.</summary>
    public void Rename() => Name = Make(parent, prefix, length, random);

    protected DnsRecord Unique(RecordData data, uint ttl) => new(Name, data, CacheFlush: true, ttl);

    private static DnsName Make(DnsName parent, string prefix, int length, Random random) => parent.Child(prefix + random.GetString(Letters, length));
}

/// <summary>What an instance runs on: this machine's addresses on the interface that is told, or one address that was said to be told.</summary>
/// <param name="isLoopback">It can be reached from this machine alone, so that no other is told.</param>
internal sealed class OwnHost(DnsName parent, AddressFamily? family, bool isLoopback, IPAddress? literal, Random random) : OwnName(parent, "dawn-", 8, random)
{
    public override IEnumerable<DnsRecord> RecordsOn(LinkInterface link)
    {
        IEnumerable<IPAddress> addresses = literal is not null ? [literal] : link.Addresses.Where(a => (family is null || a.AddressFamily == family) && (!isLoopback || IPAddress.IsLoopback(a)));
        return addresses.Select(address => Unique(new AddressData(address), HostTtl));
    }
}

/// <summary>One scheme and port that the node listens at.</summary>
internal sealed class OwnInstance(DnsName parent, string scheme, ushort port, string network, OwnHost host, Random random) : OwnName(parent, "", 12, random)
{
    public OwnHost Host => host;

    public DnsRecord Pointer => new(Parent, new PointerData(Name), CacheFlush: false, OtherTtl);

    public override IEnumerable<DnsRecord> RecordsOn(LinkInterface link) => !host.RecordsOn(link).Any() ? [] :
        [Unique(new ServiceData(0, 0, port, host.Name), HostTtl), Unique(TextData.Of("v=1", $"n={network}", $"s={scheme}"), OtherTtl)];
}

/// <summary>All that a node tells on its links.</summary>
internal sealed class OwnServices
{
    public static readonly DnsName Local = DnsName.Of("local");
    public static readonly DnsName ServiceType = DnsName.Of("_dawn._tcp.local");

    /// <summary>For those who ask which kinds of services there are (RFC 6763, 9).</summary>
    public static readonly DnsName ServiceTypes = DnsName.Of("_services._dns-sd._udp.local");

    public static readonly DnsRecord ServiceTypePointer = new(ServiceTypes, new PointerData(ServiceType), CacheFlush: false, 4_500);

    // The contract's.
    private const int MaxAddresses = 8;

    public OwnServices(Advertisement self, IReadOnlySet<IPAddress> ownAddresses, Random random)
    {
        Dictionary<(AddressFamily?, bool, IPAddress?), OwnHost> hosts = [];
        Dictionary<(string, int, OwnHost), OwnInstance> instances = [];
        foreach (var address in self.Addresses.Take(MaxAddresses))
        {
            if (address.Port is < 1 or > ushort.MaxValue || HostOf(address, ownAddresses) is not { } key)
            {
                continue;
            }

            if (!hosts.TryGetValue(key, out var host))
            {
                hosts[key] = host = new OwnHost(Local, key.Family, key.IsLoopback, key.Literal, random);
            }

            instances.TryAdd((address.Scheme, address.Port, host), new OwnInstance(ServiceType, address.Scheme, (ushort)address.Port, self.Network, host, random));
        }

        (Instances, Names) = ([.. instances.Values], [.. hosts.Values, .. instances.Values]);
    }

    public ImmutableArray<OwnInstance> Instances { get; }

    public ImmutableArray<OwnName> Names { get; }

    public OwnName? Find(DnsName name) => Names.FirstOrDefault(own => own.Name.Equals(name));

    // An address of this machine stands for the machine, which has another on each interface; names of hosts are nobody's business here.
    private static (AddressFamily? Family, bool IsLoopback, IPAddress? Literal)? HostOf(Uri address, IReadOnlySet<IPAddress> own)
    {
        if (string.Equals(address.Host, "localhost", StringComparison.OrdinalIgnoreCase))
        {
            return (AddressFamily.InterNetwork, true, null);
        }

        if (!IPAddress.TryParse(address.DnsSafeHost, out var ip))
        {
            return null;
        }

        // Listeners at :: take both families.
        return ip.Equals(IPAddress.IPv6Any) ? (null, false, null)
            : IPAddress.IsLoopback(ip) ? (ip.AddressFamily, true, null)
            : ip.Equals(IPAddress.Any) || own.Contains(ip) ? (ip.AddressFamily, false, null)
            : ip.IsIPv6LinkLocal ? null
            : (null, false, ip);
    }
}
