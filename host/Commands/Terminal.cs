using System.Text;

namespace Dawn.Commands;

/// <summary>Where a verb reads and writes.</summary>
/// <param name="OpenInput">Standard input as bytes.</param>
/// <param name="OpenOutput">Standard output as bytes; whoever uses it writes nothing to <paramref name="Out"/>.</param>
/// <param name="IsInteractive">True where a person reads the output: tables and colours, no control characters of others.</param>
/// <param name="TakesSignals">True where Ctrl-C and the like are turned into a cancellation.</param>
internal sealed record Terminal(
    TextWriter Out, TextWriter Error, Func<Stream> OpenInput, Func<Stream> OpenOutput, bool IsInteractive, bool TakesSignals, TimeProvider Time)
{
    public static Terminal OfProcess() => new(
        Writer(Console.OpenStandardOutput()), Writer(Console.OpenStandardError()),
        Console.OpenStandardInput, Console.OpenStandardOutput, !Console.IsOutputRedirected, true, TimeProvider.System);

    /// <summary>One line on standard error.</summary>
    public void WriteError(string message) => Error.WriteLine($"error: {OneLine(message)}");

    /// <summary>Text of others on one line, without anything that a terminal would obey.</summary>
    public static string OneLine(string text) => Clean(string.Join(' ', text.Split(['\r', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)));

    /// <summary>Text of others without control characters other than line breaks and tabs: escape sequences can rewrite what a person sees.</summary>
    public static string Clean(string text)
    {
        if (!text.Any(IsControl))
        {
            return text;
        }

        var clean = new StringBuilder(text.Length);
        foreach (var c in text)
        {
            clean.Append(IsControl(c) ? '\uFFFD' : c);
        }

        return clean.ToString();
    }

    private static bool IsControl(char c) => char.IsControl(c) && c is not ('\n' or '\r' or '\t');

    // Not the console's own writers: those follow the locale, and a script that runs without one would read question marks.
    private static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(false)) { AutoFlush = true };
}
