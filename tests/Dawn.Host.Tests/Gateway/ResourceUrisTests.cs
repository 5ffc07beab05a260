using CsCheck;
using Dawn.Gateway;
using Dawn.Identity;
using Xunit;

namespace Dawn.Tests.Gateway;

public class ResourceUrisTests
{
    private static readonly AgentAddress Agent = new(FakeNetwork.There, "files");

    [Fact]
    public void AnyUriComesBackAsItWas() => Gen.String[1, 60].Where(uri => !uri.Any(char.IsSurrogate)).Sample(uri =>
    {
        var wrapped = ResourceUris.Wrap(Agent, uri);
        Assert.True(ResourceUris.TryUnwrap(wrapped, out var agent, out var own));
        Assert.Equal((Agent, uri), (agent, own));
    });

    [Theory]
    [InlineData("test://item/{id}", "{id}", "a%2Fb%20c", "test://item/a%2Fb%20c")]
    [InlineData("file:///{+path}", "{+path}", "a/b.txt", "file:///a/b.txt")]
    [InlineData("db://t{?q}", "{?q}", "?q=50%25", "db://t?q=50%25")]
    public void ExpandedTemplatesAreTheAgentsOwn(string template, string variable, string value, string expected)
    {
        var wrapped = ResourceUris.WrapTemplate(Agent, template).Replace(variable, value, StringComparison.Ordinal);
        Assert.True(ResourceUris.TryUnwrap(wrapped, out var agent, out var own));
        Assert.Equal((Agent, expected), (agent, own));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("test://static")]
    [InlineData("dawn://")]
    [InlineData("dawn://short/files/test%3A")]
    [InlineData("dawn://{node}/FILES/test%3A")]
    [InlineData("dawn://{node}/files/")]
    public void ForeignUrisAreNot(string? uri) => Assert.False(ResourceUris.TryUnwrap(uri?.Replace("{node}", FakeNetwork.Here.ToString(), StringComparison.Ordinal), out _, out _));
}
