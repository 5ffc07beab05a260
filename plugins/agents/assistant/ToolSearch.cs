using System.Text.RegularExpressions;

namespace Dawn.Agents.Assistant;

/// <summary>Finds tools by what their names and descriptions say. Pure.</summary>
internal static partial class ToolSearch
{
    private const int MaxWords = 64;

    /// <summary>Those that share words with the query, the best first. A word that few tools have counts more (inverse document frequency: Spärck Jones, 1972), and in a name more than in a description.</summary>
    public static IReadOnlyList<NetworkTool> Find(IReadOnlyList<NetworkTool> tools, string query, int most)
    {
        var wanted = Words(query).Distinct().Take(MaxWords).ToList();
        var texts = tools.Select(tool => (Tool: tool, Name: Words($"{tool.Name} {tool.Definition.Title}").ToHashSet(), About: Words($"{tool.Definition.Description} {tool.AgentTitle} {tool.Agent}").ToHashSet())).ToList();
        var weights = wanted.ToDictionary(word => word, word => Math.Log((texts.Count + 1.0) / (texts.Count(t => Has(t.Name, word) || Has(t.About, word)) + 0.5)));
        return [.. texts
            .Select(t => (t.Tool, Score: wanted.Sum(word => weights[word] * (Has(t.Name, word) ? 3 : Has(t.About, word) ? 1 : 0))))
            .Where(t => t.Score > 0)
            .OrderByDescending(t => t.Score).ThenBy(t => t.Tool.Address, StringComparer.Ordinal).ThenBy(t => t.Tool.Name, StringComparer.Ordinal)
            .Take(most).Select(t => t.Tool)];
    }

    // "counts" finds "count", and "count" finds "counts".
    private static bool Has(HashSet<string> words, string word) =>
        words.Contains(word) || (word.Length >= 4 && words.Any(w => w.Length >= 4 && (w.StartsWith(word, StringComparison.Ordinal) || word.StartsWith(w, StringComparison.Ordinal))));

    private static IEnumerable<string> Words(string text) =>
        Boundary.Replace(text, "$1 $2").ToLowerInvariant().Split(NoWord, StringSplitOptions.RemoveEmptyEntries).Where(word => word.Length > 1 && !Stop.Contains(word));

    private static readonly char[] NoWord = [.. Enumerable.Range(0, 128).Select(c => (char)c).Where(c => !char.IsAsciiLetterOrDigit(c))];

    private static readonly HashSet<string> Stop = ["the", "an", "and", "or", "of", "to", "in", "on", "is", "are", "it", "for", "with", "what", "how", "please", "can", "you", "me", "my", "do", "does", "this", "that"];

    [GeneratedRegex("([a-z0-9])([A-Z])")]
    private static partial Regex Boundary { get; }
}
