using System.Text.RegularExpressions;
using CsCheck;
using Dawn.Gateway;
using Dawn.Identity;
using Xunit;

namespace Dawn.Tests.Gateway;

public partial class PublicNamesTests
{
    private static readonly Gen<AgentAddress> Agents = Gen.Select(Gen.Byte[1, 4], AnyOf("a", "a-b", "files", new string('x', 63)), (node, id) => new AgentAddress(FakeNetwork.Node(node), id));

    private static readonly Gen<string> Tools = Gen.OneOf(
        AnyOf("read", "read_file", "read.file", "read file", "_", "", "b__read", new string('t', 100)),
        Gen.String[0, 90]);

    [Fact]
    public void NamesAreUniqueLegalAndStay() => Gen.Select(Agents, Tools).Array[0, 60].Sample(wanted =>
    {
        var names = new PublicNames();
        var given = new Dictionary<(AgentAddress, string), string>();
        foreach (var (agent, tool) in wanted.Concat(wanted.Reverse()))
        {
            var name = names.NameOf(agent, tool)!;
            Assert.Matches(Legal(), name);
            if (!given.TryAdd((agent, tool), name))
            {
                Assert.Equal(given[(agent, tool)], name);
            }

            Assert.True(names.TryResolve(name, out var owner, out var own));
            Assert.Equal((agent, tool), (owner.Value, own));
        }

        Assert.Equal(given.Count, given.Values.Distinct().Count());
    });

    [Fact]
    public void PlainNamesAreAgentAndTool()
    {
        var names = new PublicNames();
        Assert.Equal("files__read_file", names.NameOf(new(FakeNetwork.Here, "files"), "read_file"));
        Assert.Equal($"files-{FakeNetwork.There.ToString()[..6]}__read_file", names.NameOf(new(FakeNetwork.There, "files"), "read_file"));
        Assert.Equal("files__read_dot", names.NameOf(new(FakeNetwork.Here, "files"), "read.dot"));
        Assert.False(names.TryResolve("nobody__read", out _, out _));
    }

    [Fact]
    public void LongNamesOfOneBeginningDifferInTheirHash()
    {
        var names = new PublicNames();
        var agent = new AgentAddress(FakeNetwork.Here, "files");
        var one = names.NameOf(agent, new string('t', 100) + "1")!;
        var two = names.NameOf(agent, new string('t', 100) + "2")!;
        Assert.NotEqual(one, two);
        Assert.Equal((PublicNames.MaxLength, one[..55]), (two.Length, two[..55]));

        // Another process gives the same name.
        Assert.Equal(two, new PublicNames().NameOf(agent, new string('t', 100) + "2"));
    }

    private static Gen<string> AnyOf(params string[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    [GeneratedRegex("^[a-zA-Z0-9_-]{1,64}$")]
    private static partial Regex Legal();
}
