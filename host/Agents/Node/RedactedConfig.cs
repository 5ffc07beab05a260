using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dawn.Agents.Node;

/// <summary>Settings fit to be shown: values whose key, or whose own text, speaks of a secret are replaced.</summary>
internal static partial class RedactedConfig
{
    public const string Redacted = "(redacted)";

    public static JsonObject From(IConfiguration section)
    {
        var result = new JsonObject();
        foreach (var child in section.GetChildren())
        {
            result[child.Key] = Value(child, IsSecret(child.Key));
        }

        return result;
    }

    private static JsonNode? Value(IConfigurationSection section, bool isSecret)
    {
        var children = section.GetChildren().ToList();
        if (children.Count == 0)
        {
            return isSecret && section.Value is { Length: > 0 } ? Redacted : section.Value is null ? null : Arguments().Replace(UserInfo().Replace(section.Value, "://" + Redacted + "@"), "$1" + Redacted);
        }

        if (children.All(c => int.TryParse(c.Key, out _)))
        {
            return new JsonArray([.. children.Select(c => Value(c, isSecret))]);
        }

        // Environment and headers of external servers hold keys under any name.
        var all = isSecret || section.Key.Equals("Env", StringComparison.OrdinalIgnoreCase) || section.Key.Equals("Headers", StringComparison.OrdinalIgnoreCase);
        var result = new JsonObject();
        foreach (var child in children)
        {
            result[child.Key] = Value(child, all || IsSecret(child.Key));
        }

        return result;
    }

    private static bool IsSecret(string key) => SecretKey().IsMatch(key);

    [GeneratedRegex("secret|token|password|passphrase|api-?_?key|credential|ticket|^key$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex SecretKey();

    [GeneratedRegex("://[^/@\\s]+@", RegexOptions.CultureInvariant)]
    private static partial Regex UserInfo();

    [GeneratedRegex("((?:secret|token|password|passphrase|key)=)[^&\\s]+", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Arguments();
}
