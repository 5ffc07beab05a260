using System.Text.Json;
using Dawn.Identity;
using Xunit;

namespace Dawn.Tests.Identity;

/// <summary>What pages make of the same keys is tested with the same file, in <c>frontend/tests/network.model.test.js</c>.</summary>
public class KeyWordsTests
{
    private sealed record Vector(string Node, string Words);

    [Fact]
    public void TheyAreThoseThatPagesShow()
    {
        using var file = typeof(KeyWordsTests).Assembly.GetManifestResourceStream("key-words.json")!;
        var vectors = JsonSerializer.Deserialize<Vector[]>(file, JsonSerializerOptions.Web)!;
        Assert.Equal(4, vectors.Length);
        Assert.All(vectors, vector => Assert.Equal(vector.Words, string.Join(' ', KeyWords.Of(new(Convert.FromHexString(vector.Node))))));
        Assert.All(vectors, vector => Assert.Equal(KeyWords.Count, vector.Words.Split(' ').Length));
    }
}
