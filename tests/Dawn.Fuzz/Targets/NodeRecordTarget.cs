using System.Collections.Immutable;
using System.Text;
using Dawn.Identity;
using Dawn.Tests;

namespace Dawn.Fuzz.Targets;

/// <summary>A node record. The first byte says whether the node itself signed what follows, as any member can.</summary>
internal sealed class NodeRecordTarget : IFuzzTarget
{
    public string Name => "record";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var encoded = input[1..].ToArray();
        if ((input[0] & 3) == 3 && encoded.Length is >= Signatures.Size and <= NodeRecord.MaxSize)
        {
            World.Peer.Sign(SigningLabel.Record, encoded.AsSpan(..^Signatures.Size)).CopyTo(encoded.AsSpan(^Signatures.Size..));
        }

        var problem = NodeRecord.TryRead(encoded, World.Network.Keys.Key, World.Now, out var record);
        Property.Holds(problem is null == record is not null, "a refused record was handed out");
        if (record is null)
        {
            return;
        }

        Property.Canonical(encoded, record.Encoded.Span);
        Property.Canonical(encoded.AsSpan(..^Signatures.Size), Body(record));
        Property.Holds(record.Node == World.Peer.Id && record.Certificate.Node == World.Peer.Id, "a record of somebody else");
        Property.Holds(record.NotAfter > World.Now && record.NotAfter - record.Issued <= NodeRecord.MaxLifetime && record.Issued <= World.Now + NodeRecord.MaxAhead, "impossible times");
        Property.Holds(record.Addresses.Length <= NodeRecord.MaxAddresses && record.Agents.Length <= NodeRecord.MaxAgents && record.Relays.Length <= NodeRecord.MaxRelays, "too many addresses, agents or relays");
        foreach (var address in record.Addresses)
        {
            AddressProperty.Holds(address);
        }

        foreach (var agent in record.Agents)
        {
            Property.Holds(AgentId.IsValid(agent.Id) && record.Agents.Count(a => a.Id == agent.Id) == 1, $"'{agent.Id}' is no name, or twice there");
            Property.Holds(Encoding.UTF8.GetByteCount(agent.Title) <= NodeRecord.MaxTitle && agent.Tools.Length <= AgentCard.MaxTools && agent.Digest.Length == 32, "an agent beyond its measures");
            Property.Holds(agent.Tools.All(t => Encoding.UTF8.GetByteCount(t) <= NodeRecord.MaxToolName), "a tool's name beyond its measure");
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        ImmutableArray<Uri> addresses = [new("ws://198.51.100.7:7610"), new("tcp://[2001:db8::1]:7611"), new("wss://node.example.org:443")];
        var digest = SeededEntropy.Derive(1, "digest").ToImmutableArray();
        ImmutableArray<AgentCard> agents = [new("first", "First", digest, ["ping", "echo"]), new("text", "Text é", digest, [])];
        var many = Enumerable.Range(0, 20).Select(i => new AgentCard($"agent-{i}", new string('t', 128), digest, [new string('u', 128)])).ToImmutableArray();
        foreach (byte isSigned in new byte[] { 0, 3 })
        {
            yield return [isSigned, .. Sign([], [])];
            yield return [isSigned, .. Sign(addresses[..1], agents)];
            yield return [isSigned, .. Sign(addresses, [])];
            yield return [isSigned, .. Sign(addresses[1..], agents[..1])];
            yield return [isSigned, .. Sign([], agents, World.Self.Id, World.Peer.Id)];
        }

        yield return [3, .. Sign(addresses, many)];
    }

    private static byte[] Sign(ImmutableArray<Uri> addresses, ImmutableArray<AgentCard> agents, params ImmutableArray<NodeId> relays) =>
        NodeRecord.Sign(World.Peer, 5, World.Now, EncryptionMode.Required, addresses, agents, out _, relays.IsEmpty, relays).Encoded.ToArray();

    private static byte[] Body(NodeRecord record)
    {
        var body = new WireWriter().UInt8(1).NodeId(record.Node).UInt64(record.Sequence)
            .UInt64((ulong)record.Issued.ToUnixTimeMilliseconds()).UInt64((ulong)record.NotAfter.ToUnixTimeMilliseconds())
            .UInt8((byte)record.Encryption).Block16(record.Certificate.Encoded.Span).UInt8(record.Addresses.Length);
        foreach (var address in record.Addresses)
        {
            body.Text8(address.OriginalString);
        }

        body.UInt8(record.Flags).UInt8(record.Relays.Length);
        foreach (var relay in record.Relays)
        {
            body.NodeId(relay);
        }

        body.UInt8(record.Agents.Length);
        foreach (var agent in record.Agents)
        {
            body.Text8(agent.Id).Text8(agent.Title).Bytes(agent.Digest.AsSpan()).UInt16(agent.Tools.Length);
            foreach (var tool in agent.Tools)
            {
                body.Text8(tool);
            }
        }

        return body.ToArray();
    }
}

/// <summary>What must hold of an address that a stranger told.</summary>
internal static class AddressProperty
{
    public static void Holds(Uri address)
    {
        Property.Holds(NodeRecord.IsAddress(address), $"'{address.OriginalString}' is more than an address");
        Property.Holds(!address.OriginalString.Any(c => char.IsControl(c) || char.IsWhiteSpace(c)), "an address with control characters or blanks, which Uri would pass over");
        var text = address.GetLeftPart(UriPartial.Authority);
        Property.Holds(Uri.TryCreate(text, UriKind.Absolute, out var again) && NodeRecord.IsAddress(again) && again == address, $"'{text}', as it would be dialled or passed on, is another address");
    }
}
