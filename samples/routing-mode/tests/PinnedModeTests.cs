using System.Reflection;
using Dawn;
using Dawn.Testing.Routing;
using Dawn.Testing.Transports;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Pinned.Tests;

/// <summary>The kit's cases, and which ways this mode prefers. C is the relay: the kit's own networks have it too.</summary>
public sealed class PinnedModeTests : RoutingModeTestKit, IDisposable
{
    private readonly List<ServiceProvider> _made = [];

    protected override IRoutingMode CreateMode()
    {
        _made.Add(Plugin(("Relay", TestNetwork.NodeOf('c').ToString())));
        return _made[^1].GetRequiredService<IRoutingMode>();
    }

    public void Dispose() => _made.ForEach(services => services.Dispose());

    [Theory]
    [InlineData("s-c c-t", "", "c", "")] // over the relay
    [InlineData("s-c c-t s-t", "", "c", "")] // a link that there is all the same is not used
    [InlineData("s-t", "ct", "", "c")] // the relay is dialled, nobody else
    [InlineData("s-t", "t", "", "")] // without the relay there is no way
    public void Everything_goes_over_the_relay(string links, string dialable, string nextHops, string dial)
    {
        var plan = Mode.Plan(new TestNetwork(links) { Dialable = dialable }.ViewOf('s'), TestNetwork.NodeOf('t'));
        Assert.Equal(nextHops, TestNetwork.LettersOf(plan.NextHops));
        Assert.Equal(dial, TestNetwork.LettersOf(plan.Dial));
        Assert.False(plan.MayFlood);
    }

    [Fact]
    public void The_relay_hands_straight_to_the_target()
    {
        var network = new TestNetwork("c-t c-x") { Relays = "u:x", Dialable = "u" };
        Assert.Equal("t", TestNetwork.LettersOf(Mode.Plan(network.ViewOf('c'), TestNetwork.NodeOf('t')).NextHops));
        Assert.Equal("u", TestNetwork.LettersOf(Mode.Plan(network.ViewOf('c'), TestNetwork.NodeOf('u')).Dial));
    }

    [Fact]
    public void Links_are_made_with_the_relay_alone()
    {
        var network = new TestNetwork("s-c c-t");
        Assert.True(Mode.MayLink(network.ViewOf('s'), TestNetwork.NodeOf('c')));
        Assert.False(Mode.MayLink(network.ViewOf('s'), TestNetwork.NodeOf('t')));
        Assert.True(Mode.MayLink(network.ViewOf('c'), TestNetwork.NodeOf('t')));
    }

    [Theory]
    [InlineData("Relay", "ws://relay:7610")]
    [InlineData("Relay", null)]
    [InlineData("Relais", "x")]
    public void A_setting_that_is_wrong_is_named(string key, string? value)
    {
        using var services = Plugin((key, value));
        Assert.Contains(key, Assert.ThrowsAny<Exception>(services.GetRequiredService<IRoutingMode>).ToString(), StringComparison.Ordinal);
    }

    private static ServiceProvider Plugin(params (string Key, string? Value)[] settings) =>
        PluginServices.Of(Assembly.Load("Pinned"), settings.Select(setting => KeyValuePair.Create(setting.Key, setting.Value)));
}
