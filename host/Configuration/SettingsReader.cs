using System.Collections.Immutable;
using System.Globalization;

namespace Dawn.Configuration;

/// <summary>Reads one section strictly: each key once, each problem noted with its key, and in the end every key that nobody asked for.</summary>
internal sealed class SettingsReader(IConfigurationSection section, List<string> problems)
{
    private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase);

    public string Path => section.Path;

    /// <summary>The value, or null where it is absent or empty (JSON's null reads as empty).</summary>
    public string? Text(string key)
    {
        _known.Add(key);
        var child = section.GetSection(key);
        if (child.GetChildren().Any())
        {
            Problem(key, "takes one value, not a section");
        }

        return string.IsNullOrEmpty(child.Value) ? null : child.Value;
    }

    public T Value<T>(string key, T absent, Parse<T> parse, string allowed)
    {
        if (Text(key) is not { } text)
        {
            return absent;
        }

        if (parse(text, out var value))
        {
            return value;
        }

        Problem(key, $"is '{text}'; allowed: {allowed}");
        return absent;
    }

    public bool Flag(string key, bool absent) => Value(key, absent, bool.TryParse, "true, false");

    public TEnum Choice<TEnum>(string key, TEnum absent) where TEnum : struct, Enum =>
        Value(key, absent, static (string text, out TEnum value) => Enum.TryParse(text, true, out value) && Enum.IsDefined(value) && char.IsLetter(text[0]), string.Join(", ", Enum.GetNames<TEnum>()));

    public int Number(string key, int absent, int min, int max) =>
        Value(key, absent, (string text, out int value) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value >= min && value <= max, $"{min} to {max}");

    public TimeSpan Duration(string key, TimeSpan absent, TimeSpan min, TimeSpan max) =>
        Value(key, absent, (string text, out TimeSpan value) => TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out value) && value >= min && value <= max, $"{min} to {max}, as hours:minutes:seconds");

    /// <summary>Bytes: <c>64 MiB</c>, <c>1 GiB</c>, <c>500 KiB</c>, or a plain number.</summary>
    public long? Size(string key) => Value<long?>(key, null, TryParseSize, "a number of bytes, KiB, MiB or GiB, such as '64 MiB'");

    /// <summary>A list; null where the key is absent. Empty entries stay, as the caller may give them a meaning.</summary>
    public ImmutableArray<T>? List<T>(string key, Parse<T> parse, string allowed)
    {
        _known.Add(key);
        var list = section.GetSection(key);
        if (!list.Exists())
        {
            return null;
        }

        if (!string.IsNullOrEmpty(list.Value))
        {
            Problem(key, "takes a list; write it as [ … ], or key by key as " + key + ":0");
            return null;
        }

        var items = ImmutableArray.CreateBuilder<T>();
        foreach (var item in list.GetChildren())
        {
            if (string.IsNullOrEmpty(item.Value))
            {
                continue;
            }

            if (parse(item.Value, out var value))
            {
                items.Add(value);
            }
            else
            {
                problems.Add($"{item.Path} is '{item.Value}'; allowed: {allowed}");
            }
        }

        return items.ToImmutable();
    }

    public SettingsReader Section(string key)
    {
        _known.Add(key);
        var child = section.GetSection(key);
        if (!string.IsNullOrEmpty(child.Value))
        {
            Problem(key, $"is '{child.Value}'; it is a section of its own keys");
        }

        return new(child, problems);
    }

    /// <summary>A section whose keys others check.</summary>
    public void Leave(string key) => _known.Add(key);

    public void Problem(string key, string what) => problems.Add($"{section.Path}:{key} {what}");

    /// <summary>Notes each key that nobody asked for; call it last.</summary>
    public void RefuseOthers()
    {
        foreach (var child in section.GetChildren().Where(c => !_known.Contains(c.Key)))
        {
            var near = _known.MinBy(k => Distance(k, child.Key));
            problems.Add($"{child.Path} is no setting" + (near is not null && Distance(near, child.Key) <= 2 ? $"; did you mean {near}?" : $"; known here: {string.Join(", ", _known.Order(StringComparer.Ordinal))}"));
        }
    }

    public delegate bool Parse<T>(string text, out T value);

    private static bool TryParseSize(string text, out long? bytes)
    {
        bytes = null;
        var digits = text.AsSpan().TrimEnd("KMGiB bytes").Trim();
        var unit = text.AsSpan(digits.Length).Trim();
        var factor = unit switch { "" or "B" or "bytes" => 1L, "KiB" => 1024L, "MiB" => 1024L * 1024, "GiB" => 1024L * 1024 * 1024, _ => 0L };
        if (factor == 0 || !long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > long.MaxValue / factor)
        {
            return false;
        }

        bytes = number * factor;
        return true;
    }

    // Optimal string alignment (Damerau), so that swapped letters, the commonest slip, count as one.
    private static int Distance(string a, string b)
    {
        (a, b) = (a.ToLowerInvariant(), b.ToLowerInvariant());
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            d[i, 0] = i;
        }

        for (var j = 0; j <= b.Length; j++)
        {
            d[0, j] = j;
        }

        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                d[i, j] = Math.Min(Math.Min(d[i - 1, j] + 1, d[i, j - 1] + 1), d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
                }
            }
        }

        return d[a.Length, b.Length];
    }
}
