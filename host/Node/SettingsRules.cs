using Dawn.Agents;
using Dawn.Agents.External;
using Dawn.Configuration;
using Dawn.Gateway;
using Dawn.Plugins;

namespace Dawn.Node;

/// <summary>All that is checked of a node's settings, at the start and before an edit is taken; which of them an edit changes at once.</summary>
internal static class SettingsRules
{
    /// <summary>Settings that take effect while the node runs; all others at its next start. The log's levels do as well.</summary>
    public static IReadOnlyList<string> AtRunTime { get; } = ["McpServers", "Plugins", "Security:Owners"];

    /// <summary>Reads the settings; every problem is noted with its key.</summary>
    public static DawnSettings Read(IConfiguration configuration, List<string> problems)
    {
        var settings = DawnConfiguration.Read(configuration, problems);
        problems.AddRange(GatewaySettings.Validate(NodeServices.GatewayOf(settings)));
        foreach (var server in configuration.GetSection(ExternalServerSettings.Section).GetChildren())
        {
            ExternalServerSettings.Read(server, problems);
        }

        // Below Logging, each LogLevel section: of all logs, and of one provider.
        foreach (var level in configuration.GetSection("Logging").AsEnumerable().Where(p => p.Value is { Length: > 0 } && p.Key.Contains(":LogLevel:", StringComparison.OrdinalIgnoreCase)))
        {
            if (!Enum.TryParse<LogLevel>(level.Value, true, out _))
            {
                problems.Add($"{level.Key} is '{level.Value}'; allowed: {string.Join(", ", Enum.GetNames<LogLevel>())}");
            }
        }

        return settings;
    }

    /// <summary>What else is refused in an edit: at the start it fails the plugin alone, and here it would take away one that works.</summary>
    public static IEnumerable<string> PluginProblems(IConfiguration configuration, IReadOnlyCollection<PluginStatus> plugins)
    {
        var agents = plugins.Where(p => p.Kind == PluginKind.Agent).Select(p => p.Name[(p.Name.LastIndexOf('/') + 1)..]).ToHashSet(StringComparer.OrdinalIgnoreCase);
        foreach (var plugin in configuration.GetSection(PluginSettings.Root).GetChildren())
        {
            if (plugin["Enabled"] is { Length: > 0 } enabled && !bool.TryParse(enabled, out _))
            {
                yield return $"{plugin.Path}:Enabled is '{enabled}'; allowed: true, false";
            }

            if (!agents.Contains(plugin.Key))
            {
                continue;
            }

            foreach (var audience in plugin.GetSection("Tools").GetChildren().Append(plugin.GetSection("Share")).Where(a => a.Value is not null))
            {
                if (!Audience.TryParse(audience.Value!, out _, out var error))
                {
                    yield return $"{audience.Path}: {error}";
                }
            }
        }
    }
}
