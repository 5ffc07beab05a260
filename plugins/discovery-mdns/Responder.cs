using System.Collections.Immutable;
using System.Net;
using Dawn.Discovery.Mdns.Messages;
using Microsoft.Extensions.Logging;

namespace Dawn.Discovery.Mdns;

/// <summary>Tells what this node offers: claims its names on each link, announces them, answers for them, and takes them back (RFC 6762, 6 to 10).</summary>
internal sealed partial class Responder(MdnsLoop loop, OwnServices services, Random random, Action<Exception> onFault, ILogger logger) : IParticipant
{
    private const int Probes = 3;
    private const int Announcements = 2;
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan AnnouncementInterval = TimeSpan.FromSeconds(1);

    // RFC 6762, 8.2: by then the rival has announced, or was but an echo.
    private static readonly TimeSpan AfterLostTie = TimeSpan.FromSeconds(1);
    private const int MaxLostTies = 3;

    // RFC 6762, 8.1: whoever meets so many conflicts in so short a time goes on slowly.
    private const int ManyConflicts = 15;
    private static readonly TimeSpan ConflictTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan AfterManyConflicts = TimeSpan.FromSeconds(5);

    private readonly Dictionary<(Scope Scope, OwnName Name), Claim> _claims = [];
    private readonly Queue<TimeSpan> _conflicts = [];
    private ImmutableArray<LinkInterface> _links = loop.Socket.Interfaces;

    private enum Phase
    {
        Probing,
        Announcing,
        Established,
    }

    public void OnFault(Exception cause) => onFault(cause);

    public void OnMessage(DnsMessage message, Scope scope, IPEndPoint source)
    {
        if (LinkOf(scope) is not { } link)
        {
            return;
        }

        if (message.IsResponse)
        {
            // Answers come from the port of mDNS (RFC 6762, 6).
            if (source.Port == MulticastSocket.Port)
            {
                OnResponse(message, scope);
            }

            return;
        }

        if (message.Authorities.Count > 0)
        {
            OnRivalProbe(message, scope, link);
        }

        OnQuery(message, scope, link, source);
    }

    public void OnInterfacesChanged()
    {
        foreach (var gone in _claims.Keys.Where(key => !loop.Socket.Scopes.Contains(key.Scope)).ToList())
        {
            _claims.Remove(gone);
        }

        foreach (var pending in _pending.Keys.Where(key => !loop.Socket.Scopes.Contains(key.Scope)).ToList())
        {
            _pending.Remove(pending);
        }

        // Those that stayed may have other addresses: the announcement says so, and the bit in it flushes what was (RFC 6762, 8.4).
        foreach (var claim in _claims.Values.Where(c => c.Phase != Phase.Probing && LinkOf(c.Scope) is { } link && !_links.Contains(link)))
        {
            claim.Announce(loop.Now);
        }

        _links = loop.Socket.Interfaces;
    }

    public TimeSpan Run(TimeSpan now)
    {
        ClaimNew(now);
        foreach (var byScope in _claims.Values.Where(c => c.Due <= now).GroupBy(c => c.Scope).ToList())
        {
            if (LinkOf(byScope.Key) is { } link)
            {
                Probe([.. byScope.Where(c => c.Phase == Phase.Probing)], byScope.Key, link, now);
                Announce([.. byScope.Where(c => c.Phase == Phase.Announcing && c.Due <= now)], byScope.Key, link, now);
            }
        }

        SendPending(now);
        return _claims.Values.Select(c => c.Due).Concat(_pending.Values.Select(p => p.Due)).DefaultIfEmpty(TimeSpan.MaxValue).Min();
    }

    /// <summary>Takes back what was told (RFC 6762, 10.1).</summary>
    public void Goodbye()
    {
        foreach (var byScope in _claims.Values.Where(c => c.Phase != Phase.Probing).GroupBy(c => c.Scope))
        {
            if (LinkOf(byScope.Key) is { } link)
            {
                foreach (var message in DnsMessage.Response(byScope.SelectMany(c => Told(c.Name, link)).Select(r => r with { Ttl = 0 }), []))
                {
                    loop.Send(byScope.Key, message);
                }
            }
        }

        _claims.Clear();
        _pending.Clear();
    }

    private void ClaimNew(TimeSpan now)
    {
        foreach (var scope in loop.Socket.Scopes)
        {
            if (LinkOf(scope) is not { } link)
            {
                continue;
            }

            // Many machines start when the power is back: not all at once (RFC 6762, 8.1).
            TimeSpan? begin = null;
            foreach (var name in services.Names.Where(n => n.RecordsOn(link).Any()))
            {
                if (!_claims.ContainsKey((scope, name)))
                {
                    _claims[(scope, name)] = new(scope, name, begin ??= now + Random(TimeSpan.Zero, ProbeInterval));
                }
            }
        }
    }

    private void Probe(List<Claim> claims, Scope scope, LinkInterface link, TimeSpan now)
    {
        foreach (var claim in claims.Where(c => c.Sent == Probes))
        {
            claim.Announce(now);
        }

        // A few at a time: a probe can't be divided among packets.
        const int NamesInProbe = 4;
        foreach (var some in claims.Where(c => c.Phase == Phase.Probing).Chunk(NamesInProbe))
        {
            loop.Send(scope, DnsMessage.Probe(some.Select(c => c.Name.Name), some.SelectMany(c => c.Name.RecordsOn(link))));
            foreach (var claim in some)
            {
                claim.Sent++;
                claim.Due = now + ProbeInterval;
            }
        }
    }

