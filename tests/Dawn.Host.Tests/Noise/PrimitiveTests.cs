using System.Security.Cryptography;
using System.Text.Json;
using CsCheck;
using Dawn.Noise;
using NSec.Cryptography;
using Xunit;

namespace Dawn.Tests.Noise;

public class PrimitiveTests
{
    [Theory]
    [InlineData("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4", "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")]
    [InlineData("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d", "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493", "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957")]
    public void X25519_is_that_of_rfc_7748_5_2(string scalar, string u, string expected)
    {
        using var key = new X25519Key(Convert.FromHexString(scalar));
        var secret = new byte[32];
        Assert.True(key.TryAgree(Convert.FromHexString(u), secret));
        Assert.Equal(expected, Convert.ToHexStringLower(secret));
    }

    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("0100000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")]
    [InlineData("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")]
    public void X25519_refuses_points_of_low_order(string point)
    {
        using var key = new X25519Key(new SeededEntropy(1));
        Assert.False(key.TryAgree(Convert.FromHexString(point), new byte[32]));
        Assert.False(key.TryAgree(new byte[31], new byte[32]));
    }

    [Theory]
    [InlineData("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")]
    [InlineData("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")]
    public void Hkdf_is_that_of_rfc_5869(string material, string salt, string info, string expected)
    {
        var output = new byte[expected.Length / 2];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Convert.FromHexString(material), output, Convert.FromHexString(salt), Convert.FromHexString(info));
        Assert.Equal(expected, Convert.ToHexStringLower(output));
    }

    [Theory]
    [InlineData("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "", "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")]
    [InlineData("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")]
    public void Ed25519_is_that_of_rfc_8032_7_1(string seed, string expectedKey, string message, string expected)
    {
        using var key = Key.Import(SignatureAlgorithm.Ed25519, Convert.FromHexString(seed), KeyBlobFormat.RawPrivateKey);
        Assert.Equal(expectedKey, Convert.ToHexStringLower(key.PublicKey.Export(KeyBlobFormat.RawPublicKey)));
        Assert.Equal(expected, Convert.ToHexStringLower(SignatureAlgorithm.Ed25519.Sign(key, Convert.FromHexString(message))));
    }

    [Fact]
    public void Wycheproof_agrees_on_x25519_and_zero_output_fails()
    {
        var (zeros, others) = (0, 0);
        var secret = new byte[32];
        foreach (var file in VectorFiles.Find("wycheproof_x25519_test.json"))
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(file));
            foreach (var test in document.RootElement.GetProperty("testGroups").EnumerateArray().SelectMany(group => group.GetProperty("tests").EnumerateArray()))
            {
                using var key = new X25519Key(test.Hex("private"));
                var agreed = key.TryAgree(test.Hex("public"), secret);
                if (test.GetProperty("flags").EnumerateArray().Any(flag => flag.GetString() == "ZeroSharedSecret"))
                {
                    Assert.False(agreed, test.ToString());
                    zeros++;
                }
                else
                {
                    Assert.True(agreed && secret.AsSpan().SequenceEqual(test.Hex("shared")), test.ToString());
                    others++;
                }
            }
        }

        Assert.True(zeros > 20 && others > 400, $"{zeros} zero outputs, {others} others");
    }

    [Fact]
    public void Both_aead_back_ends_agree() =>
        Gen.Select(Gen.Byte.Array[32], Gen.ULong, Gen.Byte.Array[0, 100], Gen.Byte.Array[0, 3_000]).Sample((key, nonce, associated, plaintext) =>
        {
            nonce = Math.Min(nonce, ulong.MaxValue - 1);
            using var locked = Aead.Create(key);
            using var brief = Aead.CreateBrief(key);
            var (one, two) = (new byte[plaintext.Length + Aead.TagSize], new byte[plaintext.Length + Aead.TagSize]);
            locked.Seal(nonce, associated, plaintext, one);
            brief.Seal(nonce, associated, plaintext, two);
            Assert.Equal(one, two);

            // In place, as links open their records.
            Assert.True(locked.TryOpen(nonce, associated, one, one.AsSpan(0, plaintext.Length)));
            Assert.True(brief.TryOpen(nonce, associated, two, two.AsSpan(0, plaintext.Length)));
            Assert.True(one.AsSpan(0, plaintext.Length).SequenceEqual(plaintext));
            Assert.True(two.AsSpan(0, plaintext.Length).SequenceEqual(plaintext));
        }, iter: 200);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Aead_opens_nothing_but_what_was_sealed(bool brief)
    {
        using var aead = brief ? Aead.CreateBrief(new byte[32]) : Aead.Create(new byte[32]);
        var plaintext = new byte[40];
        var ciphertext = new byte[56];
        aead.Seal(7, [1], plaintext, ciphertext);
        Assert.True(aead.TryOpen(7, [1], ciphertext, plaintext));
        Assert.False(aead.TryOpen(8, [1], ciphertext, plaintext));
        Assert.False(aead.TryOpen(7, [2], ciphertext, plaintext));
        Assert.False(aead.TryOpen(7, [1], ciphertext.AsSpan(0, 15), []));
        for (var bit = 0; bit < ciphertext.Length * 8; bit++)
        {
            ciphertext[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(aead.TryOpen(7, [1], ciphertext, plaintext));
            ciphertext[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Aead_refuses_the_reserved_nonce_and_wrong_lengths()
    {
        using var aead = Aead.Create(new byte[32]);
        Assert.Throws<CryptographicException>(() => aead.Seal(ulong.MaxValue, default, new byte[1], new byte[17]));
        Assert.False(aead.TryOpen(ulong.MaxValue, default, new byte[17], new byte[1]));
        Assert.Throws<ArgumentException>(() => aead.Seal(0, default, new byte[1], new byte[16]));
        Assert.Throws<ArgumentException>(() => aead.TryOpen(0, default, new byte[17], new byte[2]));
        Assert.Throws<ArgumentException>(() => Aead.Create(new byte[16]));
    }

    [Fact]
    public void Keys_beyond_what_locked_memory_holds_work_as_well()
    {
        // What other tests have forgotten counts no more.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var keys = new List<Aead>();
        var reference = new byte[20];
        try
        {
            for (var i = 0; i < 2_200; i++)
            {
                keys.Add(Aead.Create(new byte[32]));
            }

            keys[0].Seal(1, default, new byte[4], reference);
            var last = new byte[20];
            keys[^1].Seal(1, default, new byte[4], last);
            Assert.Equal(reference, last);
            Assert.NotEqual(keys[0].GetType(), keys[^1].GetType());
        }
        finally
        {
            keys.ForEach(key => key.Dispose());
            keys.ForEach(key => key.Dispose());
        }

        // Disposed twice, counted once: there is room again, and no more than there was.
        using var again = Aead.Create(new byte[32]);
        Assert.Equal(keys[0].GetType(), again.GetType());
    }
}
