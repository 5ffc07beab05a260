namespace Dawn.Node.Doctor;

/// <summary>How hard a passphrase is to guess, roughly and from below.</summary>
internal static class Passphrase
{
    // A word of a common list of 7,776 (Diceware) is worth 12.9 bits; one that people think of themselves, less.
    private const double BitsPerWord = 11;

    // What every list of guesses begins with.
    private static readonly string[] Common = ["password", "passwort", "secret", "dawn", "admin", "qwerty", "letmein", "welcome", "network", "home", "abc123", "123456", "iloveyou", "changeme"];

    public static double EstimateBits(string text)
    {
        var words = text.Split([' ', '-', '_', '.', ','], StringSplitOptions.RemoveEmptyEntries);
        var distinct = words.Distinct(StringComparer.OrdinalIgnoreCase).ToList();
        if (distinct.Count >= 3 && distinct.All(w => w.All(char.IsLetter)))
        {
            return distinct.Where(w => !Common.Contains(w, StringComparer.OrdinalIgnoreCase)).Sum(w => Math.Min(BitsPerWord, Characters(w)));
        }

        var rest = text;
        foreach (var word in Common)
        {
            // Guessed as one: it counts as one character.
            rest = rest.Replace(word, "*", StringComparison.OrdinalIgnoreCase);
        }

        return Characters(rest);
    }

    /// <summary>Each character that neither repeats nor continues the ones before counts fully, the others one bit.</summary>
    private static double Characters(string text)
    {
        var alphabet = (text.Any(char.IsAsciiLetterLower) ? 26 : 0) + (text.Any(char.IsAsciiLetterUpper) ? 26 : 0) + (text.Any(char.IsAsciiDigit) ? 10 : 0) + (text.Any(c => !char.IsAsciiLetterOrDigit(c)) ? 20 : 0);
        var perCharacter = Math.Log2(Math.Max(2, Math.Min(alphabet, 4 * text.Distinct().Count())));
        double bits = 0;
        for (var i = 0; i < text.Length; i++)
        {
            bits += i > 0 && Math.Abs(text[i] - text[i - 1]) <= 1 ? 1 : perCharacter;
        }

        // Letters of a language are worth two bits each beyond the first few: long lower-case runs are words.
        return text.All(char.IsAsciiLetterLower) && text.Length > 6 ? Math.Min(bits, 2.5 * text.Length) : bits;
    }
}
