using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dawn.Commands;

/// <summary><c>dawn logs</c>: the newest log entries of the running node, and how closely it logs.</summary>
internal static class LogsVerb
{
    private const int PatienceSeconds = 20;
    private const int UsualEntries = 200;
    private const int MaxEntries = 1000;

    private static readonly string[] Levels = ["trace", "debug", "information", "warning", "error", "critical"];

    public static Command Create(VerbFactory factory)
    {
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on, and print entries as they come; with --json one a line." };
        var level = new Option<string>("--level") { Description = "The least level.", DefaultValueFactory = _ => "information" };
        level.AcceptOnlyFromAmong(Levels);
        var category = new Option<string>("--category") { Description = "Only of this part, such as Links.", HelpName = "part", DefaultValueFactory = _ => "" };
        var count = Verb.Options.NewNumber("--lines", "So many entries at first.", "count", UsualEntries, 1, MaxEntries);
        count.Aliases.Add("-n");
        var set = new Option<string[]>("--set") { Description = "Log a part more or less closely for a while: Links=debug. Links=default goes back to the settings.", HelpName = "part=level" };
        var duration = new Option<string>("--for") { Description = "How long --set holds: 90s, 10m, 2h; at most 24h.", HelpName = "time", DefaultValueFactory = _ => "10m" };
        var levels = new Option<bool>("--levels") { Description = "Print which levels are in force, instead of entries." };
        var command = factory.Create("logs", """
            Prints the newest log entries of the running node, from its memory, or sets for a while how closely it logs.

            Example:
              dawn logs --follow --level warning
              dawn logs --set Links=debug --for 5m
              dawn logs --category Links --level debug --follow
            """, true, async (verb, cancellationToken) =>
        {
            var wanted = verb.Parsed.GetValue(set) ?? [];
            var seconds = Duration.Seconds("--for", verb.Parsed.GetValue(duration)!);
            var changes = wanted.Select(text => Change(text, seconds)).ToList();
            var isFollowing = verb.Parsed.GetValue(follow);
            await using var node = await verb.WithinTimeoutAsync(ct => NodeClient.OpenAsync(verb, ct), cancellationToken);
            JsonElement? inForce = verb.Parsed.GetValue(levels) ? await node.CallAsync("log_levels", [], verb, cancellationToken) : null;
            foreach (var change in changes)
            {
                inForce = await node.CallAsync("set_log_level", change, verb, cancellationToken);
            }

            if (inForce is { } list && !isFollowing)
            {
                PrintLevels(verb, list);
                return ExitCode.Done;
            }

            // Who asks for more detail and for the entries in one go means to see it.
            var least = changes.Count > 0 && verb.Parsed.GetResult(level) is null or { Implicit: true } ? "trace" : verb.Parsed.GetValue(level);
            JsonObject Arguments() => new() { ["level"] = least, ["category"] = verb.Parsed.GetValue(category) };
            var arguments = Arguments();
            arguments["limit"] = verb.Parsed.GetValue(count);
            do
            {
                var page = await node.CallAsync("logs", arguments, verb, cancellationToken);
                Print(verb, page, isFollowing);
                arguments = Arguments();
                (arguments["after"], arguments["limit"], arguments["waitSeconds"]) = ((long)(page.Number("next") ?? 0), MaxEntries, PatienceSeconds);
            }
            while (isFollowing);
            return ExitCode.Done;
        });
        foreach (var option in new Option[] { follow, level, category, count, set, duration, levels })
        {
            command.Add(option);
        }

        return command;
    }

    private static JsonObject Change(string text, int seconds)
    {
        var parts = text.Split('=');
        return parts is [{ Length: > 0 }, var level] && (Levels.Contains(level, StringComparer.OrdinalIgnoreCase) || level.ToLowerInvariant() is "none" or "default")
            ? new() { ["category"] = parts[0], ["level"] = level, ["seconds"] = seconds }
            : throw new CommandException($"--set {text} is no level of a part; write Links=debug. Levels are {string.Join(", ", Levels)}, none, default.", ExitCode.Usage);
    }

    private static Task<JsonElement> CallAsync(this NodeClient node, string tool, JsonObject arguments, Verb verb, CancellationToken cancellationToken) =>
        verb.WithinTimeoutAsync(ct => node.CallAsync(tool, arguments, ct), cancellationToken);

    private static void PrintLevels(Verb verb, JsonElement list)
    {
        if (verb.IsJson)
        {
            verb.Terminal.Out.WriteLine(list.GetRawText());
            return;
        }

        var table = new Table("category", "level", "until");
        foreach (var level in list.List("levels"))
        {
            table.Add(level.Text("category"), level.Text("level"), DateTimeOffset.TryParse(level.Text("until"), CultureInfo.InvariantCulture, out var until) ? $"{until:u}" : "");
        }

        table.Write(verb.Terminal);
    }

    private static void Print(Verb verb, JsonElement page, bool isFollowing)
    {
        if (verb.IsJson && !isFollowing)
        {
            verb.Terminal.Out.WriteLine(page.GetProperty("entries").GetRawText());
            return;
        }

        foreach (var entry in page.List("entries"))
        {
            verb.Terminal.Out.WriteLine(verb.IsJson
                ? entry.GetRawText()
                : $"{entry.Text("time")} {entry.Text("level"),-11} {Terminal.OneLine(entry.Text("source"))}: {Terminal.OneLine(entry.Text("message"))}");
        }
    }
}
