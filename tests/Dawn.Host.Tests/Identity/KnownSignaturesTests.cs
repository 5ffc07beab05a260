using Dawn.Identity;
using Xunit;

namespace Dawn.Tests.Identity;

/// <summary>Whatever was verified before, the answer is that of <see cref="Signatures.Verify"/>.</summary>
public sealed class KnownSignaturesTests
{
    private static readonly byte[] Label = [.. "dawn/1 test"u8];

    private readonly KnownSignatures _known = new(64);

    private sealed record Signed(NodeId Signer, byte[] Content, byte[] Signature);

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(5_000)]
    public void What_is_good_is_checked_once(int size)
    {
        var (one, other) = (Sign(1, size), Sign(2, size));
        for (var i = 0; i < 5; i++)
        {
            Assert.True(Holds(one));
            Assert.True(Holds(other));
        }

        Assert.Equal(2, _known.Checks);
    }

    [Fact]
    public void What_is_bad_is_checked_each_time_and_never_becomes_good()
    {
        var good = Sign(1, 100);
        var bad = good with { Signature = [.. good.Signature[..^1], (byte)(good.Signature[^1] ^ 1)] };
        for (var i = 1; i <= 3; i++)
        {
            Assert.False(Holds(bad));
            Assert.Equal(i, _known.Checks);
        }

        Assert.True(Holds(good));
        Assert.False(Holds(bad));
    }

    [Theory]
    [InlineData(40)]
    [InlineData(2_000)]
    public void No_changed_byte_is_taken_for_what_is_known(int size)
    {
        var good = Sign(1, size);
        Assert.True(Holds(good));
        foreach (var at in Enumerable.Range(0, NodeId.Size))
        {
            Assert.False(Holds(good with { Signer = new(Changed(good.Signer.ToArray(), at)) }));
        }

        foreach (var at in Enumerable.Range(0, Signatures.Size))
        {
            Assert.False(Holds(good with { Signature = Changed(good.Signature, at) }));
        }

        foreach (var at in Enumerable.Range(0, 20).Append(size / 2).Append(size - 1))
        {
            Assert.False(Holds(good with { Content = Changed(good.Content, at) }));
        }

        foreach (var at in Enumerable.Range(0, Label.Length))
        {
            Assert.False(_known.Verify(good.Signer, Changed(Label, at), good.Content, good.Signature));
        }

        Assert.True(Holds(good));
    }

    [Fact]
    public void Where_one_part_ends_and_the_next_begins_counts()
    {
        var good = Sign(1, 100);
        Assert.True(Holds(good));
        Assert.False(_known.Verify(good.Signer, Label.AsSpan(..^1), [Label[^1], .. good.Content], good.Signature));
        Assert.False(_known.Verify(good.Signer, [.. Label, good.Content[0]], good.Content.AsSpan(1), good.Signature));
        Assert.False(_known.Verify(good.Signer, [], [.. Label, .. good.Content], good.Signature));
        Assert.False(Holds(good with { Content = [.. good.Content, 0] }));
        Assert.False(Holds(good with { Content = good.Content[..^1] }));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(63)]
    [InlineData(65)]
    public void A_signature_of_another_length_is_none(int length)
    {
        var good = Sign(1, 100);
        Assert.True(Holds(good));
        Assert.False(Holds(good with { Signature = good.Signature.Append((byte)0).Take(length).ToArray() }));
        Assert.Equal(1, _known.Checks);
    }

    [Fact]
    public void What_others_push_out_is_checked_again()
    {
        var known = new KnownSignatures(1);
        var signed = Enumerable.Range(0, KnownSignatures.Ways + 1).Select(i => Sign(i, 50)).ToList();
        Assert.All(signed, s => Assert.True(Holds(s, known)));
        Assert.Equal(signed.Count, known.Checks);
        // The last ones are known still; the first gave way.
        Assert.All(signed.Skip(1), s => Assert.True(Holds(s, known)));
        Assert.Equal(signed.Count, known.Checks);
        Assert.True(Holds(signed[0], known));
        Assert.Equal(signed.Count + 1, known.Checks);
    }

    [Fact]
    public void Signatures_without_end_fill_no_more_than_there_is()
    {
        var known = new KnownSignatures(8);
        var signed = Enumerable.Range(0, 200).Select(i => Sign(i % 3, 50 + i)).ToList();
        Assert.All(signed, s => Assert.True(Holds(s, known)));
        var before = known.Checks;
        // From the newest on, so that none that is known is pushed out by another before it is asked for.
        Assert.All(Enumerable.Reverse(signed).Take(100), s => Assert.True(Holds(s, known)));
        Assert.True(known.Checks - before >= 100 - 8 * KnownSignatures.Ways, $"{known.Checks - before} of 100 were checked");
    }

    [Fact(Timeout = 60_000)]
    public async Task Many_at_once_are_told_the_truth()
    {
        var known = new KnownSignatures(2);
        var good = Enumerable.Range(0, 20).Select(i => Sign(i, 30 + 60 * i)).ToList();
        var bad = good.Select(s => s with { Content = Changed(s.Content, 3) }).ToList();
        using var start = new Barrier(4);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => Task.Factory.StartNew(
            () =>
            {
                var random = new Random(seed);
                start.SignalAndWait(TestContext.Current.CancellationToken);
                for (var i = 0; i < 500; i++)
                {
                    var at = random.Next(good.Count);
                    var isGood = random.Next(2) == 0;
                    Assert.Equal(isGood, Holds((isGood ? good : bad)[at], known));
                }
            },
            TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        // Some were known: less than all that was asked.
        Assert.InRange(known.Checks, good.Count, 1_999);
    }

    private bool Holds(Signed signed) => Holds(signed, _known);

    private static bool Holds(Signed signed, KnownSignatures known) => known.Verify(signed.Signer, Label, signed.Content, signed.Signature);

    private static Signed Sign(int number, int size)
    {
        using var key = TestIdentity.KeyOf(number);
        var content = new byte[size];
        new SeededEntropy(number).Fill(content);
        return new(key.Id, content, key.Sign(Label, content));
    }

    private static byte[] Changed(byte[] bytes, int at)
    {
        byte[] changed = [.. bytes];
        changed[at] ^= 1;
        return changed;
    }
}
