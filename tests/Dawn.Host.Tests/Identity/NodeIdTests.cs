using CsCheck;
using Dawn.Identity;
using Xunit;

namespace Dawn.Tests.Identity;

public class NodeIdTests
{
    private static readonly Gen<byte[]> Bytes32 = Gen.Byte.Array[32];

    [Fact]
    public void TextRoundTrips() => Bytes32.Sample(bytes =>
    {
        var id = new NodeId(bytes);
        Assert.Equal(NodeId.TextLength, id.ToString().Length);
        Assert.True(NodeId.TryParse(id.ToString(), out var parsed) && parsed == id);
        Assert.True(NodeId.TryParse(id.ToString().ToUpperInvariant(), out parsed) && parsed == id);
        Assert.Equal(bytes, id.ToArray());
    });

    [Fact]
    public void OrderIsThatOfBytes() => Gen.Select(Bytes32, Bytes32).Sample((a, b) =>
        Assert.Equal(Math.Sign(a.AsSpan().SequenceCompareTo(b)), Math.Sign(new NodeId(a).CompareTo(new NodeId(b)))));

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")] // non-zero trailing bits: a second text for the same bytes
    [InlineData("1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public void OtherTextIsRefused(string text) => Assert.False(NodeId.TryParse(text, out _));

    // RFC 4648, section 10, in lower case and without padding.
    [Theory]
    [InlineData("f", "my")]
    [InlineData("fo", "mzxq")]
    [InlineData("foo", "mzxw6")]
    [InlineData("foob", "mzxw6yq")]
    [InlineData("fooba", "mzxw6ytb")]
    [InlineData("foobar", "mzxw6ytboi")]
    public void Base32FollowsTheRfc(string text, string encoded)
    {
        var bytes = System.Text.Encoding.ASCII.GetBytes(text);
        Assert.Equal(encoded, Base32.Encode(bytes));
        var decoded = new byte[bytes.Length];
        Assert.True(Base32.TryDecode(encoded, decoded));
        Assert.Equal(bytes, decoded);
    }

    [Theory]
    [InlineData("first", true)]
    [InlineData("a-1", true)]
    [InlineData("0", true)]
    [InlineData("-a", false)]
    [InlineData("", false)]
    [InlineData("A", false)]
    [InlineData("a_b", false)]
    [InlineData("a:b", false)]
    public void AgentIdsFollowTheirRule(string id, bool valid) => Assert.Equal(valid, AgentId.IsValid(id));

    [Fact]
    public void AgentIdsEndAt63() => Assert.True(AgentId.IsValid(new string('a', 63)) && !AgentId.IsValid(new string('a', 64)));
}
