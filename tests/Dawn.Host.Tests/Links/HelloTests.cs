using CsCheck;
using Dawn.Identity;
using Dawn.Links;
using Xunit;

namespace Dawn.Tests.Links;

public class HelloTests
{
    private static readonly Gen<EncryptionMode> Mode = Gen.Enum<EncryptionMode>();

    [Fact]
    public void What_is_written_is_read() =>
        Gen.Select(Mode, Gen.Bool, Gen.Byte.Array[16], Gen.Int).Sample((offer, withTicket, ticket, seed) =>
        {
            var hello = Hello.Create(offer, withTicket ? ticket : default(ReadOnlyMemory<byte>?), new SeededEntropy(seed));
            Assert.Equal(hello.Encoded.Length - Hello.HeadSize, Hello.RestOf(hello.Encoded.Span[..Hello.HeadSize]));
            Assert.InRange(hello.Encoded.Length, 40, 512);
            var read = Hello.TryRead(hello.Encoded.Span)!;
            Assert.Equal(offer, read.Offer);
            Assert.Equal(withTicket ? ticket : null, read.TicketId?.ToArray());
            Assert.True(read.Encoded.Span.SequenceEqual(hello.Encoded.Span));
        });

    [Fact]
    public void The_layout_is_that_of_the_specification()
    {
        var hello = Hello.Create(EncryptionMode.Optional, new byte[16], new SeededEntropy(1)).Encoded.ToArray();
        Assert.Equal("4441574e01010013", Convert.ToHexStringLower(hello[..8]));
        Assert.Equal("010010" + new string('0', 32), Convert.ToHexStringLower(hello[40..]));
    }

    [Fact]
    public void Unknown_extensions_are_ignored()
    {
        byte[] hello = [.. "DAWN"u8, 1, 0, 0, 3 + 2 + 19, .. new byte[32], 9, 0, 2, 1, 2, 1, 0, 16, .. Enumerable.Repeat((byte)7, 16)];
        Assert.Equal(Enumerable.Repeat((byte)7, 16), Hello.TryRead(hello)!.TicketId!.Value.ToArray());
    }

    [Theory]
    [InlineData("00574e4e01000000")] // magic
    [InlineData("4441574e02000000")] // version
    [InlineData("4441574e01030000")] // offer
    [InlineData("4441574e010001d9")] // 473 bytes of extensions
    [InlineData("4441574e0100")] // too short
    public void A_head_that_is_not_a_hello_is_refused(string head) => Assert.Null(Hello.RestOf(Convert.FromHexString(head)));

    [Fact]
    public void Garbage_is_refused_and_never_throws() =>
        Gen.Select(Gen.Byte.Array[0, 600], Gen.Bool).Sample((bytes, likely) =>
        {
            if (likely && bytes.Length >= 40)
            {
                "DAWN\x1\x0"u8.CopyTo(bytes);
                (bytes[6], bytes[7]) = ((byte)((bytes.Length - 40) >> 8), (byte)(bytes.Length - 40));
            }

            var read = Hello.TryRead(bytes);
            Assert.True(read is null || read.Encoded.Span.SequenceEqual(bytes));
        });
}
