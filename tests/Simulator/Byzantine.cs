using Dawn.Identity;
using Dawn.Links;
using Dawn.Routing;
using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>A member with a good certificate and bad manners: it links as all do, and then says what it shouldn't.</summary>
internal sealed class Byzantine(World world, SimulatedNode node, SimulatedProcess process, SeededRandom random)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly List<byte[]> _heard = [];

    public async Task RunAsync()
    {
        var parts = node.Parts!;
        while (true)
        {
            await Task.Delay(Pause, process.Clock);
            var links = parts.Links.Snapshot;
            if (links.Count == 0)
            {
                continue;
            }

            // What others said: altering its own word would be no forgery.
            if (_heard.Count < 256 && parts.Records.Snapshot().Where(r => r.Node != node.Id).ToArray() is { Length: > 0 } known)
            {
                _heard.Add(known[random.Below(known.Length)].Encoded.ToArray());
            }

            var attack = random.Below(6);
            world.Simulation.Trace(node.Number, TraceKind.Attack, attack);
            switch (attack)
            {
                case 0:
                    Equivocate(parts, links);
                    break;
                case 1:
                    Forge(links);
                    break;
                case 2:
                    Replay(links);
                    break;
                case 3:
                    FloodEnvelopes(links);
                    break;
                case 4:
                    FloodHandshakes(links);
                    break;
                default:
                    Babble(links[random.Below(links.Count)]);
                    break;
            }
        }
    }

    // Two records with one sequence: one for each half of the neighbours.
    private void Equivocate(NodeParts parts, IReadOnlyList<ILink> links)
    {
        var sequence = (ulong)process.Clock.GetUtcNow().ToUnixTimeMilliseconds();
        NodeRecord[] two = [parts.Sign(sequence, "white"), parts.Sign(sequence, "black")];
        foreach (var record in two)
        {
            node.OnPublishing(record);
        }

        for (var i = 0; i < links.Count; i++)
        {
            links[i].TrySend(LinkFrame.Record, two[i % 2].Encoded.Span, default);
        }
    }

    // What another said, newer and altered; and the same under a key of its own, which no certificate names.
    private void Forge(IReadOnlyList<ILink> links)
    {
        if (_heard.Count == 0)
        {
            return;
        }

        var forged = _heard[random.Below(_heard.Count)].ToArray();
        forged[1 + NodeId.Size + 7]++;
        forged[1 + NodeId.Size + 8 + random.Below(forged.Length - NodeId.Size - 9)] ^= 1;
        if (random.Chance(0.5))
        {
            var body = forged.AsSpan(0, forged.Length - Signatures.Size);
            node.Identity.Sign(SigningLabel.Record, body).CopyTo(forged, body.Length);
        }

        foreach (var link in links)
        {
            link.TrySend(LinkFrame.Record, forged, default);
        }
    }

    private void Replay(IReadOnlyList<ILink> links)
    {
        foreach (var link in links)
        {
            foreach (var old in _heard)
            {
                link.TrySend(LinkFrame.Record, old, default);
            }
        }
    }

    // Segments of sessions that nobody has, in the name of others.
    private void FloodEnvelopes(IReadOnlyList<ILink> links) => Flood(links, EnvelopeKind.Segment, 200, 64);

    // First messages of sessions, in the name of others: each would wait for its third.
    private void FloodHandshakes(IReadOnlyList<ILink> links) => Flood(links, EnvelopeKind.Handshake, 20, 97);

    private void Flood(IReadOnlyList<ILink> links, EnvelopeKind kind, int count, int size)
    {
        Span<byte> head = stackalloc byte[EnvelopeHeader.Size];
        var payload = new byte[size];
        foreach (var link in links)
        {
            for (var i = 0; i < count; i++)
            {
                FillWithNoise(payload);
                payload[0] = kind == EnvelopeKind.Handshake ? (byte)1 : payload[0];
                var source = world.Nodes[random.Below(world.Nodes.Length)].Id;
                new EnvelopeHeader(kind, 0, EnvelopeHeader.DefaultHopLimit, random.Next(), source, link.Remote, random.Next(), size).Write(head);
                link.TrySend(LinkFrame.Envelope, head, payload);
            }
        }
    }

    // No envelope at all: that costs it the link.
    private void Babble(ILink link)
    {
        var noise = new byte[1 + random.Below(200)];
        FillWithNoise(noise);
        link.TrySend(LinkFrame.Envelope, noise, default);
    }

    private void FillWithNoise(byte[] bytes)
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)random.Next();
        }
    }
}
