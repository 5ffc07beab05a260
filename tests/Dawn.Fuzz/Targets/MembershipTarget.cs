using Dawn.Membership;

namespace Dawn.Fuzz.Targets;

/// <summary>What a neighbour says of the mesh, given to views and failure detector: many messages, each after its length.</summary>
internal sealed class MembershipTarget : IFuzzTarget
{
    private static readonly NodeId[] Neighbours = [.. Enumerable.Range(2, 8).Select(i => World.Network.Node(i).Id)];

    public string Name => "membership";

    // The shortest message, of three bytes with its length, makes an answer and a word to each neighbour.
    public long AllocationLimit(int length) => 1024 * 1024 + length * 4096L;

    public void Run(ReadOnlySpan<byte> input)
    {
        var effects = new List<Effect>();
        var views = new Views(World.Self.Id, Neighbours.Contains, () => Neighbours, new Random(1), effects);
        var detector = new FailureDetector(World.Self.Id, () => views.Active, Neighbours.Contains, new Random(1), effects) { Members = Neighbours.Length };
        var now = TimeSpan.FromSeconds(1);
        foreach (var node in Neighbours)
        {
            views.OnLinkUp(node, dialled: false, now);
        }

        for (var i = 0; !input.IsEmpty; i++)
        {
            int length = input[0];
            var body = input[1..Math.Min(input.Length, 1 + length)];
            input = input[Math.Min(input.Length, 1 + length)..];
            if (!MembershipMessage.TryRead(body, out var message) || message is null)
            {
                continue;
            }

            Property.Canonical(body, message.Encode());
            var from = Neighbours[i % Neighbours.Length];
            effects.Clear();
            if (message is Suspicion suspicion)
            {
                // The caller checks signatures; a member may sign whatever it likes.
                detector.OnSuspicion(suspicion, now);
            }
            else if (message.Class == MessageClass.Probes)
            {
                detector.OnMessage(from, message, now);
            }
            else if (message is not Leave)
            {
                views.OnMessage(from, message, now);
            }

            Property.Holds(effects.Count <= 2 * Views.MaxActive + 2, $"{effects.Count} effects of one message");
            now += TimeSpan.FromMilliseconds(100);
            detector.OnTime(now);
            views.OnTime(now);
            Property.Holds(views.Active.Count <= Views.MaxActive && views.Passive.Count <= Views.MaxPassive, "a view beyond its measure");
            Property.Holds(!views.Active.Contains(World.Self.Id) && !views.Passive.Contains(World.Self.Id), "a node that is its own neighbour");
            Property.Holds(views.Active.Distinct().Count() == views.Active.Count && !views.Active.Intersect(views.Passive).Any(), "a node in two places");
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        MembershipMessage[] all =
        [
            new Join(), new ForwardJoin(6, Neighbours[3]), new Neighbour(true), new Neighbour(false), new NeighbourAnswer(true), new NeighbourAnswer(false), new Disconnect(),
            new Shuffle(7, 6, [.. Neighbours]), new Shuffle(8, 1, [.. Neighbours[..2]]), new ShuffleReply(7, [.. Neighbours[..3]]),
            new Probe(1), new ProbeAnswer(1), new ProbeRequest(2, Neighbours[1]), new ProbeResult(2, true), new ProbeResult(2, false),
            Suspicion.Sign(World.Peer, Neighbours[2], 5, World.Now), Leave.Sign(World.Peer, 5, World.Now),
        ];
        foreach (var message in all)
        {
            yield return Framed(message);
        }

        yield return [.. all.SelectMany(Framed)];
        yield return [.. Enumerable.Repeat(Framed(new Join()), 12).SelectMany(m => m)];
        yield return [2, 1, 255, 2, 2, 1];
    }

    private static byte[] Framed(MembershipMessage message)
    {
        var encoded = message.Encode();
        return encoded.Length > byte.MaxValue ? [byte.MaxValue, .. encoded[..byte.MaxValue]] : [(byte)encoded.Length, .. encoded];
    }
}
