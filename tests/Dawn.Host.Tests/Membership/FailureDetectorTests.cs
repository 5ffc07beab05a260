using Dawn.Membership;
using Xunit;

namespace Dawn.Tests.Membership;

public sealed class FailureDetectorTests
{
    private static readonly NodeId Self = Id(0);
    private static readonly NodeId[] Others = [.. Enumerable.Range(1, 5).Select(Id)];

    private readonly List<Effect> _effects = [];
    private readonly SortedSet<NodeId> _linked = [.. Others];
    private readonly FailureDetector _detector;
    private TimeSpan _now = TimeSpan.FromSeconds(100);

    public FailureDetectorTests() => _detector = new(Self, () => Others, _linked.Contains, new Random(1), _effects) { Members = 5 };

    [Theory]
    [InlineData(1, 1.204)]
    [InlineData(9, 4)]
    [InlineData(99, 8)]
    [InlineData(10_000, 8)]
    public void The_time_to_refute_grows_with_the_network_and_is_bounded(int members, double seconds) =>
        Assert.Equal(seconds, FailureDetector.SuspicionOf(members).TotalSeconds, 2);

    [Fact]
    public void Each_neighbour_is_probed_in_turn()
    {
        var probed = new List<NodeId>();
        for (var i = 0; i < 10; i++)
        {
            var probe = NextProbe();
            probed.Add(probe.To);
            _detector.OnMessage(probe.To, new ProbeAnswer(((Probe)probe.Message).Number), _now);
        }

        Assert.Equal(Others.Order(), probed.Take(5).Order());
        Assert.Equal(Others.Order(), probed.Skip(5).Order());
        Assert.Equal(10, _detector.Probes);
        Assert.Equal(0, _detector.Failures);
    }

