using System.Collections.Immutable;
using System.Net;
using Dawn.Discovery.Mdns;
using Dawn.Discovery.Mdns.Messages;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Discovery.Tests;

public class ResponderTests
{
    private readonly FakeLan _lan = new(new FakeTimeProvider());

    [Fact]
    public void Names_are_probed_three_times_and_announced_twice()
    {
        var (_, services) = new Machine(_lan, 1, "192.0.2.1").Tell();
        _lan.Pass(10);

        var probes = _lan.Queries.ToList();
        Assert.Equal(3, probes.Count);
        Assert.InRange(probes[0].At, TimeSpan.Zero, TimeSpan.FromMilliseconds(251));
        Assert.Equal([250, 250], Gaps(probes));
        Assert.All(probes, p =>
        {
            Assert.Equal(services.Names.Select(n => n.Name).ToHashSet(), p.Message.Questions.Select(q => q.Name).ToHashSet());
            Assert.All(p.Message.Questions, q => Assert.Equal((DnsType.Any, false), (q.Type, q.WantsUnicast)));
            // Claims, without the bit that only owners set (RFC 6762, 10.2).
            Assert.Equal([DnsType.A, DnsType.Txt, DnsType.Srv], p.Message.Authorities.Select(a => a.Type).Order().ToArray());
            Assert.All(p.Message.Authorities, a => Assert.False(a.CacheFlush));
        });

        var announcements = _lan.Responses.ToList();
        Assert.Equal([1_000], Gaps(announcements));
        Assert.Equal(250, (announcements[0].At - probes[2].At).TotalMilliseconds, 2);
        Assert.All(announcements, a => Assert.Equal(
            [DnsType.A, DnsType.Ptr, DnsType.Ptr, DnsType.Txt, DnsType.Srv], a.Message.Answers.Select(r => r.Type).Order().ToArray()));
        Assert.All(announcements[0].Message.Answers, r => Assert.Equal(r.Type != DnsType.Ptr, r.CacheFlush));
    }

    [Fact]
    public void Names_say_nothing_of_the_node_and_are_others_at_each_start()
    {
        var (_, first) = new Machine(_lan, 1, "192.0.2.1").Tell();
        var (_, second) = new Machine(_lan, 2, "192.0.2.2").Tell();
        Assert.Matches("^[a-z0-9]{12}\\._dawn\\._tcp\\.local\\.$", first.Instances[0].Name.ToString());
        Assert.Matches("^dawn-[a-z0-9]{8}\\.local\\.$", first.Instances[0].Host.Name.ToString());
        Assert.Empty(first.Names.Select(n => n.Name).Intersect(second.Names.Select(n => n.Name)));
    }

    [Fact]
    public void Each_port_is_an_instance_and_its_host_has_what_it_listens_at()
    {
        var machine = new Machine(_lan, 1, "192.0.2.1", "2001:db8::1");
        var (_, services) = machine.Tell(["ws://0.0.0.0:7610", "tcp://[::]:7611", "ws://127.0.0.1:7610", "wss://198.51.100.7:443", "ws://host.example:1", "tcp://[::1]:7612", "tcp://192.0.2.1:7613", "tcp://[fe80::1]:7614"]);
        var link = machine.Socket.Interfaces[0];
        // What listens on loopback alone is nobody's on this link.
        var told = services.Instances.Where(i => i.RecordsOn(link).Any()).Select(i =>
        {
            var service = (ServiceData)i.RecordsOn(link).First().Data;
            var text = (TextData)i.RecordsOn(link).Last().Data;
            Assert.Equal(i.Host.Name, service.Target);
            Assert.Equal(("1", Machine.Network), (text["v"], text["n"]));
            return $"{text["s"]} {service.Port} {string.Join(' ', i.Host.RecordsOn(link).Select(r => ((AddressData)r.Data).Address))}";
        });
        Assert.Equal(["ws 7610 192.0.2.1", "tcp 7611 192.0.2.1 2001:db8::1", "wss 443 198.51.100.7", "tcp 7613 192.0.2.1"], told);
    }

    [Fact]
    public void Nothing_is_answered_before_the_names_are_won()
    {
        var machine = new Machine(_lan, 1, "192.0.2.1");
        machine.Tell();
        var asker = new Machine(_lan, 2, "192.0.2.2");
        _lan.Pass(0.3);
        asker.Say(Others.Query(Others.Type, DnsType.Ptr));
        _lan.Pass(0.2);
        Assert.Empty(_lan.Responses);
    }

    [Fact]
    public void A_question_for_instances_is_answered_after_a_short_while_with_all_it_takes()
    {
        var (asker, services) = Settled();
        var asked = _lan.Now;
        asker.Say(Others.Query(Others.Type, DnsType.Ptr));
        _lan.Pass(1);
        var answer = Assert.Single(_lan.Responses);
        Assert.InRange((answer.At - asked).TotalMilliseconds, 20, 123);
        Assert.Equal(new PointerData(services.Instances[0].Name), Assert.Single(answer.Message.Answers).Data);
        Assert.Equal([DnsType.A, DnsType.Txt, DnsType.Srv, DnsType.Nsec], answer.Message.Additionals.Select(r => r.Type).Order().ToArray());
    }

