using System.Collections.Immutable;
using System.Globalization;
using Dawn.Agents;

namespace Dawn.Plugins;

/// <summary>The section <c>Dawn:Plugins:{name}</c>: what of it is the host's, and the rest for the plugin.</summary>
/// <remarks>A snapshot: a plugin that listened to the host's configuration could not be unloaded. A change loads the plugin anew.</remarks>
internal sealed class PluginSettings
{
    public const string Root = "Dawn:Plugins";

    private static readonly string[] HostKeys = ["Enabled"];
    private static readonly string[] AgentKeys = ["Enabled", "Share", "Tools"];

    private readonly ImmutableArray<KeyValuePair<string, string?>> _values;
    private readonly string _path;

    public PluginSettings(IConfiguration configuration, string shortName)
    {
        _path = $"{Root}:{shortName}";
        _values = [.. configuration.GetSection(_path).AsEnumerable(makePathsRelative: true).Where(p => p.Key.Length > 0).OrderBy(p => p.Key, StringComparer.Ordinal)];
    }

    /// <summary>Differs once any value has changed.</summary>
    public string Stamp => string.Join(";", _values.Select(p => p.Key + "=" + p.Value));

    public bool? Enabled => Value("Enabled") is not { } text ? null
        : bool.TryParse(text, out var enabled) ? enabled
        : throw new PluginException($"{_path}:Enabled is '{text}'.", "Set it to true or false.");

    /// <summary>What the plugin itself reads: a section of the same path, so that its errors name it in full.</summary>
    public IConfiguration ForPlugin(bool isAgent, IEnumerable<KeyValuePair<string, string?>> defaults)
    {
        var hidden = isAgent ? AgentKeys : HostKeys;
        var visible = _values.Where(p => !hidden.Contains(p.Key.Split(':')[0], StringComparer.OrdinalIgnoreCase));
        return new ConfigurationBuilder()
            .AddInMemoryCollection(defaults.Select(InFull))
            .AddInMemoryCollection(visible.Where(p => p.Value is not null).Select(InFull))
            .Build()
            .GetSection(_path);
    }

    /// <summary>Who may call an agent: the settings over its manifest over all members.</summary>
    public AgentPolicy Policy(AgentManifest manifest)
    {
        var tools = ImmutableDictionary.CreateBuilder<string, Audience>();
        foreach (var (tool, share) in manifest.Tools)
        {
            tools[tool] = Parse(share, $"tools.{tool} in {AgentManifest.FileName}");
        }

        const string Prefix = "Tools:";
        foreach (var (key, share) in _values.Where(p => p.Value is not null && p.Key.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)))
        {
            tools[key[Prefix.Length..]] = Parse(share!, $"{_path}:{key}");
        }

        var callers = Value("Share") is { } set ? Parse(set, $"{_path}:Share")
            : manifest.Share is { } said ? Parse(said, $"share in {AgentManifest.FileName}")
            : Audience.Everyone;
        return new(callers, tools.ToImmutable());
    }

    private static Audience Parse(string share, string where) =>
        Audience.TryParse(share, out var audience, out var error) ? audience
            : throw new PluginException(string.Create(CultureInfo.InvariantCulture, $"{where}: {error}."), "Write members, owner, or a list of roles and NodeIds separated by commas.");

    private string? Value(string key) => _values.FirstOrDefault(p => p.Key.Equals(key, StringComparison.OrdinalIgnoreCase)).Value;

    private KeyValuePair<string, string?> InFull(KeyValuePair<string, string?> pair) => new($"{_path}:{pair.Key}", pair.Value);
}
