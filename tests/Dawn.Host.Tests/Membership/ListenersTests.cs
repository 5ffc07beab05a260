using System.Net;
using Dawn.Identity;
using Dawn.Membership;
using Xunit;

namespace Dawn.Tests.Membership;

public class ListenersTests
{
    private static readonly string[] Machine = ["10.0.0.5", "fd00::5", "127.0.0.1", "::1"];

    [Theory]
    [InlineData("ws://0.0.0.0:7610", "ws://10.0.0.5:7610")]
    [InlineData("ws://[::]:7610", "ws://10.0.0.5:7610 ws://[fd00::5]:7610")]
    [InlineData("tcp://127.0.0.1:1", "tcp://127.0.0.1:1")]
    [InlineData("tcp://127.0.0.1:1 ws://0.0.0.0:2", "ws://10.0.0.5:2")]
    [InlineData("ws://192.168.1.9:3 ws://host.example:4", "ws://192.168.1.9:3 ws://host.example:4")]
    [InlineData("ws://10.0.0.5:2 ws://0.0.0.0:2", "ws://10.0.0.5:2")]
    [InlineData("", "")]
    public void Wildcards_become_addresses_and_loopback_stays_where_nothing_else_is(string bound, string expected) =>
        Assert.Equal(Uris(expected), Listeners.Expand([.. Uris(bound)], [.. Machine.Select(IPAddress.Parse)]));

    [Fact]
    public void On_a_machine_without_a_network_loopback_is_told() =>
        Assert.Equal(Uris("ws://127.0.0.1:7610"), Listeners.Expand([new("ws://0.0.0.0:7610")], [IPAddress.Loopback, IPAddress.IPv6Loopback]));

    [Fact]
    public void No_more_than_a_record_holds()
    {
        var many = Enumerable.Range(1, 20).Select(i => new IPAddress([10, 0, 0, (byte)i])).ToList();
        Assert.Equal(NodeRecord.MaxAddresses, Listeners.Expand([new("ws://0.0.0.0:7610")], many).Length);
    }

    private static Uri[] Uris(string text) => [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(uri => new Uri(uri))];
}