    [Fact]
    public void What_is_the_nodes_alone_is_answered_at_once()
    {
        var (asker, services) = Settled();
        var asked = _lan.Now;
        asker.Say(Others.Query(services.Instances[0].Name, DnsType.Srv));
        _lan.Pass(1);
        Assert.InRange((Assert.Single(_lan.Responses).At - asked).TotalMilliseconds, 0, 5);
    }

    [Fact]
    public void Known_answers_are_not_repeated_unless_they_are_old()
    {
        var (asker, services) = Settled();
        var pointer = services.Instances[0].Pointer;
        asker.Say(Others.Query(Others.Type, DnsType.Ptr, pointer with { Ttl = pointer.Ttl / 2 }));
        _lan.Pass(1);
        Assert.Empty(_lan.Responses);
        asker.Say(Others.Query(Others.Type, DnsType.Ptr, pointer with { Ttl = pointer.Ttl / 2 - 1 }));
        _lan.Pass(1);
        Assert.Single(_lan.Responses);
    }

    [Fact]
    public void Known_answers_may_follow_in_another_packet()
    {
        var (asker, services) = Settled();
        var truncated = Others.Query(Others.Type, DnsType.Ptr);
        truncated[2] |= 0x02;
        asker.Say(truncated);
        _lan.Pass(0.2);
        Assert.Empty(_lan.Responses);
        asker.Say(DnsMessage.Query([], [services.Instances[0].Pointer]).Single());
        _lan.Pass(2);
        Assert.Empty(_lan.Responses);

        asker.Say(truncated);
        _lan.Pass(0.6);
        Assert.Single(_lan.Responses);
    }

    [Fact]
    public void A_record_is_told_once_a_second_at_most()
    {
        var (asker, _) = Settled();
        for (var i = 0; i < 200; i++)
        {
            asker.Say(Others.Query(Others.Type, DnsType.Ptr));
            _lan.Pass(0.025);
        }

        var answers = _lan.Responses.ToList();
        Assert.InRange(answers.Count, 4, 6);
        Assert.All(Gaps(answers), gap => Assert.InRange(gap, 1_000, 1_130));
    }

    [Fact]
    public void A_name_is_defended_against_a_probe_at_once()
    {
        var (asker, services) = Settled();
        var name = services.Instances[0].Name;
        for (var i = 0; i < 3; i++)
        {
            asker.Say(DnsMessage.Probe([name], [new(name, new ServiceData(0, 0, 1, Others.Type), true, 120)]));
            _lan.Pass(0.25);
        }

        Assert.Equal(3, _lan.Responses.Count());
        Assert.Contains(_lan.Responses.First().Message.Answers, r => r.Type == DnsType.Srv);
    }

    [Theory]
    [InlineData(28)]
    [InlineData(13)]
    public void Types_that_a_name_lacks_are_denied(int type)
    {
        var (asker, services) = Settled();
        var host = services.Instances[0].Host.Name;
        asker.Say(Others.Query(host, (DnsType)type));
        _lan.Pass(1);
        var denial = Assert.Single(Assert.Single(_lan.Responses).Message.Answers);
        // Window 0, one byte, bit 1: A.
        Assert.Equal(new NsecData(host, new([0, 1, 0x40])), denial.Data);
    }

    [Fact]
    public void Names_and_types_of_others_are_not_answered()
    {
        var (asker, _) = Settled();
        asker.Say(Others.Query(Others.Type.Child("somebody"), DnsType.Srv));
        asker.Say(Others.Query(DnsName.Of("_http._tcp.local"), DnsType.Ptr));
        asker.Say(Others.Query(Others.Type, DnsType.Txt));
        _lan.Pass(1);
        Assert.Empty(_lan.Responses);
    }

    [Fact]
    public void Resolvers_of_plain_DNS_are_answered_alone()
    {
        var machine = new Machine(_lan, 1, "192.0.2.1");
        var (_, services) = machine.Tell();
        _lan.Pass(5);
        _lan.Log.Clear();
        var query = Others.Query(services.Instances[0].Name, DnsType.Srv);
        (query[0], query[1]) = (0x12, 0x34);
        new Machine(_lan, 2, "192.0.2.2").Say(query, port: 40_000);
        _lan.Pass(1);
        var (target, message) = Assert.Single(machine.Socket.Unicasts);
        Assert.Equal(new IPEndPoint(IPAddress.Parse("192.0.2.2"), 40_000), target);
        Assert.Equal((0x1234, 1), (message.Id, message.Questions.Count));
        Assert.All(message.Answers.Concat(message.Additionals), r => Assert.True(r is { CacheFlush: false, Ttl: <= 10 }));
        Assert.Empty(_lan.Responses);
    }

