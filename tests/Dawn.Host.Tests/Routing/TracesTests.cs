using System.Buffers.Binary;
using Dawn.Links;
using Dawn.Routing;
using Dawn.Sessions;
using Dawn.Tests.Membership;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Routing;

/// <summary>One end of a trace, with a test in place of everybody else.</summary>
public sealed class TracesTests
{
    private static readonly TestNetwork Network = new();
    private static readonly NodeId Self = Network.Node(1).Id, First = Network.Node(2).Id, Second = Network.Node(3).Id, Target = Network.Node(4).Id, Other = Network.Node(5).Id;

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly Outbox _outbox = new();
    private readonly ToyLink _link = new(First);
    private readonly Traces _traces;

    public TracesTests() => _traces = new(Self, _outbox, new SeededEntropy(7), _time);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task All_distances_are_asked_at_once_and_a_path_is_what_answered()
    {
        var tracing = _traces.TraceAsync(Target, Cancel);
        Assert.Equal(Enumerable.Range(1, Traces.MaxHops), _outbox.Sent.Select(sent => (int)sent.Header.HopLimit));
        Assert.All(_outbox.Sent, sent => Assert.Equal((EnvelopeKind.Trace, Self, Target), (sent.Header.Kind, sent.Header.Source, sent.Header.Target)));
        Assert.Equal(Traces.MaxHops, _outbox.Sent.Select(sent => sent.Number).Distinct().Count());

        _time.Advance(TimeSpan.FromMilliseconds(10));
        Answer(1, First, 1);
        _time.Advance(TimeSpan.FromMilliseconds(10));
        // The target answers what came further, too, and says how far it was.
        Answer(16, Target, 14);
        Assert.False(tracing.IsCompleted);
        Answer(2, Second, 1);
        var path = await Within(tracing);

        Assert.True(path.IsComplete);
        Assert.Equal([new(1, First, TimeSpan.FromMilliseconds(10)), new(2, Second, TimeSpan.FromMilliseconds(20)), new(3, Target, TimeSpan.FromMilliseconds(20))], path.Hops);
        Assert.Equal(0, _traces.Pending);
    }

    [Fact]
    public async Task Who_is_missing_is_asked_again_and_left_open_in_the_end()
    {
        var tracing = _traces.TraceAsync(Target, Cancel);
        Answer(4, Target, 2);
        Answer(1, First, 1);
        for (var i = 1; i < Traces.Tries; i++)
        {
            _outbox.Sent.Clear();
            _time.Advance(Traces.Patience);
            await Eventually.HoldsAsync(() => _outbox.Sent.Count > 0);
            // Beyond the target there is nobody.
            Assert.Equal(2, Assert.Single(_outbox.Sent).Header.HopLimit);
        }

        _time.Advance(Traces.Patience);
        var path = await Within(tracing);
        Assert.True(path.IsComplete);
        Assert.Equal([First, null, Target], path.Hops.Select(hop => hop.Node));
    }

    [Fact]
    public async Task A_target_that_is_silent_makes_it_incomplete_after_three_tries()
    {
        var tracing = _traces.TraceAsync(Target, Cancel);
        Answer(1, First, 1);
        Answer(3, Second, 1);
        await Eventually.HoldsAsync(() => tracing.IsCompleted, () => _time.Advance(Traces.Patience));
        var path = await Within(tracing);
        Assert.False(path.IsComplete);
        Assert.Equal([First, null, Second], path.Hops.Select(hop => hop.Node));
        Assert.Equal(Traces.MaxHops + 2 * (Traces.MaxHops - 2), _outbox.Sent.Count);
        Assert.Equal(0, _traces.Pending);
    }

    [Fact]
    public async Task Answers_that_nobody_asked_for_or_that_cannot_be_true_are_ignored()
    {
        var tracing = _traces.TraceAsync(Target, Cancel);
        var (one, two) = (_outbox.Sent[0].Number, _outbox.Sent[1].Number);
        _traces.OnTraced(_link, Header(Other), Payload(one + 1, 1)); // An unknown number.
        _traces.OnTraced(_link, Header(Other), Payload(one, 1)); // The first hop is the neighbour.
        _traces.OnTraced(_link, Header(Target), Payload(one, 1)); // The target isn't.
        _traces.OnTraced(_link, Header(Self), Payload(two, 1)); // This node asks itself nothing.
        _traces.OnTraced(_link, Header(Second), Payload(two, 2)); // A relay answers when the limit has run out, not before.
        _traces.OnTraced(_link, Header(Target), Payload(two, 0)); // Nothing comes with 0 ...
        _traces.OnTraced(_link, Header(Target), Payload(two, 3)); // ... or with more than it left with.
        _traces.OnTraced(_link, Header(Target), Payload(two, 1).AsSpan(1)); // Too short.
        _traces.OnTraced(_link, Header(Target), [.. Payload(two, 1), 0]); // Too long.
        Assert.Equal(Traces.MaxHops, _traces.Pending);

        Answer(1, First, 1);
        Answer(1, Other, 1); // Answered before.
        Answer(2, Target, 1);
        var path = await Within(tracing);
        Assert.Equal([First, Target], path.Hops.Select(hop => hop.Node));
        // Too late.
        _traces.OnTraced(_link, Header(Target), Payload(_outbox.Sent[15].Number, 15));
        Assert.Equal(0, _traces.Pending);
    }

