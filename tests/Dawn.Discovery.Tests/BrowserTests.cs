using Dawn.Discovery.Mdns;
using Dawn.Discovery.Mdns.Messages;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Discovery.Tests;

public class BrowserTests
{
    private readonly FakeLan _lan = new(new FakeTimeProvider());
    private readonly Machine _machine;
    private readonly Machine _other;

    public BrowserTests() => (_machine, _other) = (new(_lan, 1, "192.0.2.1"), new(_lan, 2, "192.0.2.2"));

    [Fact]
    public void Questions_come_ever_more_rarely_down_to_one_an_hour()
    {
        _machine.Look();
        _lan.Pass(TimeSpan.FromSeconds(40), TimeSpan.FromMilliseconds(1));
        Assert.InRange(_lan.Queries.First().At.TotalMilliseconds, 20, 121);
        Assert.Equal([1, 2, 4, 8, 16], Gaps());
        Assert.All(_lan.Queries, q => Assert.Equal(new Question(Others.Type, DnsType.Ptr), Assert.Single(q.Message.Questions)));
        _lan.Log.Clear();
        _lan.Pass(TimeSpan.FromHours(8), TimeSpan.FromMilliseconds(500));
        Assert.Equal([3_600, 3_600], Gaps()[^2..]);
    }

    [Fact]
    public void A_node_is_found_when_it_announces_itself_and_when_it_was_there_before()
    {
        var early = _machine.Look();
        _lan.Pass(30);
        _other.Tell(["ws://0.0.0.0:7610", "tcp://0.0.0.0:7611"]);
        _lan.Pass(1.5);
        Assert.Equal(["+tcp://192.0.2.2:7611", "+ws://192.0.2.2:7610"], early.Changes());
        _lan.Pass(5);
        var late = new Machine(_lan, 3, "192.0.2.3").Look();
        _lan.Pass(0.3);
        Assert.Equal(["+tcp://192.0.2.2:7611", "+ws://192.0.2.2:7610"], late.Changes());
        Assert.Empty(early.Changes());
    }

    [Fact]
    public void A_goodbye_counts_after_a_second()
    {
        var (responder, _) = _other.Tell();
        var seen = _machine.Look();
        _lan.Pass(3);
        Assert.Equal(["+ws://192.0.2.2:7610"], seen.Changes());
        _other.Loop.Detach(responder, responder.Goodbye);
        _lan.Pass(0.95);
        Assert.Empty(seen.Changes());
        _lan.Pass(0.1);
        Assert.Equal(["-ws://192.0.2.2:7610"], seen.Changes());
        Assert.Equal(0, seen.Browser.Records);
    }

    [Fact]
    public void A_node_that_fell_silent_is_asked_for_and_then_gone()
    {
        var seen = _machine.Look();
        _lan.Pass(0.5);
        _other.Say(Others.Instance("other"));
        var told = _lan.Now;
        _lan.Pass(1);
        Assert.Equal(["+ws://192.0.2.9:7610"], seen.Changes());
        _lan.Log.Clear();
        _lan.Pass(118);
        Assert.Empty(seen.Changes());
        var asked = _lan.Queries.Where(q => q.Message.Questions.Any(x => x.Type == DnsType.Srv)).Select(q => (q.At - told).TotalSeconds / 120).ToList();
        Assert.Equal(4, asked.Count);
        Assert.All(asked.Zip([0.80, 0.85, 0.90, 0.95]), pair => Assert.InRange(pair.First, pair.Second, pair.Second + 0.0201));
        _lan.Pass(2);
        Assert.Equal(["-ws://192.0.2.9:7610"], seen.Changes());
    }

    [Fact]
    public void A_node_that_answers_stays()
    {
        _other.Tell();
        var seen = _machine.Look();
        _lan.Pass(TimeSpan.FromHours(2), TimeSpan.FromMilliseconds(100));
        Assert.Equal(["+ws://192.0.2.2:7610"], seen.Changes());
        // Asked for a few records each minute and a half, not more.
        Assert.InRange(_lan.Log.Count, 100, 1_000);
    }

    [Fact]
    public void What_is_known_goes_along_with_the_question()
    {
        _machine.Look();
        _lan.Pass(0.5);
        _other.Say(Others.Instance("other"));
        _lan.Pass(20);
        Assert.Equal(new PointerData(Others.Type.Child("other")), Assert.Single(_lan.Queries.Last().Message.Answers).Data);
        Assert.InRange(_lan.Queries.Last().Message.Answers[0].Ttl, 4_400u, 4_500u);
    }

    [Fact]
    public void Many_known_answers_take_several_packets()
    {
        _machine.Look();
        for (var i = 0; i < 200; i++)
        {
            _other.Say(Others.Instance($"instance-number-{i}", address: "192.0.2.9"));
            _lan.Pass(0.01);
        }

        _lan.Log.Clear();
        _lan.Pass(10);
        var packets = _lan.Queries.Where(q => q.At == _lan.Queries.First().At).ToList();
        Assert.Equal(200, packets.SelectMany(p => p.Message.Answers).Count());
        Assert.All(packets[..^1], p => Assert.True(p.Message.IsTruncated));
        Assert.False(packets[^1].Message.IsTruncated);
    }

