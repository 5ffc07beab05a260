using System.Collections.Immutable;
using System.Text.Json;
using Dawn.Identity;

namespace Dawn.Plugins;

/// <summary>The optional <c>agent.json</c> in an agent's folder.</summary>
/// <param name="Id">The agent's name in the network; by default the folder's.</param>
/// <param name="Enabled">False for an agent that is off unless the settings turn it on.</param>
/// <param name="Share">Who may call: as <c>Share</c> in the settings, which overrides it.</param>
/// <param name="Tools">Who may call single tools: as <c>Tools</c> in the settings.</param>
/// <param name="Settings">Defaults of what the agent reads from its configuration.</param>
internal sealed record AgentManifest(string Id, string? Title, string? Description, bool Enabled, string? Share, ImmutableDictionary<string, string> Tools, ImmutableArray<KeyValuePair<string, string?>> Settings)
{
    public const string FileName = "agent.json";

    private const int MaxBytes = 64 * 1024;

    // A key is spelled out in full for each value below it: 64 KiB of nested keys would otherwise become gigabytes.
    private const int MaxKey = 512;

    private const string Known = "id, title, description, enabled, share, tools, settings";

    /// <summary>Reads it from a folder; the defaults where there is none.</summary>
    /// <exception cref="PluginException">It is wrong; the key is named.</exception>
    public static AgentManifest Read(string folder, string shortName)
    {
        var file = new FileInfo(Path.Combine(folder, FileName));
        return !file.Exists ? Check(Default(shortName))
            : file.Length > MaxBytes ? throw TooLarge()
            : Parse(File.ReadAllBytes(file.FullName), shortName);
    }

    /// <summary>Reads what the file holds.</summary>
    /// <exception cref="PluginException">It is wrong; the key is named.</exception>
    public static AgentManifest Parse(byte[] utf8, string shortName)
    {
        if (utf8.Length > MaxBytes)
        {
            throw TooLarge();
        }

        try
        {
            var options = new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, AllowDuplicateProperties = false, MaxDepth = 16 };
            using var json = JsonDocument.Parse(utf8, options);
            return Check(Parse(json.RootElement, Default(shortName)));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The latter is how text says that it is no Unicode, such as half of a surrogate pair: not when it is parsed but when it is read.
            throw Wrong($"is not valid JSON: {e.Message}");
        }
    }

    private static AgentManifest Default(string shortName) => new(shortName, null, null, true, null, ImmutableDictionary<string, string>.Empty, []);

    private static AgentManifest Check(AgentManifest manifest)
    {
        if (!AgentId.IsValid(manifest.Id) || AgentId.IsReserved(manifest.Id))
        {
            throw new PluginException(
                $"'{manifest.Id}' {(AgentId.WhyReserved(manifest.Id) is { } reason ? $"is reserved: {reason}" : "can't be an agent's name")}.",
                $"Set id in {FileName}, or rename the folder: lower-case letters, digits and hyphens, at most {AgentId.MaxLength}.");
        }

        return manifest;
    }

    private static AgentManifest Parse(JsonElement root, AgentManifest manifest)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw Wrong("is not an object.");
        }

        foreach (var (key, value) in root.EnumerateObject().Select(p => (p.Name, p.Value)))
        {
            manifest = key switch
            {
                "id" => manifest with { Id = Text(key, value) },
                "title" => manifest with { Title = Text(key, value) },
                "description" => manifest with { Description = Text(key, value) },
                "share" => manifest with { Share = Text(key, value) },
                "enabled" when value.ValueKind is JsonValueKind.True or JsonValueKind.False => manifest with { Enabled = value.GetBoolean() },
                "enabled" => throw Wrong("has an 'enabled' that is neither true nor false."),
                "tools" => manifest with { Tools = Object(key, value).ToImmutableDictionary(p => p.Name, p => Text("tools." + p.Name, p.Value)) },
                "settings" => manifest with { Settings = [.. Object(key, value).SelectMany(p => Flatten(p.Name, p.Value))] },
                _ => throw Wrong($"has an unknown key '{key}'; there are {Known}."),
            };
        }

        return manifest;
    }

    private static string Text(string key, JsonElement value) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong($"has a '{key}' that is no string.");

    private static IEnumerable<JsonProperty> Object(string key, JsonElement value) =>
        value.ValueKind == JsonValueKind.Object ? value.EnumerateObject() : throw Wrong($"has a '{key}' that is no object.");

    // Keys as the configuration names them: a:b for objects, a:0 for arrays.
    private static IEnumerable<KeyValuePair<string, string?>> Flatten(string key, JsonElement value) => value.ValueKind switch
    {
        _ when key.Length > MaxKey => throw Wrong($"has a key of more than {MaxKey} characters in its settings."),
        JsonValueKind.Object => value.EnumerateObject().SelectMany(p => Flatten($"{key}:{p.Name}", p.Value)),
        JsonValueKind.Array => value.EnumerateArray().SelectMany((item, i) => Flatten($"{key}:{i}", item)),
        JsonValueKind.Null => [new(key, null)],
        _ => [new(key, value.ToString())],
    };

    private static PluginException TooLarge() => Wrong($"is larger than {MaxBytes / 1024} KiB.");

    private static PluginException Wrong(string what) => new($"{FileName} {what}", $"Correct it; all keys are optional: {Known}.");
}
