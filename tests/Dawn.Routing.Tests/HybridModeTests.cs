using Dawn.Routing.Modes;
using Dawn.Testing.Routing;
using Xunit;

namespace Dawn.Routing.Tests;

public sealed class HybridModeTests
{
    private static readonly Situation[] Table =
    [
        new("linked: straight, the hub for when that fails", new("s-t s-h h-t") { Hubs = "h" }, "th"),
        new("not linked: over the hub, and it is worth dialling", new("s-h h-t") { Hubs = "h", Dialable = "t" }, "h", "t"),
        new("the hub that it names first", new("s-h s-i i-t") { Hubs = "hi", Relays = "t:i" }, "ih"),
        new("it names none: hubs in their order", new("s-h s-i s-g") { Hubs = "igh" }, "igh"),
        new("hubs before other relays, however cheap", new("s-h:90 s-r:1 r-t") { Hubs = "h", Relays = "t:r" }, "hr"),
        new("no hub is linked: the cheapest relay", new("s-a:30 s-b:5") { Hubs = "h", Relays = "t:ab", Dialable = "h" }, "ba", "h"),
        new("a hub that is its relay too: once", new("s-h h-t") { Hubs = "h", Relays = "t:h" }, "h"),
        new("nothing is linked: itself, then hubs, then its relays", new() { Hubs = "hi", Relays = "t:rip", Dialable = "hiprt" }, "", "tihrp"),
        new("a flood found it: after all others", new("s-h s-x x-t") { Hubs = "h", Flooded = "t" }, "hx"),
        new("the target is a hub: straight, over the others else", new("s-t s-h") { Hubs = "ht" }, "th"),
        new("this node is the hub: as without one", new("s-r r-t") { Hubs = "s", Relays = "t:r", Dialable = "t" }, "r", "t"),
        new("no hubs: straight, or over relays", new("s-r r-t") { Relays = "t:r" }, "r"),
        new("nothing is known of it: the hub may know", new("s-h") { Hubs = "h", Unheard = "t" }, "h"),
    ];

    public static TheoryData<string> Rows => Situation.NamesOf(Table);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Reaches(string situation) => Situation.Holds(situation, Table, new HybridMode());

    [Fact]
    public void Anybody_may_be_a_neighbour() =>
        Assert.True(new HybridMode().MayLink(new TestNetwork("s-x") { Hubs = "h" }.ViewOf('s'), TestNetwork.NodeOf('t')));
}