    [Fact]
    public void Missing_parts_are_asked_for()
    {
        var seen = _machine.Look();
        _other.Say(Others.Response(Others.Pointer("other")));
        _lan.Pass(0.5);
        Assert.Equal([new(Others.Type.Child("other"), DnsType.Srv), new(Others.Type.Child("other"), DnsType.Txt)], _lan.Queries.Last().Message.Questions);
        _other.Say(Others.Response(Others.Service("other", 7_610, "host"), Others.Text("other")));
        _lan.Pass(2);
        var host = OwnServices.Local.Child("host");
        Assert.Equal([new(host, DnsType.A), new(host, DnsType.Aaaa)], _lan.Queries.Last(q => q.Message.Questions[0].Type != DnsType.Ptr).Message.Questions);
        _other.Say(Others.Response(Others.Address("host", "2001:db8::9")));
        _lan.Pass(0.1);
        Assert.Equal(["+ws://[2001:db8::9]:7610"], seen.Changes());
        _lan.Log.Clear();
        _lan.Pass(60);
        Assert.All(_lan.Queries, q => Assert.Equal(DnsType.Ptr, q.Message.Questions[0].Type));
    }

    [Fact]
    public void Other_networks_and_versions_and_the_nodes_own_are_left_out()
    {
        var seen = _machine.Look(isOwn: name => name.Equals(Others.Type.Child("own")));
        _other.Say(Others.Instance("stranger", network: "zzzzzzzzzzzzz"));
        _other.Say(Others.Instance("own"));
        _other.Say(Others.Response(Others.Pointer("later"), Others.Service("later", 1, "later"), new DnsRecord(Others.Type.Child("later"), TextData.Of("v=2", $"n={Machine.Network}", "s=ws"), true, 120), Others.Address("later", "192.0.2.9")));
        _other.Say(Others.Response(Others.Pointer("none"), Others.Service("none", 1, "none"), new DnsRecord(Others.Type.Child("none"), TextData.Of(), true, 120), Others.Address("none", "192.0.2.9")));
        _lan.Pass(5);
        Assert.Empty(seen.Changes());
    }

    [Theory]
    [InlineData("fe80::1", "ws", 7610)]
    [InlineData("127.0.0.1", "ws", 7610)]
    [InlineData("::1", "ws", 7610)]
    [InlineData("0.0.0.0", "ws", 7610)]
    [InlineData("::", "ws", 7610)]
    [InlineData("224.0.0.251", "ws", 7610)]
    [InlineData("255.255.255.255", "ws", 7610)]
    [InlineData("ff02::fb", "ws", 7610)]
    [InlineData("::ffff:192.0.2.9", "ws", 7610)]
    [InlineData("192.0.2.9", "ws", 0)]
    [InlineData("192.0.2.9", "", 7610)]
    [InlineData("192.0.2.9", "WS", 7610)]
    [InlineData("192.0.2.9", "ws://evil.example/?", 7610)]
    [InlineData("192.0.2.9", "abcdefghijklmnopq", 7610)]
    public void What_can_not_be_dialled_is_left_out(string address, string scheme, int port)
    {
        var seen = _machine.Look();
        _other.Say(Others.Instance("other", (ushort)port, address, scheme: scheme));
        _lan.Pass(1);
        Assert.Empty(seen.Changes());
    }

    [Fact]
    public void Loopback_is_found_on_loopback()
    {
        _machine.Socket.Change(new LinkInterface(2, "lo", true, [System.Net.IPAddress.Loopback]));
        _lan.Pass(16);
        var seen = _machine.Look();
        _other.Say(Others.Instance("other", address: "127.0.0.1"));
        _lan.Pass(1);
        Assert.Equal(["+ws://127.0.0.1:7610"], seen.Changes());
    }

    [Fact]
    public void A_new_place_takes_the_place_of_the_old()
    {
        var seen = _machine.Look();
        _other.Say(Others.Instance("other"));
        _lan.Pass(2);
        _other.Say(Others.Response(Others.Service("other", 7_700, "other"), Others.Address("other", "192.0.2.10")));
        _lan.Pass(2);
        Assert.Equal(["+ws://192.0.2.10:7700"], seen.Changes());
        _other.Say(Others.Response(Others.Text("other", scheme: "tcp")));
        _lan.Pass(2);
        Assert.Equal(["+tcp://192.0.2.10:7700", "-ws://192.0.2.10:7700"], seen.Changes());
    }

    [Fact]
    public void Two_addresses_in_two_packets_are_both_kept()
    {
        var seen = _machine.Look();
        _other.Say(Others.Instance("other"));
        _other.Say(Others.Response(Others.Address("other", "192.0.2.10")));
        _lan.Pass(5);
        Assert.Equal(["+ws://192.0.2.10:7610", "+ws://192.0.2.9:7610"], seen.Changes());
    }