    [Fact]
    public void Whoever_asks_for_kinds_of_services_hears_of_this_one()
    {
        var (asker, _) = Settled();
        asker.Say(Others.Query(OwnServices.ServiceTypes, DnsType.Ptr));
        _lan.Pass(1);
        Assert.Equal(new PointerData(Others.Type), Assert.Single(Assert.Single(_lan.Responses).Message.Answers).Data);
    }

    [Fact]
    public void What_another_just_said_is_not_said_again()
    {
        var (asker, _) = Settled();
        asker.Say(Others.Query(OwnServices.ServiceTypes, DnsType.Ptr));
        _lan.Pass(0.002);
        asker.Say(Others.Response(OwnServices.ServiceTypePointer));
        _lan.Pass(1);
        Assert.DoesNotContain(_lan.Responses, r => r.Source.ToString() == "192.0.2.1");
    }

    [Fact]
    public void The_end_takes_everything_back()
    {
        var machine = new Machine(_lan, 1, "192.0.2.1");
        var (responder, services) = machine.Tell();
        _lan.Pass(5);
        _lan.Log.Clear();
        machine.Loop.Detach(responder, responder.Goodbye);
        var goodbye = Assert.Single(_lan.Responses).Message.Answers;
        Assert.All(goodbye, r => Assert.Equal(0u, r.Ttl));
        Assert.Contains(goodbye, r => r.IsSameAs(services.Instances[0].Pointer));
        Assert.DoesNotContain(goodbye, r => r.Name.Equals(OwnServices.ServiceTypes));
        machine.Say(Others.Query(Others.Type, DnsType.Ptr));
        _lan.Pass(1);
        Assert.Single(_lan.Responses);
    }

    [Fact]
    public void Before_the_names_are_won_there_is_nothing_to_take_back()
    {
        var machine = new Machine(_lan, 1, "192.0.2.1");
        var (responder, _) = machine.Tell();
        _lan.Pass(0.3);
        machine.Loop.Detach(responder, responder.Goodbye);
        _lan.Pass(2);
        Assert.Empty(_lan.Responses);
    }

    [Fact]
    public void A_new_interface_is_told_too_and_new_addresses_are_announced()
    {
        var machine = new Machine(_lan, 1, "192.0.2.1");
        var (_, services) = machine.Tell();
        _lan.Pass(5);
        var other = new FakeLan(_lan.Time);
        machine.Socket.Connect(3, other);
        machine.Socket.Change(new LinkInterface(2, "lan0", false, [IPAddress.Parse("192.0.2.77")]), new LinkInterface(3, "lan1", false, [IPAddress.Parse("198.51.100.1")]));
        _lan.Log.Clear();
        _lan.Pass(20);

        Assert.Equal(3, other.Queries.Count());
        Assert.Equal(2, other.Responses.Count());
        Assert.Equal("198.51.100.1", AddressIn(other.Responses.First()));
        Assert.Empty(_lan.Queries);
        Assert.Equal(2, _lan.Responses.Count());
        Assert.Equal("192.0.2.77", AddressIn(_lan.Responses.First()));
        Assert.Equal(services.Instances[0].Host.Name, _lan.Responses.First().Message.Answers.Single(r => r.Type == DnsType.A).Name);
    }

    [Fact]
    public void Changes_elsewhere_are_not_announced()
    {
        var machine = new Machine(_lan, 1, "192.0.2.1");
        machine.Tell();
        _lan.Pass(5);
        machine.Socket.Connect(3, new FakeLan(_lan.Time));
        machine.Socket.Change(machine.Socket.Interfaces[0], new LinkInterface(3, "lan1", false, [IPAddress.Parse("198.51.100.1")]));
        _lan.Log.Clear();
        _lan.Pass(20);
        Assert.Empty(_lan.Log);
    }

    [Fact]
    public void An_interface_that_went_away_is_forgotten()
    {
        var machine = new Machine(_lan, 1, "192.0.2.1");
        machine.Tell();
        _lan.Pass(5);
        machine.Socket.Change();
        _lan.Pass(20);
        _lan.Log.Clear();
        machine.Socket.Change(new LinkInterface(2, "lan0", false, ImmutableArray.Create(IPAddress.Parse("192.0.2.1"))));
        _lan.Pass(20);
        // It is probed anew: somebody may have taken the name meanwhile.
        Assert.Equal((3, 2), (_lan.Queries.Count(), _lan.Responses.Count()));
    }

    // A responder that has told all, and somebody else.
    private (Machine Asker, OwnServices Services) Settled()
    {
        var (_, services) = new Machine(_lan, 1, "192.0.2.1").Tell();
        var asker = new Machine(_lan, 2, "192.0.2.2");
        _lan.Pass(5);
        _lan.Log.Clear();
        return (asker, services);
    }

    private static string AddressIn(FakeLan.Sent sent) => ((AddressData)sent.Message.Answers.Single(r => r.Type == DnsType.A).Data).Address.ToString();

    private static int[] Gaps(List<FakeLan.Sent> sent) => [.. sent.Zip(sent.Skip(1), (a, b) => (int)Math.Round((b.At - a.At).TotalMilliseconds))];
}
