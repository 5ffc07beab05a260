using System.Net;
using System.Net.Sockets;
using Dawn.Discovery.Mdns;
using Dawn.Discovery.Mdns.Messages;

namespace Dawn.Fuzz.Targets;

/// <summary>A datagram of multicast DNS from anybody on the link.</summary>
internal sealed class MdnsTarget : IFuzzTarget
{
    private static readonly Scope Link = new(1, AddressFamily.InterNetwork);

    public string Name => "mdns";

    // A name may have 255 bytes, and a record of a dozen bytes may point at two.
    public long AllocationLimit(int length) => 256 * 1024 + 256L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        if (MessageReader.Read(input) is not { } message)
        {
            return;
        }

        List<DnsRecord> records = [.. message.Answers, .. message.Authorities, .. message.Additionals];
        Property.Holds(input.Length <= MessageReader.MaxMessage && message.Questions.Count <= MessageReader.MaxQuestions && records.Count <= MessageReader.MaxRecords, "a message beyond its measures");
        // Few of many: what is measured is the reading.
        foreach (var record in records.Take(8))
        {
            Property.Holds(record.Name.Wire.Length is >= 1 and <= DnsName.MaxSize, "a name beyond its measure");
            if (record.Data.Canonical().Length < 1_000)
            {
                var again = MessageReader.Read(DnsMessage.Response([record], [])[0]);
                Property.Holds(again?.Answers is [var one] && one.IsSameAs(record) && one.Ttl == record.Ttl && one.CacheFlush == record.CacheFlush, $"a record that reads otherwise once written: {record.Name} {record.Type}");
            }
        }

        var cache = new ServiceCache(OwnServices.ServiceType, text => text["v"] == "1", new Random(1));
        cache.Add(message, Link, TimeSpan.Zero);
        Property.Holds(cache.Count <= ServiceCache.MaxRecords && cache.Instances.Count() <= ServiceCache.MaxInstances, "a cache beyond its measure");
        foreach (var instance in cache.Instances)
        {
            cache.Resolve(instance);
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        var type = OwnServices.ServiceType;
        var (instance, host) = (type.Child("abcdefghijkl"), OwnServices.Local.Child("dawn-abcdefgh"));
        DnsRecord[] unique =
        [
            new(instance, new ServiceData(0, 0, 7_610, host), true, 120),
            new(instance, TextData.Of("v=1", "n=abcdefghjkmnp", "s=ws"), true, 4_500),
            new(host, new AddressData(IPAddress.Parse("192.0.2.1")), true, 120),
            new(host, new AddressData(IPAddress.Parse("2001:db8::1")), true, 120),
            new(host, NsecData.Of(host, [DnsType.A, DnsType.Aaaa]), true, 120),
        ];
        var pointer = new DnsRecord(type, new PointerData(instance), false, 4_500);
        yield return DnsMessage.Query([new(type, DnsType.Ptr)], [pointer])[0];
        yield return DnsMessage.Probe([instance, host], unique);
        yield return DnsMessage.Response([pointer], unique)[0];
        yield return DnsMessage.Response([.. unique.Append(pointer).Select(r => r with { Ttl = 0 })], [])[0];
    }
}
