using System.Text.RegularExpressions;

namespace Dawn.Agents.Assistant;

/// <summary>Puts what others wrote into a reply so that it says what it says, and formats nothing.</summary>
internal static partial class Markdown
{
    /// <summary>One line of text.</summary>
    public static string Plain(string text) => Special.Replace(Lines.Replace(text, " "), @"\$0");

    /// <summary>One line of code.</summary>
    public static string Code(string text) => $"`` {Lines.Replace(text, " ").Replace("``", "''", StringComparison.Ordinal)} ``";

    public static string Short(string text, int most) => text.Length <= most ? text : text[..most] + "…";

    [GeneratedRegex(@"[\\`*_{}\[\]<>#|~!]")]
    private static partial Regex Special { get; }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Lines { get; }
}
