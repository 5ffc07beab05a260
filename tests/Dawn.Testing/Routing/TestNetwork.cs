using System.Collections.Immutable;
using System.Globalization;

namespace Dawn.Testing.Routing;

/// <summary>A network as it truly is, drawn in letters; what each node knows of it follows.</summary>
/// <remarks>
/// <para><c>new TestNetwork("s-h h-t s-r:20") { Hubs = "h", Relays = "t:hr", Dialable = "t" }</c>: S is linked with H and, at a cost of 20 ms, with R, H is linked with T;
/// all have H as their hub; T says that it can be reached over H and R; T can be dialled.</para>
/// <para>A node is a letter; its NodeId is in the order of the letters. Links go both ways.</para>
/// </remarks>
public sealed class TestNetwork
{
    private readonly SortedDictionary<char, SortedDictionary<char, TimeSpan?>> _links = [];
    private readonly string _drawing;

    /// <summary>Draws the links: pairs of letters, each with its cost in milliseconds or without.</summary>
    /// <param name="links">As in <c>a-b b-c:20</c>.</param>
    public TestNetwork(string links = "")
    {
        _drawing = links;
        foreach (var link in links.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (link is not [var a, '-', var b, .. var cost] || a == b || (cost is not "" && cost[0] != ':'))
            {
                throw new FormatException($"'{link}' is no link; one is drawn as a-b or a-b:20.");
            }

            var known = cost is "" ? (TimeSpan?)null : TimeSpan.FromMilliseconds(double.Parse(cost[1..], CultureInfo.InvariantCulture));
            LinksOf(a)[b] = known;
            LinksOf(b)[a] = known;
        }
    }

    /// <summary>The hubs that all nodes are configured with, in their order.</summary>
    public string Hubs { get; init; } = "";

    /// <summary>Over whom nodes say that they can be reached: <c>t:hr u:h</c>. True only where there are such links.</summary>
    public string Relays { get; init; } = "";

    /// <summary>Nodes that all others can dial.</summary>
    public string Dialable { get; init; } = "";

    /// <summary>Nodes that were looked for by flooding lately: all others know the neighbour that is nearest to them.</summary>
    public string Flooded { get; init; } = "";

    /// <summary>Nodes that say that they forward nothing.</summary>
    public string Refusing { get; init; } = "";

    /// <summary>Nodes of which nobody has heard but who is linked with them.</summary>
    public string Unheard { get; init; } = "";

    /// <summary>All nodes that were drawn or named, in their order.</summary>
    public string Nodes => new([.. _links.Keys.Concat(Hubs).Concat(Relays).Concat(Dialable).Concat(Flooded).Concat(Refusing).Concat(Unheard).Where(char.IsLetter).Distinct().Order()]);

    /// <summary>The NodeId of a letter.</summary>
    public static NodeId NodeOf(char letter)
    {
        Span<byte> bytes = stackalloc byte[NodeId.Size];
        bytes.Fill((byte)letter);
        return new(bytes);
    }

    /// <summary>The letter of a NodeId; <c>?</c> for others.</summary>
    public static char LetterOf(NodeId node) => (char)node.ToArray()[0] is var letter && char.IsAscii(letter) && NodeOf(letter) == node ? letter : '?';

    /// <summary>The letters of NodeIds, to compare with: <c>Assert.Equal("hr", TestNetwork.LettersOf(plan.NextHops))</c>.</summary>
    public static string LettersOf(IEnumerable<NodeId> nodes) => new([.. nodes.Select(LetterOf)]);