    [Fact]
    public async Task There_are_only_so_many_at_once()
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var running = Enumerable.Range(0, Traces.Max).Select(_ => _traces.TraceAsync(Target, stop.Token)).ToList();
        Assert.Equal(Traces.Max * Traces.MaxHops, _traces.Pending);
        var refused = await Assert.ThrowsAsync<MeshException>(() => _traces.TraceAsync(Target, Cancel));
        Assert.Equal(MeshError.Limit, refused.Error);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Within(Task.WhenAll(running)));
        Assert.Equal(0, _traces.Pending);
        _outbox.Sent.Clear();
        var next = _traces.TraceAsync(Target, Cancel);
        _traces.OnTraced(new ToyLink(Target), Header(Target), Payload(_outbox.Sent[0].Number, 1));
        Assert.Equal(Target, Assert.Single((await Within(next)).Hops).Node);
    }

    [Fact]
    public void Who_is_asked_answers_over_the_link_it_came_by_and_not_without_end()
    {
        var asked = new EnvelopeHeader(EnvelopeKind.Trace, 0, 1, 77, Other, Target, 5, Traces.TraceSize);
        _traces.OnTrace(_link, asked with { Source = Self }, new byte[Traces.TraceSize]);
        _traces.OnTrace(_link, asked, new byte[Traces.TraceSize + 1]);
        Assert.Empty(_link.Sent);

        _traces.OnTrace(_link, asked with { Target = Self, HopLimit = 9 }, [1, 2, 3, 4, 5, 6, 7, 8]);
        var (type, envelope) = Assert.Single(_link.Sent);
        Assert.Equal(LinkFrame.Envelope, type);
        Assert.True(EnvelopeHeader.TryRead(envelope, out var answer));
        Assert.Equal((EnvelopeKind.Traced, Self, Other, EnvelopeHeader.DefaultHopLimit), (answer.Kind, answer.Source, answer.Target, answer.HopLimit));
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9], envelope[EnvelopeHeader.Size..]);

        for (var i = 0; i < 1_000; i++)
        {
            _traces.OnTrace(_link, asked, new byte[Traces.TraceSize]);
        }

        Assert.Equal(50, _link.Sent.Count);
        var another = new ToyLink(Second);
        _traces.OnTrace(another, asked, new byte[Traces.TraceSize]);
        Assert.Single(another.Sent);
        _time.Advance(TimeSpan.FromSeconds(1));
        _traces.OnTrace(_link, asked, new byte[Traces.TraceSize]);
        Assert.Equal(51, _link.Sent.Count);
    }

    private static Task<T> Within<T>(Task<T> task) => task.WaitAsync(MeshNode.Patience, Cancel);

    private void Answer(int hopLimit, NodeId from, byte came) => _traces.OnTraced(_link, Header(from), Payload(_outbox.Sent.First(sent => sent.Header.HopLimit == hopLimit).Number, came));

    private static EnvelopeHeader Header(NodeId from) => new(EnvelopeKind.Traced, 0, 16, 1, from, Self, 0, Traces.TracedSize);

    private static byte[] Payload(ulong number, byte came)
    {
        var payload = new byte[Traces.TracedSize];
        BinaryPrimitives.WriteUInt64BigEndian(payload, number);
        payload[^1] = came;
        return payload;
    }

    private sealed class Outbox : IEnvelopePort
    {
        public List<(EnvelopeHeader Header, ulong Number)> Sent { get; } = [];

        public event Action<IReadOnlyList<NodeId>>? PathsChanged
        {
            add { }
            remove { }
        }

        public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
        {
            Assert.Equal(header.Length, payload.Length);
            Sent.Add((header, BinaryPrimitives.ReadUInt64BigEndian(payload)));
            return true;
        }

        public bool CanReach(NodeId node) => true;

        public ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken) => default;
    }
}
