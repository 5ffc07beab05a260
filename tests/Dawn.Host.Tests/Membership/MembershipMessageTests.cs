using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Xunit;

namespace Dawn.Tests.Membership;

public sealed class MembershipMessageTests
{
    private static readonly TestNetwork Network = new();
    private static readonly DateTimeOffset Now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static TheoryData<string> Kinds => [.. Samples().Select(m => m.GetType().Name)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_message_reads_as_it_was_written_and_in_no_other_length(string kind)
    {
        var encoded = Samples().First(m => m.GetType().Name == kind).Encode();
        Assert.True(MembershipMessage.TryRead(encoded, out var read));
        Assert.Equal(encoded, read!.Encode());
        Assert.Equal(kind, read.GetType().Name);
        Assert.False(MembershipMessage.TryRead([.. encoded, 0], out _));
        for (var length = 0; length < encoded.Length; length++)
        {
            Assert.False(MembershipMessage.TryRead(encoded.AsSpan(0, length), out _), $"{length} of {encoded.Length} bytes");
        }
    }

    [Theory]
    [InlineData("01ff", true)]
    [InlineData("020100", true)]
    [InlineData("010302", false)]
    [InlineData("01", false)]
    [InlineData("", false)]
    public void What_is_unknown_is_ignored_and_what_is_malformed_is_refused(string hex, bool isTaken)
    {
        Assert.Equal(isTaken, MembershipMessage.TryRead(Convert.FromHexString(hex), out var message));
        Assert.Null(message);
    }

    [Fact]
    public void More_than_the_longest_message_is_refused_also_of_an_unknown_type()
    {
        byte[] longest = [1, 0xff, .. new byte[MembershipMessage.MaxSize - 2]];
        Assert.True(MembershipMessage.TryRead(longest, out _));
        Assert.False(MembershipMessage.TryRead([.. longest, 0], out _));
    }

    [Fact]
    public void A_signature_counts_for_its_words_and_its_use_alone()
    {
        var suspicion = Suspicion.Sign(Network.Node(1), Network.Node(2).Id, 5, Now);
        Assert.True(suspicion.IsSigned);
        Assert.False((suspicion with { Sequence = 6 }).IsSigned);
        Assert.False((suspicion with { Suspect = Network.Node(3).Id }).IsSigned);
        Assert.False((suspicion with { Accuser = Network.Node(3).Id }).IsSigned);
        Assert.False((suspicion with { Time = 1 }).IsSigned);
        var leave = Leave.Sign(Network.Node(1), 5, Now);
        Assert.True(leave.IsSigned);
        Assert.False((leave with { Node = Network.Node(2).Id }).IsSigned);
        Assert.False((leave with { Sequence = 6 }).IsSigned);
        Assert.False(Signatures.Verify(leave.Node, SigningLabel.Suspicion, leave.Content, leave.Signature.Span));
    }

    [Fact]
    public void The_rate_has_a_burst_and_then_its_pace()
    {
        var limit = new Gcra(TimeSpan.FromMilliseconds(20), 100);
        Assert.Equal(100, Enumerable.Range(0, 1_000).Count(_ => limit.TryTake(TimeSpan.FromSeconds(5))));
        Assert.False(limit.IsIdle(TimeSpan.FromSeconds(5)));
        Assert.Equal(50, Enumerable.Range(0, 1_000).Count(_ => limit.TryTake(TimeSpan.FromSeconds(6))));
        Assert.True(limit.IsIdle(TimeSpan.FromSeconds(9)));
    }

    private static IEnumerable<MembershipMessage> Samples()
    {
        NodeId[] nodes = [.. Enumerable.Range(1, MembershipMessage.MaxShuffled).Select(i => Network.Node(i).Id)];
        return
        [
            new Join(), new ForwardJoin(6, nodes[0]), new Neighbour(true), new NeighbourAnswer(false), new Disconnect(), new Shuffle(7, 6, [.. nodes]), new ShuffleReply(7, []),
            new Probe(1), new ProbeAnswer(uint.MaxValue), new ProbeRequest(3, nodes[2]), new ProbeResult(4, true),
            Suspicion.Sign(Network.Node(1), nodes[1], 5, Now), Leave.Sign(Network.Node(1), 5, Now),
        ];
    }
}