    private void Announce(List<Claim> claims, Scope scope, LinkInterface link, TimeSpan now)
    {
        if (claims.Count == 0)
        {
            return;
        }

        List<DnsRecord> records = [.. claims.SelectMany(c => Told(c.Name, link))];
        if (claims.Any(c => c.Name is OwnInstance))
        {
            records.Add(OwnServices.ServiceTypePointer);
        }

        if (records.Count > 0)
        {
            SendResponse(scope, records, [], now);
        }

        foreach (var claim in claims)
        {
            if (++claim.Sent == Announcements)
            {
                claim.Establish();
                Told(claim.Name.Name, link.Name);
            }
            else
            {
                claim.Due = now + AnnouncementInterval;
            }
        }
    }

    private void OnResponse(DnsMessage message, Scope scope)
    {
        foreach (var record in message.Answers.Concat(message.Additionals))
        {
            // What was just said by another need not be said again (RFC 6762, 7.4).
            if (_pending.TryGetValue((scope, record.Name, record.Data), out var pending) && record.Ttl >= pending.Record.Ttl / 2)
            {
                _pending.Remove((scope, record.Name, record.Data));
            }

            if (record.Ttl > 0 && services.Find(record.Name) is { } own && _claims.TryGetValue((scope, own), out var claim) && !own.Has(record, loop.Socket.Interfaces))
            {
                if (claim.Phase == Phase.Probing)
                {
                    Rename(own);
                }
                else if (record.Type is DnsType.A or DnsType.Aaaa or DnsType.Srv or DnsType.Txt)
                {
                    // RFC 6762, 9: whoever else is there will defend it against the probe, or has given up by then.
                    claim.Probe(loop.Now);
                }
            }
        }
    }

    // RFC 6762, 8.2: of two who want a name at once, the one with the later data gets it.
    private void OnRivalProbe(DnsMessage message, Scope scope, LinkInterface link)
    {
        foreach (var question in message.Questions)
        {
            if (services.Find(question.Name) is not { } own || !_claims.TryGetValue((scope, own), out var claim) || claim.Phase != Phase.Probing)
            {
                continue;
            }

            // More than any name has would be nothing but work.
            const int MaxRecords = 16;
            var theirs = Sorted(message.Authorities.Where(r => r.Name.Equals(own.Name)).Take(MaxRecords));
            if (theirs.Count > 0 && Compare(Sorted(own.RecordsOn(link)), theirs) < 0)
            {
                if (++claim.LostTies == MaxLostTies)
                {
                    Rename(own);
                }
                else
                {
                    claim.Probe(loop.Now + AfterLostTie);
                }
            }
        }
    }

    private void Rename(OwnName own)
    {
        var now = loop.Now;
        while (_conflicts.TryPeek(out var oldest) && oldest < now - ConflictTime)
        {
            _conflicts.Dequeue();
        }

        _conflicts.Enqueue(now);
        var begin = _conflicts.Count < ManyConflicts ? now + Random(TimeSpan.Zero, ProbeInterval) : now + AfterManyConflicts;
        var former = own.Name;
        own.Rename();
        Renamed(former, own.Name);
        // What points at a host has changed with its name.
        foreach (var claim in _claims.Values.Where(c => c.Name == own || (c.Name as OwnInstance)?.Host == own))
        {
            claim.LostTies = 0;
            claim.Probe(begin);
        }
    }

    private static List<(int Type, byte[] Data)> Sorted(IEnumerable<DnsRecord> records)
    {
        List<(int Type, byte[] Data)> sorted = [.. records.Select(r => ((int)r.Type, r.Data.Canonical()))];
        sorted.Sort(Compare);
        return sorted;
    }

    private static int Compare(List<(int Type, byte[] Data)> ours, List<(int Type, byte[] Data)> theirs)
    {
        for (var i = 0; i < Math.Min(ours.Count, theirs.Count); i++)
        {
            if (Compare(ours[i], theirs[i]) is var order and not 0)
            {
                return order;
            }
        }

        return ours.Count - theirs.Count;
    }

    private static int Compare((int Type, byte[] Data) one, (int Type, byte[] Data) other) =>
        one.Type != other.Type ? one.Type - other.Type : one.Data.AsSpan().SequenceCompareTo(other.Data);

    private LinkInterface? LinkOf(Scope scope) => loop.Socket.Scopes.Contains(scope) ? loop.Socket.Interfaces.FirstOrDefault(i => i.Index == scope.Interface) : null;

    private TimeSpan Random(TimeSpan least, TimeSpan most) => least + (most - least) * random.NextDouble();

    private static IEnumerable<DnsRecord> Told(OwnName name, LinkInterface link)
    {
        var records = name.RecordsOn(link);
        return name is OwnInstance instance && records.Any() ? records.Prepend(instance.Pointer) : records;
    }

    [LoggerMessage(LogLevel.Debug, "{Name} is told on {Interface}")]
    private partial void Told(DnsName name, string @interface);

    [LoggerMessage(LogLevel.Information, "{Name} belongs to another on this network; it is {NewName} from now on")]
    private partial void Renamed(DnsName name, DnsName newName);

    private sealed class Claim(Scope scope, OwnName name, TimeSpan due)
    {
        public Scope Scope => scope;

        public OwnName Name => name;

        public Phase Phase { get; private set; } = Phase.Probing;

        public int Sent { get; set; }

        public int LostTies { get; set; }

        public TimeSpan Due { get; set; } = due;

        public void Probe(TimeSpan due) => (Phase, Sent, Due) = (Phase.Probing, 0, due);

        public void Announce(TimeSpan now) => (Phase, Sent, Due, LostTies) = (Phase.Announcing, 0, now, 0);

        public void Establish() => (Phase, Due) = (Phase.Established, TimeSpan.MaxValue);
    }
}
