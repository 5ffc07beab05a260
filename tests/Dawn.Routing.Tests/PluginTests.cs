using System.Reflection;
using Dawn.Routing.Modes;
using Dawn.Testing.Routing;
using Dawn.Testing.Transports;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Dawn.Routing.Tests;

public sealed class PluginTests
{
    [Fact]
    public void The_plugin_offers_three_modes()
    {
        using var services = PluginServices.Of(Assembly.Load("Dawn.Routing.Modes"));
        Assert.Equal(["centralized", "decentralized", "hybrid"], services.GetServices<IRoutingMode>().Select(mode => mode.Name).Order());
    }

    [Fact]
    public void A_setting_is_refused_and_told_where_hubs_belong()
    {
        var error = Assert.Throws<InvalidOperationException>(() => PluginServices.Of(Assembly.Load("Dawn.Routing.Modes"), [new("Hubs:0", "ws://hub:7610")]));
        Assert.Contains("Hubs is unknown", error.Message, StringComparison.Ordinal);
        Assert.Contains("Dawn:Hubs", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_flood_found_counts_only_while_that_neighbour_is_linked()
    {
        var (t, x) = (TestNetwork.NodeOf('t'), TestNetwork.NodeOf('x'));
        var target = new NodeView(t) { FoundOver = x };
        foreach (var mode in new IRoutingMode[] { new CentralizedMode(), new DecentralizedMode(), new HybridMode() })
        {
            Assert.Equal([x], With(new(x) { IsLinked = true }).NextHops);
            Assert.Empty(With(new(x)).NextHops);

            RoutePlan With(NodeView over) =>
                mode.Plan(new(TestNetwork.NodeOf('s'), [], over.IsLinked ? [over] : [], node => node == t ? target : node == x ? over : null), t);
        }
    }
}
