using Dawn.Routing.Modes;
using Dawn.Testing.Routing;
using Xunit;

namespace Dawn.Routing.Tests;

public sealed class CentralizedModeTests
{
    private static readonly Situation[] Table =
    [
        new("over the hub", new("s-h h-t") { Hubs = "h" }, "h"),
        new("linked with it all the same: over the hub, straight as the last resort", new("s-t s-h h-t") { Hubs = "h" }, "ht"),
        new("hubs in their order, whatever they cost", new("s-h:1 s-i:90") { Hubs = "ih" }, "ih"),
        new("the hub that it names first", new("s-h s-i i-t") { Hubs = "hi", Relays = "t:i" }, "ih"),
        new("the target is a hub: straight, over the others else", new("s-t s-h") { Hubs = "ht" }, "th"),
        new("the target is a hub without a link: over the other, and it is worth dialling", new("s-h h-t") { Hubs = "ht", Dialable = "ht" }, "h", "t"),
        new("no hub is linked: hubs are dialled, and nobody else", new() { Hubs = "hi", Relays = "t:r", Dialable = "ihrt" }, "", "hi"),
        new("no hub is linked: the one that leads there is dialled first", new() { Hubs = "hi", Relays = "t:i", Dialable = "hi" }, "", "ih"),
        new("no hub is linked: what else there is, as the last resort", new("s-t s-a:9 s-b:1 s-x x-t") { Hubs = "h", Relays = "t:ab", Flooded = "t", Dialable = "h" }, "tba", "h"),
        new("no hub is linked, a flood found it", new("s-x x-y y-t") { Hubs = "h", Flooded = "t" }, "x"),
        new("a hub hands on straight", new("s-t s-r r-t") { Relays = "t:r" }, "tr"),
        new("a hub dials nobody", new() { Relays = "t:r", Dialable = "rt" }, ""),
        new("a hub that is in its own list hands on straight", new("s-t s-r") { Hubs = "s", Relays = "t:r", Dialable = "s" }, "tr"),
        new("a hub among others: straight before over these", new("s-t s-h h-t") { Hubs = "hs" }, "th"),
        new("a hub among others: to the one that it names, and else to them all", new("s-h s-i s-r i-t") { Hubs = "shi", Relays = "t:ri" }, "irh"),
        new("a hub among others dials these", new() { Hubs = "shi", Dialable = "hit" }, "", "hi"),
        new("nothing is known of it: the hub may know", new("s-h") { Hubs = "h", Unheard = "t" }, "h"),
    ];

    public static TheoryData<string> Rows => Situation.NamesOf(Table);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Reaches(string situation) => Situation.Holds(situation, Table, new CentralizedMode());

    [Theory]
    [InlineData("hi", 'h', true)]
    [InlineData("hi", 'i', true)]
    [InlineData("hi", 't', false)]
    [InlineData("", 't', false)]
    [InlineData("s", 't', false)]
    [InlineData("sh", 'h', true)]
    [InlineData("sh", 't', false)]
    public void Only_hubs_may_be_neighbours(string hubs, char node, bool may) =>
        Assert.Equal(may, new CentralizedMode().MayLink(new TestNetwork("s-t") { Hubs = hubs }.ViewOf('s'), TestNetwork.NodeOf(node)));
}
