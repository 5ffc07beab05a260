using System.Globalization;
using Dawn.Commands;
using Dawn.Configuration;
using Dawn.Plugins;

namespace Dawn.Node.Doctor;

/// <summary>Settings that are wrong, unknown or without effect; plugins that are not well.</summary>
internal static class SettingsChecks
{
    public static IEnumerable<Finding> All(IConfigurationRoot configuration, DawnSettings settings, List<string> problems, LiveNode? node)
    {
        foreach (var problem in problems)
        {
            yield return Finding.Fail("settings", problem, "Mend it; docs/configuration.md has all keys.");
        }

        var folders = PluginFolder.Scan(settings.PluginDirectory);
        var unknown = configuration.GetSection(PluginSettings.Root).GetChildren().Where(c => !folders.Exists(f => f.ShortName.Equals(c.Key, StringComparison.OrdinalIgnoreCase))).ToList();
        foreach (var section in unknown)
        {
            yield return Finding.Warn("settings", $"{section.Path} is set, but no plugin of that name is in {settings.PluginDirectory}.", "Correct the name, or install the plugin.");
        }

        if (problems.Count + unknown.Count == 0)
        {
            yield return Finding.Ok("settings", "All are known and in force.");
        }

        if (node is null)
        {
            yield return folders.Exists(f => f.Kind == PluginKind.Transport)
                ? Finding.Ok("plugins", $"{folders.Count} are installed in {settings.PluginDirectory}; whether they load shows once the node runs.")
                : Finding.Fail("plugins", $"No transport is installed in {settings.PluginDirectory}.", "Set Dawn:PluginDirectory to where the plugins are.");
            yield break;
        }

        var ill = node.Plugins.Where(p => p.Text("status") is not ("active" or "disabled")).ToList();
        foreach (var plugin in ill)
        {
            var detail = $"{plugin.Text("name")} is {plugin.Text("status")}: {plugin.Text("problem")}";
            yield return plugin.Text("status") == "loading" ? Finding.Warn("plugins", detail, "Wait; it has 10 seconds.") : Finding.Fail("plugins", detail, "See 'dawn plugins' and 'dawn logs --category Plugins'.");
        }

        if (ill.Count == 0)
        {
            yield return Finding.Ok("plugins", $"{node.Plugins.Count(p => p.Text("status") == "active")} are active.");
        }

        foreach (var finding in Reload(configuration, node))
        {
            yield return finding;
        }
    }

    private static IEnumerable<Finding> Reload(IConfigurationRoot configuration, LiveNode node)
    {
        foreach (var problem in node.Status.List("problems").Where(p => !node.Plugins.Any(l => l.Text("name") == p.Text("name"))))
        {
            yield return Finding.Warn("node", $"{problem.Text("name")}: {problem.Text("problem")}", "See 'dawn status' and 'dawn logs'.");
        }

        if (!DateTimeOffset.TryParse(node.Diagnosis.Text("settingsRead"), CultureInfo.InvariantCulture, out var read) || !DateTimeOffset.TryParse(node.Diagnosis.Text("time"), CultureInfo.InvariantCulture, out var now))
        {
            yield break;
        }

        var newer = configuration.Providers.OfType<EditedJsonProvider>().Where(f => File.Exists(f.FilePath) && File.GetLastWriteTimeUtc(f.FilePath) > read.UtcDateTime + TimeSpan.FromSeconds(2)).Select(f => f.FilePath).ToList();
        yield return newer.Count > 0
            ? Finding.Warn("reload", $"{string.Join(", ", newer)} changed after the node read its settings ({Ago(now - read)} ago).", "dawn call node reload")
            : Finding.Ok("reload", $"The node read its settings {Ago(now - read)} ago, and they have not changed since.");
    }

    private static string Ago(TimeSpan time) =>
        time.TotalHours >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalHours:0.0} h") : string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, time.TotalSeconds):0} s");
}
