using System.Collections.Immutable;
using Dawn.Identity;

namespace Dawn.Agents.External;

/// <summary>One entry of <c>Dawn:McpServers</c>, in the shape that every MCP user knows: a command, or a URL.</summary>
/// <param name="Id">The key, and the agent's name.</param>
internal sealed record ExternalServerSettings(string Id)
{
    public const string Section = "Dawn:McpServers";

    private static readonly string[] Known = ["Command", "Args", "Env", "WorkingDirectory", "Url", "Headers", "Share", "Tools", "Title"];

    public string? Command { get; init; }

    public ImmutableArray<string> Args { get; init; } = [];

    /// <summary>Added to this process's environment.</summary>
    public ImmutableDictionary<string, string> Env { get; init; } = ImmutableDictionary<string, string>.Empty;

    public string? WorkingDirectory { get; init; }

    public Uri? Url { get; init; }

    public ImmutableDictionary<string, string> Headers { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>From <c>Share</c>, by default this node alone, and <c>Tools</c>.</summary>
    public AgentPolicy Policy { get; init; } = AgentPolicy.OwnNode;

    /// <summary>Null for what the server calls itself.</summary>
    public string? Title { get; init; }

    /// <summary>For people. Arguments and query strings stay out: they often hold secrets.</summary>
    public string Origin => Url is not null ? Url.GetLeftPart(UriPartial.Path) : Args.IsEmpty ? Command! : Command + " …";

    /// <summary>The full name of one of these settings.</summary>
    public string Key(string name) => $"{Section}:{Id}:{name}";

    /// <summary>Reads an entry; every problem is added to <paramref name="problems"/> with its key, and then there is no result.</summary>
    public static ExternalServerSettings? Read(IConfigurationSection section, List<string> problems)
    {
        var before = problems.Count;
        var id = section.Key;
        if (!AgentId.IsValid(id))
        {
            problems.Add($"{section.Path}: '{id}' is no name of an agent: a-z, 0-9 and -, at most {AgentId.MaxLength} characters, not - first");
        }
        else if (AgentId.WhyReserved(id) is { } reason)
        {
            problems.Add($"{section.Path}: the name '{id}' is reserved ({reason}); choose another");
        }

        foreach (var unknown in section.GetChildren().Where(child => !Known.Contains(child.Key, StringComparer.OrdinalIgnoreCase)))
        {
            problems.Add($"{unknown.Path} is no setting; there are {string.Join(", ", Known)}");
        }

        var (command, url) = (Text(section, "Command"), Text(section, "Url"));
        Uri? address = null;
        if (command is null == url is null)
        {
            problems.Add($"{section.Path}: set either Command or Url{(command is null ? "" : ", not both")}");
        }
        else if (url is not null && !(Uri.TryCreate(url, UriKind.Absolute, out address) && address.Scheme is "http" or "https"))
        {
            problems.Add($"{section.Path}:Url: '{url}' is no http or https address");
        }

        foreach (var (name, owner, isThere) in new[] { ("Args", "Command", command), ("Env", "Command", command), ("WorkingDirectory", "Command", command), ("Headers", "Url", url) }.Select(one => (one.Item1, one.Item2, one.Item3 is not null)))
        {
            if (!isThere && section.GetSection(name).Exists() && (command ?? url) is not null)
            {
                problems.Add($"{section.Path}:{name} goes only with {owner}");
            }
        }

        var settings = new ExternalServerSettings(id)
        {
            Command = command,
            Args = [.. Children(section, "Args", "a list", problems).Select(child => child.Value ?? "")],
            Env = Children(section, "Env", "names with values", problems).ToImmutableDictionary(child => child.Key, child => child.Value ?? ""),
            WorkingDirectory = Text(section, "WorkingDirectory"),
            Url = address,
            Headers = Children(section, "Headers", "names with values", problems).ToImmutableDictionary(child => child.Key, child => child.Value ?? ""),
            Policy = new(
                Audience(section.GetSection("Share"), problems),
                Children(section, "Tools", "names of tools, each with who may call it", problems).ToImmutableDictionary(child => child.Key, child => Audience(child, problems))),
            Title = Text(section, "Title"),
        };
        return problems.Count == before ? settings : null;
    }

    /// <summary>The same text for the same settings, whatever their order: what decides whether a server must be replaced.</summary>
    public static string Fingerprint(IConfigurationSection section) =>
        string.Join('\n', section.AsEnumerable(makePathsRelative: true).Where(pair => pair.Value is not null).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"));

    private static string? Text(IConfigurationSection section, string name) => section[name] is { Length: > 0 } text ? text : null;

    private static IEnumerable<IConfigurationSection> Children(IConfigurationSection section, string name, string shape, List<string> problems)
    {
        var list = section.GetSection(name);
        if (!string.IsNullOrEmpty(list.Value))
        {
            problems.Add($"{list.Path} is {shape}, not one value");
        }

        return list.GetChildren();
    }

    private static Audience Audience(IConfigurationSection section, List<string> problems)
    {
        if (!Agents.Audience.TryParse(section.Value ?? "", out var audience, out var error))
        {
            problems.Add($"{section.Path}: {error}");
        }

        return audience;
    }
}
