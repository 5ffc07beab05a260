namespace Dawn.Discovery.Mdns.Messages;

/// <summary>One datagram.</summary>
/// <param name="IsTruncated">More known answers follow (RFC 6762, 7.2).</param>
internal sealed record DnsMessage(
    ushort Id,
    bool IsResponse,
    bool IsTruncated,
    IReadOnlyList<Question> Questions,
    IReadOnlyList<DnsRecord> Answers,
    IReadOnlyList<DnsRecord> Authorities,
    IReadOnlyList<DnsRecord> Additionals)
{
    /// <summary>What fits a packet of IPv6 on an Ethernet, without fragments (RFC 6762, 17).</summary>
    public const int PreferredSize = 1_440;

    /// <summary>A query in as many datagrams as its known answers need.</summary>
    public static List<byte[]> Query(IEnumerable<Question> questions, IEnumerable<DnsRecord> knownAnswers)
    {
        List<byte[]> messages = [];
        var writer = new MessageWriter(PreferredSize);
        foreach (var question in questions)
        {
            if (!writer.TryAdd(question))
            {
                messages.Add(writer.Finish());
                writer = new(PreferredSize);
                writer.TryAdd(question);
            }
        }

        foreach (var answer in knownAnswers)
        {
            if (!writer.TryAdd(Section.Answer, answer))
            {
                messages.Add(writer.Finish(isTruncated: true));
                writer = new(PreferredSize);
                writer.TryAdd(Section.Answer, answer);
            }
        }

        messages.Add(writer.Finish());
        return messages;
    }

    /// <summary>A query for names, and the records with which they are claimed (RFC 6762, 8.1).</summary>
    public static byte[] Probe(IEnumerable<DnsName> names, IEnumerable<DnsRecord> claims)
    {
        var writer = new MessageWriter(MessageReader.MaxMessage);
        foreach (var name in names)
        {
            // QM: the port is shared, and an answer to one address reaches but one of those who listen there.
            writer.TryAdd(new Question(name, DnsType.Any));
        }

        foreach (var claim in claims)
        {
            writer.TryAdd(Section.Authority, claim with { CacheFlush = false });
        }

        return writer.Finish();
    }

    /// <summary>A response in as many datagrams as its answers need; additional records go along where there is room.</summary>
    public static List<byte[]> Response(IEnumerable<DnsRecord> answers, IEnumerable<DnsRecord> additionals)
    {
        List<byte[]> messages = [];
        var writer = new MessageWriter(PreferredSize, isResponse: true);
        foreach (var answer in answers)
        {
            if (!writer.TryAdd(Section.Answer, answer))
            {
                messages.Add(writer.Finish());
                writer = new(PreferredSize, isResponse: true);
                writer.TryAdd(Section.Answer, answer);
            }
        }

        foreach (var additional in additionals)
        {
            writer.TryAdd(Section.Additional, additional);
        }

        messages.Add(writer.Finish());
        return messages;
    }

    /// <summary>What one answers to a resolver that speaks plain DNS (RFC 6762, 6.7).</summary>
    public static byte[] LegacyResponse(DnsMessage query, IEnumerable<DnsRecord> answers, IEnumerable<DnsRecord> additionals)
    {
        const uint MaxTtl = 10;
        var writer = new MessageWriter(PreferredSize, isResponse: true, id: query.Id);
        foreach (var question in query.Questions)
        {
            writer.TryAdd(question with { WantsUnicast = false });
        }

        foreach (var (section, records) in new[] { (Section.Answer, answers), (Section.Additional, additionals) })
        {
            foreach (var record in records)
            {
                writer.TryAdd(section, record with { CacheFlush = false, Ttl = Math.Min(record.Ttl, MaxTtl) });
            }
        }

        return writer.Finish();
    }
}

internal enum Section
{
    Question,
    Answer,
    Authority,
    Additional,
}
