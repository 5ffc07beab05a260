using Dawn.Discovery.Mdns;
using Dawn.Discovery.Mdns.Messages;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Discovery.Tests;

public class ConflictTests
{
    private readonly FakeLan _lan = new(new FakeTimeProvider());

    [Theory]
    [InlineData(7610, 7610)]
    [InlineData(7610, 7611)]
    public void Of_two_with_one_name_one_takes_another(int firstPort, int secondPort)
    {
        // The same seed makes the same names.
        var (_, first) = new Machine(_lan, 1, "192.0.2.1").Tell($"ws://0.0.0.0:{firstPort}");
        var (_, second) = new Machine(_lan, 1, "192.0.2.2").Tell($"ws://0.0.0.0:{secondPort}");
        Assert.Equal(first.Instances[0].Host.Name, second.Instances[0].Host.Name);
        var seen = new Machine(_lan, 3, "192.0.2.3").Look();
        _lan.Pass(15);
        Assert.NotEqual(first.Instances[0].Host.Name, second.Instances[0].Host.Name);
        Assert.Contains($"+ws://192.0.2.1:{firstPort}", seen.Changes());
        Assert.Equal(2, Hosts(_lan));
    }

    [Fact]
    public void A_name_that_somebody_has_is_left_to_them()
    {
        var (_, first) = new Machine(_lan, 1, "192.0.2.1").Tell("ws://0.0.0.0:7610");
        _lan.Pass(5);
        var was = (first.Instances[0].Name, first.Instances[0].Host.Name);
        var (_, second) = new Machine(_lan, 1, "192.0.2.2").Tell("ws://0.0.0.0:7611");
        var seen = new Machine(_lan, 3, "192.0.2.3").Look();
        _lan.Pass(10);
        Assert.Equal(was, (first.Instances[0].Name, first.Instances[0].Host.Name));
        Assert.NotEqual(first.Instances[0].Name, second.Instances[0].Name);
        Assert.NotEqual(first.Instances[0].Host.Name, second.Instances[0].Host.Name);
        Assert.Equal(["+ws://192.0.2.1:7610", "+ws://192.0.2.2:7611"], seen.Changes());
    }

