using System.Security.Cryptography;
using System.Text;

namespace Dawn.Identity;

/// <summary>A NodeId as words, which people compare by voice (docs/security.md, "Verifying a peer"). Pages show the same ones: the list is theirs.</summary>
internal static class KeyWords
{
    public const int Count = 12;

    private static readonly Lazy<string[]> List = new(Read);

    public static string[] Of(NodeId node)
    {
        var hash = SHA256.HashData([.. "dawn node words 1"u8, .. node.ToArray()]);
        return [.. hash[..Count].Select(b => List.Value[b])];
    }

    // The page's module, whose one string is the list.
    private static string[] Read()
    {
        using var reader = new StreamReader(typeof(KeyWords).Assembly.GetManifestResourceStream("wordList.js")!, Encoding.UTF8);
        var words = reader.ReadToEnd().Split('`')[1].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return words.Length == 256 ? words : throw new InvalidOperationException($"The list has {words.Length} words, not one for each byte.");
    }
}
