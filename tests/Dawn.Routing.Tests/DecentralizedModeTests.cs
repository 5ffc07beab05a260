using Dawn.Routing.Modes;
using Dawn.Testing.Routing;
using Xunit;

namespace Dawn.Routing.Tests;

public sealed class DecentralizedModeTests
{
    private static readonly Situation[] Table =
    [
        new("linked: straight", new("s-t"), "t"),
        new("linked, and over relays too: straight first", new("s-t:90 s-r:1 r-t") { Relays = "t:r" }, "tr"),
        new("not linked: over a relay that it names, and it is worth dialling", new("s-r r-t") { Relays = "t:r", Dialable = "t" }, "r", "t"),
        new("linked: not dialled again", new("s-t") { Dialable = "t" }, "t"),
        new("the cheapest relay first, one of unknown cost last, the lower NodeId of two that are equal", new("s-a:30 s-b s-c:5 s-d:5") { Relays = "t:dbca" }, "cdab"),
        new("a relay that says it forwards nothing comes last, however cheap", new("s-a:1 s-b:90 s-c") { Relays = "t:abc", Refusing = "a" }, "bca"),
        new("no relay is linked: those that can be dialled, in the target's order, after the target", new() { Relays = "t:cba", Dialable = "act" }, "", "tca"),
        new("this node is named as its relay: that leads nowhere", new("s-r") { Relays = "t:sr", Dialable = "s" }, "r"),
        new("a relay named twice", new("s-r") { Relays = "t:rr" }, "r"),
        new("neighbours that it does not name", new("s-a s-b") { Dialable = "ab" }, ""),
        new("a flood found it", new("s-x x-y y-t s-a") { Flooded = "t" }, "x"),
        new("a flood found it: after the relays", new("s-x x-t s-z") { Relays = "t:z", Flooded = "t" }, "zx"),
        new("a flood found it over a relay: once", new("s-r r-t") { Relays = "t:r", Flooded = "t" }, "r"),
        new("hubs are nodes as others", new("s-h h-t") { Hubs = "h", Dialable = "ht" }, "", "t"),
        new("nothing is known of it", new("s-x") { Unheard = "t", Relays = "t:x", Dialable = "t" }, ""),
    ];

    public static TheoryData<string> Rows => Situation.NamesOf(Table);

    [Theory]
    [MemberData(nameof(Rows))]
    public void Reaches(string situation) => Situation.Holds(situation, Table, new DecentralizedMode());

    [Fact]
    public void Anybody_may_be_a_neighbour() =>
        Assert.True(new DecentralizedMode().MayLink(new TestNetwork("s-x") { Hubs = "h" }.ViewOf('s'), TestNetwork.NodeOf('t')));
}
