using System.Globalization;

namespace Dawn.Commands;

/// <summary>Times as people write them: 90s, 10m, 2h, 7d.</summary>
internal static class Duration
{
    /// <exception cref="CommandException">It is none.</exception>
    public static int Seconds(string option, string text)
    {
        var unit = text.Length > 1 ? text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 } : 0;
        return unit > 0 && int.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0 && (long)count * unit <= int.MaxValue
            ? count * unit
            : throw new CommandException($"{option} {text} is no time; write 90s, 10m, 2h or 7d.", ExitCode.Usage);
    }
}