    [Fact]
    public void Whoever_loses_a_tie_tries_again_a_second_later()
    {
        var (_, services) = new Machine(_lan, 1, "192.0.2.1").Tell();
        var rival = new Machine(_lan, 2, "192.0.2.2");
        var name = services.Instances[0].Name;
        _lan.Pass(0.3);
        var lost = _lan.Now;
        rival.Say(DnsMessage.Probe([name], [new(name, new ServiceData(ushort.MaxValue, 0, 1, name), true, 120)]));
        _lan.Log.Clear();
        _lan.Pass(5);
        Assert.Equal(name, services.Instances[0].Name);
        var probes = _lan.Queries.Where(q => q.Source.ToString() == "192.0.2.1" && q.Message.Questions.Any(x => x.Name.Equals(name))).ToList();
        Assert.Equal(3, probes.Count);
        Assert.InRange((probes[0].At - lost).TotalMilliseconds, 1_000, 1_005);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Whoever_wins_a_tie_or_meets_its_own_probe_goes_on(bool isSame)
    {
        var machine = new Machine(_lan, 1, "192.0.2.1");
        var (_, services) = machine.Tell();
        var name = services.Instances[0].Name;
        _lan.Pass(0.3);
        new Machine(_lan, 2, "192.0.2.2").Say(DnsMessage.Probe([name], isSame ? services.Instances[0].RecordsOn(machine.Socket.Interfaces[0]) : [new(name, TextData.Of("a"), true, 120)]));
        _lan.Pass(1);
        Assert.NotEmpty(_lan.Responses);
        Assert.Equal(name, services.Instances[0].Name);
    }

    [Fact]
    public void A_rival_who_never_gives_way_is_given_the_name()
    {
        var (_, services) = new Machine(_lan, 1, "192.0.2.1").Tell();
        var rival = new Machine(_lan, 2, "192.0.2.2");
        var name = services.Instances[0].Name;
        for (var i = 0; i < 40; i++)
        {
            rival.Say(DnsMessage.Probe([name], [new(name, new ServiceData(ushort.MaxValue, 0, 1, name), true, 120)]));
            _lan.Pass(0.25);
        }

        Assert.NotEqual(name, services.Instances[0].Name);
        Assert.Contains(_lan.Responses, r => r.Message.Answers.Any(a => a.IsSameAs(services.Instances[0].Pointer)));
    }

    [Fact]
    public void A_conflict_later_on_is_settled_by_probing_again()
    {
        var (_, services) = new Machine(_lan, 1, "192.0.2.1").Tell();
        var other = new Machine(_lan, 2, "192.0.2.2");
        _lan.Pass(5);
        var (name, host) = (services.Instances[0].Name, services.Instances[0].Host.Name);
        var theirs = new DnsRecord(host, new AddressData(other.Address), true, 120);
        _lan.Log.Clear();
        other.Say(Others.Response(theirs));
        _lan.Pass(0.1);
        Assert.Contains(_lan.Queries, q => q.Message.Questions.Any(x => x.Name.Equals(host)));
        // The other is there still, and defends it.
        other.Say(Others.Response(theirs));
        _lan.Pass(5);
        Assert.NotEqual(host, services.Instances[0].Host.Name);
        Assert.Equal(name, services.Instances[0].Name);
        var last = _lan.Responses.Last(r => r.Message.Answers.Any(a => a.Type == DnsType.Srv)).Message.Answers.Single(a => a.Type == DnsType.Srv);
        Assert.Equal(services.Instances[0].Host.Name, ((ServiceData)last.Data).Target);
    }

    [Fact]
    public void What_the_node_itself_says_on_another_interface_is_no_conflict()
    {
        var machine = new Machine(_lan, 1, "192.0.2.1");
        machine.Socket.Connect(3, _lan);
        machine.Socket.Change(new LinkInterface(2, "lan0", false, machine.Socket.Interfaces[0].Addresses), new LinkInterface(3, "lan1", false, [System.Net.IPAddress.Parse("192.0.2.77")]));
        _lan.Pass(16);
        var (_, services) = machine.Tell();
        var names = services.Names.Select(n => n.Name).ToList();
        _lan.Pass(5);
        // As a bridge between the two would have it.
        machine.Say(Others.Response(new DnsRecord(services.Instances[0].Host.Name, new AddressData(System.Net.IPAddress.Parse("192.0.2.77")), true, 120)));
        _lan.Log.Clear();
        _lan.Pass(5);
        Assert.Empty(_lan.Queries);
        Assert.Equal(names, services.Names.Select(n => n.Name));
    }

    [Fact]
    public void Answers_from_another_port_and_goodbyes_are_no_conflict()
    {
        var (_, services) = new Machine(_lan, 1, "192.0.2.1").Tell();
        var other = new Machine(_lan, 2, "192.0.2.2");
        _lan.Pass(5);
        var theirs = new DnsRecord(services.Instances[0].Host.Name, new AddressData(other.Address), true, 120);
        _lan.Log.Clear();
        other.Say(Others.Response(theirs), port: 40_000);
        other.Say(Others.Response(theirs with { Ttl = 0 }));
        _lan.Pass(5);
        Assert.Empty(_lan.Queries);
    }

    [Fact]
    public void Endless_conflicts_are_met_ever_more_slowly()
    {
        var (_, services) = new Machine(_lan, 1, "192.0.2.1").Tell();
        var other = new Machine(_lan, 2, "192.0.2.2");
        for (var i = 0; i < 600; i++)
        {
            other.Say(Others.Response(new DnsRecord(services.Instances[0].Name, new ServiceData(0, 0, 1, Others.Type), true, 120)));
            _lan.Pass(0.05);
        }

        // 30 s; without the limit there would be hundreds.
        Assert.InRange(_lan.Queries.SelectMany(q => q.Message.Questions).Select(q => q.Name).Where(n => n.IsChildOf(Others.Type)).Distinct().Count(), 1, 30);
    }

    private static int Hosts(FakeLan lan) => lan.Responses.SelectMany(r => r.Message.Answers).Where(r => r.Type == DnsType.A).Select(r => r.Name).Distinct().Count();
}