    /// <summary>Draws a network in which every record is true: who names a relay is linked with it.</summary>
    /// <param name="random">The same seed gives the same network.</param>
    /// <param name="nodes">How many, 1 to 26.</param>
    public static TestNetwork Random(Random random, int nodes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(nodes, 26);
        var letters = "abcdefghijklmnopqrstuvwxyz"[..nodes];
        var density = random.NextDouble();
        var pairs = (from a in letters from b in letters where a < b && random.NextDouble() < density select (A: a, B: b)).ToArray();
        var links = pairs.Select(pair => $"{pair.A}-{pair.B}" + random.Next(3) switch { 0 => "", 1 => $":{random.Next(1, 4)}", _ => $":{random.Next(1, 200)}" });
        var relays = letters.Select(node => (Node: node, Relays: Some(pairs.Where(pair => pair.A == node || pair.B == node).Select(pair => pair.A == node ? pair.B : pair.A), 0.6)));
        return new(string.Join(' ', links))
        {
            Relays = string.Join(' ', relays.Where(of => of.Relays.Length > 0).Select(of => $"{of.Node}:{of.Relays[..Math.Min(8, of.Relays.Length)]}")),
            Hubs = Some(letters, 0.25),
            Dialable = Some(letters, 0.5),
            Flooded = Some(letters, 0.3),
            Refusing = Some(letters, 0.1),
            Unheard = Some(letters, 0.1),
        };

        string Some(IEnumerable<char> of, double share)
        {
            var some = of.Where(_ => random.NextDouble() < share).ToArray();
            random.Shuffle(some);
            return new(some);
        }
    }

    /// <summary>True where the two are linked.</summary>
    public bool AreLinked(char a, char b) => _links.TryGetValue(a, out var links) && links.ContainsKey(b);

    /// <summary>The relays that a node names.</summary>
    public string RelaysOf(char node) =>
        Relays.Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(of => of[0] == node)?[2..] ?? "";

    /// <summary>What a node knows; a new view each time.</summary>
    public NetworkView ViewOf(char self)
    {
        var views = Nodes.Where(node => node != self && (AreLinked(self, node) || !Unheard.Contains(node))).ToDictionary(NodeOf, node => ViewOf(self, node));
        return new(NodeOf(self), NodesOf(Hubs), [.. views.Values.Where(view => view.IsLinked).OrderBy(view => view.Node)], views.GetValueOrDefault);
    }

    /// <summary>The drawing.</summary>
    public override string ToString() =>
        $"new TestNetwork(\"{_drawing}\") {{ Hubs = \"{Hubs}\", Relays = \"{Relays}\", Dialable = \"{Dialable}\", Flooded = \"{Flooded}\", Refusing = \"{Refusing}\", Unheard = \"{Unheard}\" }}";

    private NodeView ViewOf(char self, char node) => new(NodeOf(node))
    {
        IsLinked = AreLinked(self, node),
        IsDialable = Dialable.Contains(node),
        IsRelay = !Refusing.Contains(node),
        Relays = NodesOf(RelaysOf(node)),
        FoundOver = Flooded.Contains(node) ? NearestTo(node, self) : null,
        Cost = AreLinked(self, node) ? _links[self][node] : null,
    };

    // Flooding goes all ways at once: what arrives first came over the fewest links.
    private NodeId? NearestTo(char target, char self)
    {
        var distances = new Dictionary<char, int> { [target] = 0 };
        var next = new Queue<char>([target]);
        while (next.TryDequeue(out var node))
        {
            foreach (var neighbour in NeighboursOf(node))
            {
                if (distances.TryAdd(neighbour, distances[node] + 1))
                {
                    next.Enqueue(neighbour);
                }
            }
        }

        return distances.ContainsKey(self) ? NodeOf(NeighboursOf(self).MinBy(neighbour => distances[neighbour])) : null;
    }

    private IEnumerable<char> NeighboursOf(char node) => _links.TryGetValue(node, out var links) ? links.Keys : [];

    private SortedDictionary<char, TimeSpan?> LinksOf(char node) => _links.TryGetValue(node, out var links) ? links : _links[node] = [];

    private static ImmutableArray<NodeId> NodesOf(string letters) => [.. letters.Select(NodeOf)];
}
