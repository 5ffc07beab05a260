using System.Net;
using CsCheck;
using Dawn.Discovery.Mdns;
using Dawn.Discovery.Mdns.Messages;
using Xunit;

namespace Dawn.Discovery.Tests.Messages;

public class MessageTests
{
    private static readonly Gen<DnsName> Names = OneOf("a", "B", "local", "_tcp", "instance-with-a-longer-name").Array[1, 5].Select(labels => DnsName.Of(string.Join('.', labels)));

    private static readonly Gen<RecordData> Data = Gen.OneOf<RecordData>(
        Gen.Byte.Array[4].Select(b => (RecordData)new AddressData(new IPAddress(b))),
        Gen.Byte.Array[16].Select(b => (RecordData)new AddressData(new IPAddress(b))),
        Names.Select(n => (RecordData)new PointerData(n)),
        Gen.Select(Gen.UShort, Gen.UShort, Gen.UShort, Names).Select((p, w, port, n) => (RecordData)new ServiceData(p, w, port, n)),
        OneOf("v=1", "n=abc", "flag").Array[1, 4].Select(s => (RecordData)TextData.Of(s)),
        Names.Select(n => (RecordData)NsecData.Of(n, [DnsType.A, DnsType.Aaaa])),
        Gen.Byte.Array[0, 20].Select(b => (RecordData)new OpaqueData((DnsType)99, new(b))));

    private static readonly Gen<DnsRecord> Records = Gen.Select(Names, Data, Gen.Bool, Gen.UInt).Select((n, d, flush, ttl) => new DnsRecord(n, d, flush, ttl));

    [Fact]
    public void What_is_written_is_read() => Gen.Select(Records.Array[0, 12], Records.Array[0, 12]).Sample((answers, additionals) =>
    {
        var messages = DnsMessage.Response(answers, additionals).Select(m => MessageReader.Read(m)!).ToList();
        Assert.All(messages, m => Assert.True(m.IsResponse));
        Assert.Equal(answers, messages.SelectMany(m => m.Answers));
        Assert.Equal(additionals[..messages[^1].Additionals.Count], messages[^1].Additionals);
    }, iter: 2_000);

    [Fact]
    public void Questions_are_read_as_written() => Gen.Select(Names, Gen.Bool, Records.Array[0, 5]).Sample((name, unicast, known) =>
    {
        var message = MessageReader.Read(DnsMessage.Query([new(name, DnsType.Ptr, unicast)], known).Single())!;
        Assert.False(message.IsResponse);
        Assert.Equal(new Question(name, DnsType.Ptr, unicast), Assert.Single(message.Questions));
        Assert.Equal(known, message.Answers);
    }, iter: 500);

    [Fact]
    public void Any_bytes_are_read_or_refused() => Gen.Byte.Array[0, 300].Sample(bytes =>
    {
        MessageReader.Read(bytes);
    }, iter: 20_000);

    [Fact]
    public void Any_change_to_a_message_is_read_or_refused() => Gen.Select(Records.Array[1, 8], Gen.Int[0, 10_000], Gen.Byte, Gen.Int[0, 10_000]).Sample((records, at, octet, length) =>
    {
        var bytes = DnsMessage.Response(records, [])[0];
        bytes[at % bytes.Length] = octet;
        MessageReader.Read(bytes.AsSpan(0, length % (bytes.Length + 1)));
        if (MessageReader.Read(bytes) is { } message)
        {
            // What was taken is within bounds, and can be written again.
            Assert.All(message.Answers, r => Assert.InRange(r.Name.Wire.Length, 1, DnsName.MaxSize));
            Assert.NotEmpty(DnsMessage.Response(message.Answers, []));
        }
    }, iter: 20_000);

    [Fact]
    public void Names_are_compressed_also_in_data()
    {
        var instance = OwnServices.ServiceType.Child("abcdefghijkl");
        var bytes = DnsMessage.Response([new(OwnServices.ServiceType, new PointerData(instance), false, 1), new(instance, new ServiceData(0, 0, 1, OwnServices.Local.Child("host")), true, 1)], [])[0];
        // The header; the type in full, the instance behind a pointer; the instance as a pointer, the host's end as one.
        Assert.Equal(12 + (18 + 10 + 13 + 2) + (2 + 10 + 6 + 5 + 2), bytes.Length);
    }

