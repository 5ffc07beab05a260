using System.Net;
using Dawn.Discovery.Mdns.Messages;

namespace Dawn.Discovery.Mdns;

internal sealed partial class Responder
{
    // RFC 6762, 6: others may have records of a shared name as well, and not all should speak at once.
    private static readonly TimeSpan LeastDelay = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan MostDelay = TimeSpan.FromMilliseconds(120);

    // RFC 6762, 7.2: more known answers follow a truncated query.
    private static readonly TimeSpan LeastTruncatedDelay = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan MostTruncatedDelay = TimeSpan.FromMilliseconds(500);

    // RFC 6762, 6: no record more often than that, unless a name must be defended.
    private static readonly TimeSpan RecordInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DefenceInterval = TimeSpan.FromMilliseconds(250);
    private const int MaxRemembered = 256;

    private readonly Dictionary<(Scope Scope, DnsName Name, RecordData Data), Pending> _pending = [];
    private readonly Dictionary<(Scope Scope, DnsName Name, RecordData Data), TimeSpan> _lastSent = [];

    private void OnQuery(DnsMessage query, Scope scope, LinkInterface link, IPEndPoint source)
    {
        if (query.Questions.Count == 0)
        {
            // The rest of what a truncated query knows.
            Suppress(query, scope, source.Address);
            return;
        }

        List<DnsRecord> answers = [];
        foreach (var question in query.Questions)
        {
            foreach (var answer in AnswersTo(question, scope, link))
            {
                if (!answers.Any(answer.IsSameAs) && !query.Answers.Any(known => known.IsSameAs(answer) && known.Ttl >= answer.Ttl / 2))
                {
                    answers.Add(answer);
                }
            }
        }

        if (answers.Count == 0)
        {
            return;
        }

        if (source.Port != MulticastSocket.Port)
        {
            loop.Socket.Send(scope, source, DnsMessage.LegacyResponse(query, answers, AlongWith(answers, scope, link)));
            return;
        }

        // A probe's names are asked for with records in the authority section: the owner answers at once (RFC 6762, 8.1).
        var now = loop.Now;
        var isProbe = query.Authorities.Count > 0;
        var due = query.IsTruncated ? now + Random(LeastTruncatedDelay, MostTruncatedDelay)
            : answers.Any(a => !a.CacheFlush) ? now + Random(LeastDelay, MostDelay)
            : now;
        foreach (var answer in answers)
        {
            var key = (scope, answer.Name, answer.Data);
            var earliest = _lastSent.TryGetValue(key, out var last) ? last + (isProbe ? DefenceInterval : RecordInterval) : due;
            var at = earliest > due ? earliest : due;
            _pending[key] = _pending.TryGetValue(key, out var other)
                ? new(answer, other.Due < at ? other.Due : at, null)
                : new(answer, at, query.IsTruncated ? source.Address : null);
        }
    }

    private void Suppress(DnsMessage rest, Scope scope, IPAddress source)
    {
        foreach (var known in rest.Answers)
        {
            if (_pending.TryGetValue((scope, known.Name, known.Data), out var pending) && source.Equals(pending.OnlyFor) && known.Ttl >= pending.Record.Ttl / 2)
            {
                _pending.Remove((scope, known.Name, known.Data));
            }
        }
    }

    private void SendPending(TimeSpan now)
    {
        foreach (var byScope in _pending.Where(p => p.Value.Due <= now).GroupBy(p => p.Key.Scope).ToList())
        {
            foreach (var (key, _) in byScope)
            {
                _pending.Remove(key);
            }

            if (LinkOf(byScope.Key) is not { } link)
            {
                continue;
            }

            // A name may have been lost, or an address changed, since it was asked for.
            List<DnsRecord> answers = [.. byScope.Select(p => p.Value.Record).Where(r => IsStillTold(r, byScope.Key, link))];
            if (answers.Count > 0)
            {
                var along = AlongWith(answers, byScope.Key, link)
                    .Where(r => !_lastSent.TryGetValue((byScope.Key, r.Name, r.Data), out var last) || now - last >= RecordInterval);
                SendResponse(byScope.Key, answers, [.. along], now);
            }
        }
    }

    private void SendResponse(Scope scope, List<DnsRecord> answers, List<DnsRecord> additionals, TimeSpan now)
    {
        if (_lastSent.Count > MaxRemembered)
        {
            foreach (var (key, _) in _lastSent.Where(s => now - s.Value >= RecordInterval).ToList())
            {
                _lastSent.Remove(key);
            }
        }

        foreach (var record in answers.Concat(additionals))
        {
            _lastSent[(scope, record.Name, record.Data)] = now;
        }

        foreach (var message in DnsMessage.Response(answers, additionals))
        {
            loop.Send(scope, message);
        }
    }

    private IEnumerable<DnsRecord> AnswersTo(Question question, Scope scope, LinkInterface link)
    {
        var (name, type) = (question.Name, question.Type);
        if (type is DnsType.Ptr or DnsType.Any && name.Equals(OwnServices.ServiceType))
        {
            return services.Instances.Where(i => IsTold(i, scope)).Select(i => i.Pointer);
        }

        if (type is DnsType.Ptr or DnsType.Any && name.Equals(OwnServices.ServiceTypes))
        {
            return services.Instances.Any(i => IsTold(i, scope)) ? [OwnServices.ServiceTypePointer] : [];
        }

        if (services.Find(name) is not { } own || !IsTold(own, scope))
        {
            return [];
        }

        List<DnsRecord> records = [.. own.RecordsOn(link).Where(r => type == DnsType.Any || r.Type == type)];
        return records.Count > 0 ? records : [own.NsecOn(link)];
    }

    // What whoever asked would ask for next (RFC 6763, 12).
    private List<DnsRecord> AlongWith(List<DnsRecord> answers, Scope scope, LinkInterface link)
    {
        List<DnsRecord> along = [];
        foreach (var answer in answers)
        {
            var name = (answer.Data as PointerData)?.Target ?? answer.Name;
            if (services.Find(name) is not { } own)
            {
                continue;
            }

            Add(own.RecordsOn(link));
            var host = (own as OwnInstance)?.Host ?? own;
            if (IsTold(host, scope))
            {
                Add(host.RecordsOn(link));
                Add([host.NsecOn(link)]);
            }
        }

        return along;

        void Add(IEnumerable<DnsRecord> records) => along.AddRange(records.Where(r => !answers.Any(r.IsSameAs) && !along.Any(r.IsSameAs)));
    }

    private bool IsTold(OwnName name, Scope scope) => _claims.TryGetValue((scope, name), out var claim) && claim.Phase != Phase.Probing;

    private bool IsStillTold(DnsRecord record, Scope scope, LinkInterface link) =>
        AnswersTo(new(record.Name, record.Type), scope, link).Any(record.IsSameAs);

    /// <param name="OnlyFor">Who alone asked, and may say to know it after all.</param>
    private readonly record struct Pending(DnsRecord Record, TimeSpan Due, IPAddress? OnlyFor);
}
