using System.Collections.Immutable;
using System.Text;

namespace Dawn.Identity;

/// <summary>A node's signed statement of its addresses, certificate and agents. Layout and rules: docs/protocol.md, "Node record".</summary>
internal sealed record NodeRecord(
    NodeId Node,
    ulong Sequence,
    DateTimeOffset Issued,
    DateTimeOffset NotAfter,
    EncryptionMode Encryption,
    Certificate Certificate,
    ImmutableArray<Uri> Addresses,
    ImmutableArray<AgentCard> Agents)
    : RegistryRecord(Node, Sequence, Issued, NotAfter)
{
    public const int MaxSize = 32 * 1024;
    public const int MaxAddresses = 8;
    public const int MaxRelays = 8;
    public const int MaxAgents = 128;
    public const int MaxTitle = 128;
    public const int MaxToolName = 128;

    public static readonly TimeSpan MaxLifetime = TimeSpan.FromHours(24);

    /// <summary>Version, NodeId and sequence, which begin each record.</summary>
    public const int HeadSize = 1 + NodeId.Size + sizeof(ulong);

    private const byte Version = 1;
    private const byte RelayFlag = 1;
    private const int MaxAddress = 255;

    /// <summary>As they stand in the record, those of later versions too.</summary>
    public byte Flags { get; init; }

    /// <summary>It forwards what others send each other.</summary>
    public bool IsRelay => (Flags & RelayFlag) != 0;

    /// <summary>Neighbours over which it can be reached, at most <see cref="MaxRelays"/>.</summary>
    public ImmutableArray<NodeId> Relays { get; init; } = [];

    /// <summary>How far a record's clock may be ahead of its receiver's.</summary>
    public static readonly TimeSpan MaxAhead = TimeSpan.FromMinutes(10);

    /// <summary>Signs a record of this node; agents that no longer fit into <see cref="MaxSize"/> are left out.</summary>
    /// <param name="omitted">How many agents were left out.</param>
    public static NodeRecord Sign(
        INodeIdentity self, ulong sequence, DateTimeOffset now, EncryptionMode encryption, ImmutableArray<Uri> addresses, ImmutableArray<AgentCard> agents, out int omitted,
        bool isRelay = false, ImmutableArray<NodeId> relays = default)
    {
        relays = relays.IsDefault ? [] : relays;
        var flags = isRelay ? RelayFlag : (byte)0;
        var certificate = self.Certificate;
        var notAfter = DateTimeOffset.FromUnixTimeMilliseconds(Math.Min((now + MaxLifetime).ToUnixTimeMilliseconds(), certificate.NotAfter.ToUnixTimeMilliseconds()));
        var kept = agents.Take(MaxAgents).ToImmutableArray();
        while (true)
        {
            var body = Body(self.Id, sequence, now, notAfter, encryption, certificate, addresses, flags, relays, kept);
            if (body.Written.Length + Signatures.Size <= MaxSize)
            {
                omitted = agents.Length - kept.Length;
                var signature = self.Sign(SigningLabel.Record, body.Written);
                return new(self.Id, sequence, now, notAfter, encryption, certificate, addresses, kept) { Flags = flags, Relays = relays, Encoded = body.Bytes(signature).ToArray() };
            }

            kept = kept.RemoveAt(kept.Length - 1);
        }
    }

    /// <summary>Reads a record of anyone: first its signature, then its certificate, then the rest.</summary>
    /// <returns>Null where it counts; else why not, in words for a log.</returns>
    public static string? TryRead(ReadOnlySpan<byte> encoded, NodeId network, DateTimeOffset now, out NodeRecord? record)
    {
        record = null;
        if (encoded.Length is < 1 + NodeId.Size + Signatures.Size or > MaxSize)
        {
            return $"a record of {encoded.Length} bytes";
        }

        if (encoded[0] != Version)
        {
            return $"a record of version {encoded[0]}";
        }

        var node = new NodeId(encoded.Slice(1, NodeId.Size));
        if (!KnownSignatures.Shared.Verify(node, SigningLabel.Record, encoded[..^Signatures.Size], encoded[^Signatures.Size..]))
        {
            return "a record whose signature is wrong";
        }

        var reader = new WireReader(encoded[(1 + NodeId.Size)..^Signatures.Size]);
        var sequence = reader.UInt64();
        var (issued, notAfter) = (Time(reader.UInt64()), Time(reader.UInt64()));
        var encryption = (EncryptionMode)reader.UInt8();
        var problem = Certificate.TryRead(reader.Block16(Certificate.Size), network, node, now, out var certificate);
        if (reader.Failed || problem is not null)
        {
            return $"a record of {node.ToShortString()}: {problem ?? "it is cut short"}";
        }

        if (issued is not { } from || notAfter is not { } until || until - from > MaxLifetime || until <= now || from > now + MaxAhead || !Enum.IsDefined(encryption))
        {
            return $"a record of {node.ToShortString()} that expired or has impossible times (check the clocks at both ends)";
        }

        // So that whoever keeps it need not look into it.
        if (until > certificate!.NotAfter)
        {
            return $"a record of {node.ToShortString()} that outlives its certificate";
        }

        if (sequence > (ulong)(now + MaxAhead).ToUnixTimeMilliseconds())
        {
            return $"a record of {node.ToShortString()} more than {MaxAhead.TotalMinutes:0} minutes ahead of this clock; set the clocks";
        }

        var addresses = ReadAddresses(ref reader);
        var flags = reader.UInt8();
        var relays = ReadRelays(ref reader);
        var agents = ReadAgents(ref reader);
        if (!reader.Complete)
        {
            return $"a record of {node.ToShortString()} with a malformed list of addresses, relays or agents";
        }

        record = new(node, sequence, from, until, encryption, certificate, addresses, agents) { Flags = flags, Relays = relays, Encoded = encoded.ToArray() };
        return null;
    }

    /// <summary>Whose record this claims to be, and which; nothing of it is verified.</summary>
    public static bool TryPeek(ReadOnlySpan<byte> encoded, out NodeId node, out ulong sequence)
    {
        var reader = new WireReader(encoded);
        var version = reader.UInt8();
        (node, sequence) = (reader.NodeId(), reader.UInt64());
        return !reader.Failed && version == Version;
    }

    /// <summary>Reads a record of the past as it counted when it was issued.</summary>
    public static NodeRecord? ReadAsIssued(ReadOnlySpan<byte> encoded, NodeId network)
    {
        var reader = new WireReader(encoded);
        reader.Bytes(HeadSize);
        return Time(reader.UInt64()) is { } issued && !reader.Failed && TryRead(encoded, network, issued, out var record) is null ? record : null;
    }

    /// <summary>True for <c>scheme://host:port</c> and nothing more, not even the blanks around it that <see cref="Uri"/> passes over.</summary>
    public static bool IsAddress(Uri uri) =>
        !uri.OriginalString.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)) && uri is { IsAbsoluteUri: true, AbsolutePath: "/" or "", Query: "", Fragment: "", UserInfo: "", Host.Length: > 0, Port: > 0 };

    private static WireWriter Body(
        NodeId node, ulong sequence, DateTimeOffset issued, DateTimeOffset notAfter, EncryptionMode encryption, Certificate certificate, ImmutableArray<Uri> addresses,
        byte flags, ImmutableArray<NodeId> relays, ImmutableArray<AgentCard> agents)
    {
        var body = new WireWriter().UInt8(Version).NodeId(node).UInt64(sequence)
            .UInt64((ulong)issued.ToUnixTimeMilliseconds()).UInt64((ulong)notAfter.ToUnixTimeMilliseconds())
            .UInt8((byte)encryption).Block16(certificate.Encoded.Span).UInt8(addresses.Length);
        foreach (var address in addresses)
        {
            body.Text8(address.GetLeftPart(UriPartial.Authority));
        }

        body.UInt8(flags).UInt8(relays.Length);
        foreach (var relay in relays)
        {
            body.NodeId(relay);
        }

        body.UInt8(agents.Length);
        foreach (var agent in agents)
        {
            body.Text8(agent.Id).Text8(agent.Title).Bytes(agent.Digest.AsSpan()).UInt16(agent.Tools.Length);
            foreach (var tool in agent.Tools)
            {
                body.Text8(tool);
            }
        }

        return body;
    }

    private static ImmutableArray<Uri> ReadAddresses(ref WireReader reader)
    {
        var addresses = ImmutableArray.CreateBuilder<Uri>();
        int count = reader.UInt8();
        for (var i = 0; i < count && !reader.Failed; i++)
        {
            if (count <= MaxAddresses && reader.Text8() is { Length: <= MaxAddress } text && Uri.TryCreate(text, UriKind.Absolute, out var uri) && IsAddress(uri))
            {
                addresses.Add(uri);
            }
            else
            {
                reader.Fail();
            }
        }

        return addresses.ToImmutable();
    }

    private static ImmutableArray<NodeId> ReadRelays(ref WireReader reader)
    {
        int count = reader.UInt8();
        if (count > MaxRelays)
        {
            reader.Fail();
        }

        var relays = ImmutableArray.CreateBuilder<NodeId>();
        for (var i = 0; i < count && !reader.Failed; i++)
        {
            relays.Add(reader.NodeId());
        }

        return relays.ToImmutable();
    }

    private static ImmutableArray<AgentCard> ReadAgents(ref WireReader reader)
    {
        var agents = ImmutableArray.CreateBuilder<AgentCard>();
        int count = reader.UInt8();
        for (var i = 0; i < count && !reader.Failed; i++)
        {
            var (id, title, digest) = (reader.Text8(), reader.Text8(), reader.Bytes(32).ToImmutableArray());
            int toolCount = reader.UInt16();
            if (count > MaxAgents || toolCount > AgentCard.MaxTools || !AgentId.IsValid(id) || Encoding.UTF8.GetByteCount(title) > MaxTitle
                || agents.Any(other => other.Id == id))
            {
                reader.Fail();
                break;
            }

            var tools = ImmutableArray.CreateBuilder<string>(toolCount);
            for (var t = 0; t < toolCount && !reader.Failed; t++)
            {
                var tool = reader.Text8();
                if (Encoding.UTF8.GetByteCount(tool) > MaxToolName)
                {
                    reader.Fail();
                }

                tools.Add(tool);
            }

            agents.Add(new(id, title, digest, tools.ToImmutable()));
        }

        return agents.ToImmutable();
    }

    private static DateTimeOffset? Time(ulong unixMilliseconds) =>
        unixMilliseconds <= (ulong)DateTimeOffset.MaxValue.ToUnixTimeMilliseconds() ? DateTimeOffset.FromUnixTimeMilliseconds((long)unixMilliseconds) : null;
}
