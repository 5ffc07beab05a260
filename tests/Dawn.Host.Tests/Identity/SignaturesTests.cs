using System.Text.Json;
using Dawn.Identity;
using Xunit;

namespace Dawn.Tests.Identity;

public class SignaturesTests
{
    [Fact]
    public void KeysAreThoseOfRfc8032()
    {
        // RFC 8032, 7.1, test 1.
        using var key = new SigningKey(Convert.FromHexString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
        Assert.Equal("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", Convert.ToHexStringLower(key.Id.ToArray()));
    }

    [Fact]
    public void ALabelBindsASignatureToItsUse()
    {
        using var key = new SigningKey(new byte[32]);
        var signature = key.Sign(SigningLabel.Link, "hello"u8);
        Assert.True(Signatures.Verify(key.Id, SigningLabel.Link, "hello"u8, signature));
        Assert.False(Signatures.Verify(key.Id, SigningLabel.Session, "hello"u8, signature));
        Assert.False(Signatures.Verify(key.Id, SigningLabel.Link, "hellp"u8, signature));
        Assert.False(Signatures.Verify(key.Id, SigningLabel.Link, "hello"u8, signature.AsSpan(1)));
        Assert.False(Signatures.Verify(key.Id, SigningLabel.Link, "hello"u8, []));
    }

    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", false)] // order 4
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000", false)] // order 1
    [InlineData("0100000000000000000000000000000000000000000000000000000000000080", false)] // order 1, sign set
    [InlineData("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", false)] // order 8
    [InlineData("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false)] // order 2
    [InlineData("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", false)] // y = p, non-canonical 0
    [InlineData("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", false)] // far beyond p
    [InlineData("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", true)]
    public void IdentitiesAreCanonicalAndOfLargeOrder(string key, bool admissible) =>
        Assert.Equal(admissible, Signatures.IsAdmissible(new NodeId(Convert.FromHexString(key))));

    [Fact]
    public void NoSmallOrderOrNonCanonicalKeyOfTheCctvCollectionIsAdmitted()
    {
        var folder = Environment.GetEnvironmentVariable("DAWN_VECTORS");
        Assert.SkipWhen(folder is null, "DAWN_VECTORS names no folder of public vectors");
        var refused = 0;
        foreach (var vector in JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder!, "cctv_ed25519vectors.json"))).RootElement.EnumerateArray())
        {
            if (vector.GetProperty("flags") is not { ValueKind: JsonValueKind.Array } list)
            {
                continue;
            }

            // A key that is itself of small order, or written in a second way, must not become an identity.
            var flags = list.EnumerateArray().Select(f => f.GetString()!).ToHashSet();
            if (flags.Contains("low_order_A") || flags.Contains("non_canonical_A"))
            {
                refused++;
                Assert.False(Signatures.IsAdmissible(new NodeId(Convert.FromHexString(vector.GetProperty("key").GetString()!))), string.Join(' ', flags));
            }
        }

        Assert.True(refused > 0, "no vector had the flags that this test looks for");
    }
}
