using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Tests.Membership;

/// <summary>Registries of several nodes and what they send each other, in one thread: frames arrive in the order in which they were sent, time passes when the test says so.</summary>
internal sealed class ToyRegistries
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);

    private readonly TestNetwork _network = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly Queue<Action> _onTheWay = [];
    private readonly Dictionary<(int From, int To), ToyLink> _links = [];
    private ulong _sequence;

    public ToyRegistries(int count)
    {
        // In the order of their NodeIds.
        Identities = [.. Enumerable.Range(1, count).Select(i => _network.Node(i)).OrderBy(i => i.Id)];
        Nodes = [.. Identities.Select(i =>
        {
            var table = new RecordTable(i, _time, NullLogger<RecordTable>.Instance);
            return (table, new RecordExchange(table, i, _time, NullLogger<RecordExchange>.Instance));
        })];
    }

    public IReadOnlyList<TestIdentity> Identities { get; }

    public IReadOnlyList<(RecordTable Table, RecordExchange Exchange)> Nodes { get; }

    /// <summary>Records that crossed a link, in the order in which they were sent.</summary>
    public List<(int From, int To, ulong Sequence)> Records { get; } = [];

    public bool IsEager(int from, int to) => Nodes[from].Exchange.IsEager(_links[(from, to)]);

    public void Connect(int one, int other)
    {
        var (there, back) = (Link(one, other), Link(other, one));
        Nodes[one].Exchange.Add(there);
        Nodes[other].Exchange.Add(back);
        Favour(one);
        Favour(other);
        Settle();
    }

    /// <summary>What is on the way is lost, and both ends notice.</summary>
    public void Cut(int one, int other)
    {
        foreach (var (from, to) in new[] { (one, other), (other, one) })
        {
            _links.Remove((from, to), out var link);
            link!.Deliver = null;
            Nodes[from].Exchange.Remove(link);
            Favour(from);
        }
    }

    // All are neighbours here.
    private void Favour(int node) => Nodes[node].Exchange.Favour([.. _links.Keys.Where(l => l.From == node).Select(l => Identities[l.To].Id)]);

    /// <summary>A node signs a new record of itself and spreads it, so long after the last that nothing is gathered on the way.</summary>
    public NodeRecord Publish(int node)
    {
        Pass(RegistryFeed.Gather);
        var record = NodeRecord.Sign(Identities[node], ++_sequence, _time.GetUtcNow(), EncryptionMode.Required, [], [], out _);
        Nodes[node].Table.Put(record, out _);
        Nodes[node].Exchange.Spread(record.Node);
        Settle();
        return record;
    }

    public bool Knows(int node, NodeRecord record) => Nodes[node].Table.Find(record.Node)?.Sequence == record.Sequence;

    /// <summary>How often a record was sent since it was published.</summary>
    public int Carried(NodeRecord record) => Records.Count(r => r.Sequence == record.Sequence);

    public void Pass(TimeSpan time)
    {
        for (var end = _time.GetUtcNow() + time; _time.GetUtcNow() < end;)
        {
            _time.Advance(Step);
            Settle();
        }
    }

    private void Settle()
    {
        while (_onTheWay.TryDequeue(out var arrive))
        {
            arrive();
        }
    }

    private ToyLink Link(int from, int to)
    {
        var link = new ToyLink(Identities[to].Id);
        link.Deliver = (type, body) =>
        {
            if (type == LinkFrame.Record && NodeRecord.TryPeek(body, out _, out var sequence))
            {
                Records.Add((from, to, sequence));
            }

            _onTheWay.Enqueue(() =>
            {
                if (_links.TryGetValue((to, from), out var back) && link.Deliver is not null)
                {
                    Receive(Nodes[to].Exchange, back, type, body);
                }
            });
        };
        return _links[(from, to)] = link;
    }

    private static void Receive(RecordExchange exchange, ToyLink from, LinkFrame type, byte[] body)
    {
        if (type == LinkFrame.Record)
        {
            exchange.OnRecord(from, body);
        }
        else
        {
            exchange.OnRegistry(from, body);
        }
    }
}
