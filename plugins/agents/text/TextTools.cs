using System.ComponentModel;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using ModelContextProtocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Text;

public sealed record Counts(
    [property: Description("User-perceived characters.")] int Characters,
    int Words,
    int Lines,
    [property: Description("In UTF-8.")] int Bytes);

public sealed record Match([property: Description("The line, from 1.")] int Line, string Text);

public sealed record Matches(IReadOnlyList<Match> Found, [property: Description("True where more were found than are listed.")] bool More);

[McpServerToolType]
public static class TextTools
{
    private const int MaxMatches = 200;

    // A pattern from a stranger may be made to run for ever; the engine without backtracking bounds it, and this bounds what is left.
    private static readonly TimeSpan MaxSearch = TimeSpan.FromSeconds(1);

    [McpServerTool(Name = "count", Title = "Count", ReadOnly = true, Idempotent = true, OpenWorld = false, UseStructuredContent = true)]
    [Description("Counts characters, words, lines and bytes.")]
    public static Counts Count(string text) => new(
        new System.Globalization.StringInfo(text).LengthInTextElements,
        text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length,
        text.Length == 0 ? 0 : text.Count(c => c == '\n') + (text.EndsWith('\n') ? 0 : 1),
        Encoding.UTF8.GetByteCount(text));

    [McpServerTool(Name = "hash", Title = "Hash", ReadOnly = true, Idempotent = true, OpenWorld = false)]
    [Description("Computes a hash of the text's UTF-8 bytes, in hexadecimal.")]
    public static string Hash(string text, [Description("sha256, sha384 or sha512.")] string algorithm = "sha256")
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return Convert.ToHexStringLower(algorithm.ToLowerInvariant() switch
        {
            "sha256" => SHA256.HashData(bytes),
            "sha384" => SHA384.HashData(bytes),
            "sha512" => SHA512.HashData(bytes),
            _ => throw new McpException($"'{algorithm}' is not offered here. Take sha256, sha384 or sha512."),
        });
    }

    [McpServerTool(Name = "find", Title = "Find", ReadOnly = true, Idempotent = true, OpenWorld = false, UseStructuredContent = true)]
    [Description("Finds the lines of a text that match a regular expression (without look-around and back references).")]
    public static Matches Find(string text, string pattern, [Description("Whether case matters.")] bool caseSensitive = true)
    {
        try
        {
            var regex = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | (caseSensitive ? 0 : RegexOptions.IgnoreCase), MaxSearch);
            List<Match> found = [.. text.Split('\n').Select((line, i) => new Match(i + 1, line.TrimEnd('\r'))).Where(m => regex.IsMatch(m.Text)).Take(MaxMatches + 1)];
            return new([.. found.Take(MaxMatches)], found.Count > MaxMatches);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException or RegexMatchTimeoutException)
        {
            throw new McpException($"The pattern can't be used: {e.Message}");
        }
    }

    [McpServerTool(Name = "sort", Title = "Sort", ReadOnly = true, Idempotent = true, OpenWorld = false)]
    [Description("Sorts the lines of a text.")]
    public static string Sort(string text, [Description("Whether equal lines are kept once only.")] bool unique = false)
    {
        var lines = text.TrimEnd('\n').Split('\n').Order(StringComparer.Ordinal);
        return string.Join('\n', unique ? lines.Distinct() : lines);
    }
}