    [Fact]
    public void Records_of_others_names_are_not_kept()
    {
        var seen = _machine.Look();
        _other.Say(Others.Response(
            Others.Address("printer", "192.0.2.9"),
            Others.Service("unannounced", 1, "printer"),
            new DnsRecord(DnsName.Of("_http._tcp.local"), new PointerData(Others.Type.Child("x")), false, 120),
            new DnsRecord(Others.Type, new PointerData(DnsName.Of("www.example")), false, 120),
            new DnsRecord(Others.Type, new PointerData(Others.Type), false, 120),
            new DnsRecord(Others.Type, new PointerData(Others.Type.Child("b").Child("a")), false, 120)));
        _lan.Pass(1);
        Assert.Equal(0, seen.Browser.Records);
    }

    [Fact]
    public void Answers_from_another_port_do_not_count()
    {
        var seen = _machine.Look();
        _other.Say(Others.Instance("other"), port: 40_000);
        _lan.Pass(1);
        Assert.Equal(0, seen.Browser.Records);
    }

    [Fact]
    public void A_flood_of_instances_is_bounded_and_leaves_those_that_are_of_use()
    {
        var seen = _machine.Look();
        _other.Say(Others.Instance("good"));
        _lan.Pass(2);
        Assert.Equal(["+ws://192.0.2.9:7610"], seen.Changes());
        for (var i = 0; i < 2_000; i++)
        {
            _other.Say(Others.Instance($"flood-{i}", network: "zzzzzzzzzzzzz"));
            _lan.Pass(0.005);
            Assert.InRange(seen.Browser.Records, 0, ServiceCache.MaxRecords);
        }

        Assert.Empty(seen.Changes());
        _other.Say(Others.Instance("late", address: "192.0.2.10"));
        _lan.Pass(1.2);
        _other.Say(Others.Instance("late", address: "192.0.2.10"));
        _lan.Pass(1);
        Assert.Equal(["+ws://192.0.2.10:7610"], seen.Changes());
    }

    [Fact]
    public void A_flood_of_the_same_network_is_bounded_too()
    {
        var seen = _machine.Look();
        for (var i = 0; i < 1_000; i++)
        {
            _other.Say(Others.Instance($"flood-{i}", address: $"10.0.{i / 250}.{1 + i % 250}"));
            _lan.Pass(0.01);
        }

        Assert.InRange(seen.Changes().Length, 200, ServiceCache.MaxInstances);
        Assert.InRange(seen.Browser.Records, 0, ServiceCache.MaxRecords);
    }

    [Fact]
    public void One_host_has_few_addresses()
    {
        var seen = _machine.Look();
        _other.Say(Others.Instance("other"));
        for (var i = 0; i < 100; i++)
        {
            _other.Say(Others.Response(Others.Address("other", $"10.0.0.{i + 1}") with { CacheFlush = false }));
            _lan.Pass(0.005);
        }

        Assert.Equal(ServiceCache.MaxAlike, seen.Changes().Length);
    }

    [Fact]
    public void Nothing_is_remembered_for_more_than_75_minutes()
    {
        var seen = _machine.Look();
        _other.Say(Others.Response(Others.Pointer("other", uint.MaxValue), Others.Service("other", 1, "other", uint.MaxValue), Others.Text("other", ttl: uint.MaxValue), Others.Address("other", "192.0.2.9", uint.MaxValue)));
        _lan.Pass(TimeSpan.FromMinutes(74), TimeSpan.FromMilliseconds(100));
        Assert.Equal(["+ws://192.0.2.9:1"], seen.Changes());
        _lan.Pass(TimeSpan.FromMinutes(2), TimeSpan.FromMilliseconds(100));
        Assert.Equal(["-ws://192.0.2.9:1"], seen.Changes());
    }

    [Fact]
    public void Garbage_changes_nothing()
    {
        var (responder, _) = _machine.Tell();
        var seen = _machine.Look();
        var random = new Random(1);
        var valid = Others.Instance("other");
        for (var i = 0; i < 500; i++)
        {
            var garbage = new byte[random.Next(600)];
            random.NextBytes(garbage);
            _other.Say(garbage);
            _other.Say(valid[..random.Next(valid.Length)]);
            _lan.Pass(0.01);
        }

        Assert.Empty(seen.Changes());
        Assert.Null(_machine.Fault);
        _other.Say(valid);
        _lan.Pass(0.1);
        Assert.Equal(["+ws://192.0.2.9:7610"], seen.Changes());
        _machine.Loop.Detach(responder);
    }

    private int[] Gaps()
    {
        var sent = _lan.Queries.ToList();
        return [.. sent.Zip(sent.Skip(1), (a, b) => (int)Math.Round((b.At - a.At).TotalSeconds))];
    }
}