    [Fact]
    public void Who_does_not_answer_is_asked_for_by_three_others_and_then_accused()
    {
        var probe = NextProbe();
        var requests = Pass(FailureDetector.ProbeTimeout).OfType<Effect.Send>().Where(s => s.Message is ProbeRequest r && r.Target == probe.To).ToList();
        Assert.Equal(FailureDetector.Helpers, requests.Select(r => r.To).Distinct().Count());
        Assert.DoesNotContain(requests, r => r.To == probe.To);
        Assert.Equal(probe.To, Assert.Single(Pass(2 * FailureDetector.ProbeTimeout).OfType<Effect.Accuse>()).Suspect);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_helpers_word_counts(bool isAlive)
    {
        var probe = NextProbe();
        var requests = Pass(FailureDetector.ProbeTimeout).OfType<Effect.Send>().Where(s => s.Message is ProbeRequest).ToList();
        _effects.Clear();
        foreach (var request in requests)
        {
            _detector.OnMessage(request.To, new ProbeResult(((ProbeRequest)request.Message).Number, isAlive), _now);
        }

        Assert.Equal(isAlive ? 0 : 1, _effects.OfType<Effect.Accuse>().Count(a => a.Suspect == probe.To));
    }

    [Fact]
    public void A_stranger_can_vouch_for_nobody()
    {
        var probe = NextProbe();
        Pass(FailureDetector.ProbeTimeout);
        _detector.OnMessage(Id(77), new ProbeResult(((Probe)probe.Message).Number, true), _now);
        Assert.Contains(Pass(2 * FailureDetector.ProbeTimeout).OfType<Effect.Accuse>(), a => a.Suspect == probe.To);
    }

    [Fact]
    public void A_broken_link_is_a_failed_probe_at_once_and_a_closed_one_is_none()
    {
        _linked.Remove(Others[0]);
        _detector.OnLinkDown(Others[0], isBroken: true, _now);
        Assert.Equal(FailureDetector.Helpers, _effects.OfType<Effect.Send>().Count(s => s.Message is ProbeRequest r && r.Target == Others[0]));
        _effects.Clear();
        _linked.Remove(Others[1]);
        _detector.OnLinkDown(Others[1], isBroken: false, _now);
        Assert.Empty(_effects);
    }

    [Fact]
    public void A_suspect_that_says_nothing_is_dead_after_its_time()
    {
        _linked.Remove(Others[0]);
        Assert.True(_detector.OnSuspicion(Of(Others[0], 7, Others[1]), _now));
        Assert.Equal(PeerHealth.Suspect, _detector.HealthOf(Others[0]));
        Pass(FailureDetector.SuspicionOf(5) - TimeSpan.FromMilliseconds(100));
        Assert.Equal(PeerHealth.Suspect, _detector.HealthOf(Others[0]));
        Pass(TimeSpan.FromMilliseconds(100));
        Assert.Equal(PeerHealth.Dead, _detector.HealthOf(Others[0]));
        _detector.OnRecord(Others[0], 8);
        Assert.Equal(PeerHealth.Alive, _detector.HealthOf(Others[0]));
    }

    [Fact]
    public void A_newer_record_refutes_and_an_old_one_does_not()
    {
        _linked.Remove(Others[0]);
        _detector.OnSuspicion(Of(Others[0], 7, Others[1]), _now);
        _detector.OnRecord(Others[0], 7);
        Assert.Equal(PeerHealth.Suspect, _detector.HealthOf(Others[0]));
        _detector.OnRecord(Others[0], 8);
        Pass(TimeSpan.FromSeconds(20));
        Assert.Equal(PeerHealth.Alive, _detector.HealthOf(Others[0]));
        Assert.DoesNotContain(_effects, e => e is Effect.Believe { Health: PeerHealth.Dead } b && b.Node == Others[0]);
    }

    [Fact]
    public void What_this_node_hears_itself_outweighs_what_others_say()
    {
        _detector.OnSuspicion(Of(Others[0], 7, Others[1]), _now);
        var probe = Assert.Single(_effects.OfType<Effect.Send>(), s => s.To == Others[0] && s.Message is Probe);
        _detector.OnMessage(Others[0], new ProbeAnswer(((Probe)probe.Message).Number), _now);
        Assert.Equal(PeerHealth.Alive, _detector.HealthOf(Others[0]));
        // The same accuser is not believed twice.
        Assert.False(_detector.OnSuspicion(Of(Others[0], 7, Others[1]), _now));
    }

    [Fact]
    public void Who_is_suspected_already_is_no_news()
    {
        _linked.Clear();
        Assert.Equal([true, false, false], Enumerable.Range(10, 3).Select(i => _detector.OnSuspicion(Of(Others[0], 7, Id(i)), _now)));
    }

    [Fact]
    public void More_than_three_accusers_that_were_wrong_are_no_news()
    {
        Assert.Equal([true, true, true, false, false], Enumerable.Range(10, 5).Select(i =>
        {
            var isNews = _detector.OnSuspicion(Of(Others[0], 7, Id(i)), _now);
            _detector.OnLinkUp(Others[0], _now);
            return isNews;
        }));
    }

    [Fact]
    public void Who_is_suspected_itself_refutes()
    {
        Assert.False(_detector.OnSuspicion(Of(Self, 3, Others[1]), _now));
        Assert.IsType<Effect.Refute>(Assert.Single(_effects));
    }

    [Fact]
    public void Who_comes_back_is_told_what_was_said_of_it()
    {
        _linked.Remove(Others[0]);
        var suspicion = Of(Others[0], 7, Others[1]);
        _detector.OnSuspicion(suspicion, _now);
        Pass(TimeSpan.FromSeconds(10));
        _effects.Clear();
        _linked.Add(Others[0]);
        _detector.OnLinkUp(Others[0], _now);
        Assert.Contains(new Effect.Send(Others[0], suspicion), _effects);
        Assert.Equal(PeerHealth.Alive, _detector.HealthOf(Others[0]));
    }

    [Fact]
    public void Who_comes_back_is_told_of_those_that_went_with_it()
    {
        var (one, two) = (Of(Others[0], 7, Others[3]), Of(Others[1], 7, Others[3]));
        _linked.Remove(Others[0]);
        _linked.Remove(Others[1]);
        _detector.OnSuspicion(one, _now);
        _detector.OnSuspicion(two, _now);
        Pass(TimeSpan.FromSeconds(10));
        _effects.Clear();
        _linked.Add(Others[2]);
        _detector.OnLinkUp(Others[2], _now);
        Assert.DoesNotContain(_effects, e => e is Effect.Send { Message: Suspicion });
        _linked.Add(Others[0]);
        _detector.OnLinkUp(Others[0], _now);
        Assert.Equal([one, two], _effects.OfType<Effect.Send>().Where(e => e.To == Others[0]).Select(e => e.Message).OfType<Suspicion>());
        Assert.Equal(PeerHealth.Dead, _detector.HealthOf(Others[1]));
    }

    [Fact]
    public void Who_leaves_is_dead_at_once()
    {
        Assert.True(_detector.OnLeft(Others[0], 7));
        Assert.Equal(PeerHealth.Dead, _detector.HealthOf(Others[0]));
        Assert.False(_detector.OnLeft(Others[0], 7));
        _detector.OnRecord(Others[0], 8);
        Assert.Equal(PeerHealth.Alive, _detector.HealthOf(Others[0]));
    }

    [Fact]
    public void A_helper_probes_and_says_what_came_of_it()
    {
        _detector.OnMessage(Others[0], new ProbeRequest(42, Others[1]), _now);
        var probe = Assert.Single(_effects.OfType<Effect.Send>(), s => s.To == Others[1]);
        _detector.OnMessage(Others[1], new ProbeAnswer(((Probe)probe.Message).Number), _now);
        Assert.Contains(new Effect.Send(Others[0], new ProbeResult(42, true)), _effects);
        _linked.Remove(Others[2]);
        _detector.OnMessage(Others[0], new ProbeRequest(43, Others[2]), _now);
        Assert.Contains(new Effect.Dial(Others[2]), _effects);
        Assert.Contains(new Effect.Send(Others[0], new ProbeResult(43, false)), Pass(FailureDetector.ProbeTimeout));
    }

    [Fact]
    public void Requests_for_help_are_bounded()
    {
        _linked.Remove(Others[2]);
        for (uint i = 0; i < 10_000; i++)
        {
            _detector.OnMessage(Others[0], new ProbeRequest(i, Others[2]), _now);
        }

        Assert.InRange(_effects.OfType<Effect.Dial>().Count(), 1, 64);
    }

    private static NodeId Id(int number) => new(SeededEntropy.Derive(number, "detector"));

    private static Suspicion Of(NodeId suspect, ulong sequence, NodeId accuser) => new(suspect, sequence, accuser, 0, default);

    private Effect.Send NextProbe()
    {
        while (true)
        {
            _now += TimeSpan.FromMilliseconds(50);
            _effects.Clear();
            _detector.OnTime(_now);
            if (_effects.OfType<Effect.Send>().FirstOrDefault(s => s.Message is Probe) is { } probe)
            {
                return probe;
            }
        }
    }

    private List<Effect> Pass(TimeSpan time)
    {
        var all = new List<Effect>();
        for (var end = _now + time; _now < end;)
        {
            _now += TimeSpan.FromMilliseconds(50);
            _effects.Clear();
            _detector.OnTime(_now);
            all.AddRange(_effects);
        }

        return all;
    }
}