    [Theory]
    [InlineData("C00C", "a pointer to itself")]
    [InlineData("C00E C00C", "two that point at each other")]
    [InlineData("01 61 C00C", "a label before a pointer back to it")]
    [InlineData("C020", "a pointer beyond the end")]
    [InlineData("C000", "a pointer into the header")]
    [InlineData("C0", "half a pointer")]
    [InlineData("05 61", "a label that ends early")]
    [InlineData("40 61 00", "a form of label that was given up")]
    [InlineData("80 61 00", "another")]
    public void Names_that_lead_nowhere_are_refused(string name, string why)
    {
        var question = Convert.FromHexString(name.Replace(" ", ""));
        byte[] message = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. question, 0, 12, 0, 1];
        Assert.True(MessageReader.Read(message) is null, why);
    }

    [Fact]
    public void Names_have_255_bytes_at_most()
    {
        // 3 labels of 63 and one of 61: 255 with the lengths and the root.
        Assert.Equal(255, Read([63, 63, 63, 61])!.Questions[0].Name.Wire.Length);
        Assert.Null(Read([63, 63, 63, 62]));
        Assert.Null(Read([.. Enumerable.Repeat(1, 128)]));

        static DnsMessage? Read(int[] labels) => MessageReader.Read([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. labels.SelectMany(l => (byte[])[(byte)l, .. new byte[l]]), 0, 0, 12, 0, 1]);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(6)]
    [InlineData(8)]
    [InlineData(10)]
    public void Lies_about_counts_are_refused(int at)
    {
        var bytes = Others.Instance("other");
        Assert.NotNull(MessageReader.Read(bytes));
        bytes[at + 1]++;
        Assert.Null(MessageReader.Read(bytes));
        bytes[at] = 0xFF;
        Assert.Null(MessageReader.Read(bytes));
    }

    [Fact]
    public void Sizes_and_kinds_of_messages_that_are_not_ours_are_refused()
    {
        var query = Others.Query(Others.Type, DnsType.Ptr);
        Assert.NotNull(MessageReader.Read([.. query, .. new byte[MessageReader.MaxMessage - query.Length]]));
        Assert.Null(MessageReader.Read([.. query, .. new byte[MessageReader.MaxMessage - query.Length + 1]]));
        Assert.Null(MessageReader.Read(query.AsSpan(0, 11)));
        byte[] update = [.. query], error = [.. query];
        update[2] = 0x28;
        error[3] = 0x03;
        Assert.Null(MessageReader.Read(update));
        Assert.Null(MessageReader.Read(error));
    }

    [Fact]
    public void The_number_of_records_is_bounded()
    {
        Assert.NotNull(Read(MessageReader.MaxRecords));
        Assert.Null(Read(MessageReader.MaxRecords + 1));

        static DnsMessage? Read(int count) =>
            MessageReader.Read([0, 0, 0x84, 0, 0, 0, (byte)(count >> 8), (byte)count, 0, 0, 0, 0, .. Enumerable.Repeat((byte[])[0, 0, 99, 0, 1, 0, 0, 0, 1, 0, 0], count).SelectMany(r => r)]);
    }

    [Theory]
    [InlineData(1, "0102030405")]
    [InlineData(28, "01020304")]
    [InlineData(12, "0000")]
    [InlineData(33, "0000000000")]
    [InlineData(33, "00000000000100FF")]
    [InlineData(16, "0561")]
    [InlineData(47, "0561")]
    public void Data_that_is_not_of_its_type_is_refused(byte type, string data)
    {
        var bytes = Convert.FromHexString(data);
        Assert.Null(MessageReader.Read([0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, type, 0, 1, 0, 0, 0, 1, 0, (byte)bytes.Length, .. bytes]));
    }

    [Fact]
    public void Other_classes_are_passed_over()
    {
        // An OPT record (RFC 6891), whose class is a size.
        var message = MessageReader.Read([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 0x05, 0xA0, 0, 0, 0, 0, 0, 0]);
        Assert.Empty(message!.Additionals);
    }

    [Fact]
    public void Labels_are_bytes_and_compare_without_the_case_of_ASCII()
    {
        var name = DnsName.FromWire([4, (byte)'A', (byte)'.', 0xC3, 0x9C, 0]);
        Assert.Equal(name, DnsName.FromWire([4, (byte)'a', (byte)'.', 0xC3, 0x9C, 0]));
        Assert.NotEqual(name, DnsName.FromWire([4, (byte)'a', (byte)'.', 0xC3, 0xBC, 0]));
        Assert.Equal(@"A\046\195\156.", name.ToString());
        Assert.Equal(".", name.Parent!.ToString());
        Assert.Null(name.Parent.Parent);
    }

    [Fact]
    public void Children_are_one_label_longer()
    {
        var type = DnsName.Of("_dawn._tcp.local");
        Assert.True(type.Child("x").IsChildOf(DnsName.Of("_DAWN._tcp.LOCAL")));
        Assert.False(type.IsChildOf(type));
        Assert.False(type.Child("x").Child("y").IsChildOf(type));
        Assert.False(DnsName.Of("x._http._tcp.local").IsChildOf(type));
        Assert.Throws<ArgumentException>(() => type.Child(new string('a', 64)));
        Assert.Throws<ArgumentException>(() => type.Child(""));
    }

    [Theory]
    [InlineData("n=abc", "abc")]
    [InlineData("N=abc", "abc")]
    [InlineData("n=", "")]
    [InlineData("n=a=b", "a=b")]
    [InlineData("n", null)]
    [InlineData("nn=abc", null)]
    [InlineData("=abc", null)]
    [InlineData("n=a\tb", null)]
    public void Text_is_keys_and_values(string text, string? value)
    {
        Assert.Equal(value, TextData.Of("x=1", text)["n"]);
        Assert.Equal("first", TextData.Of("n=first", "n=second")["n"]);
    }

    private static Gen<string> OneOf(params string[] texts) => Gen.Int[0, texts.Length - 1].Select(i => texts[i]);
}
