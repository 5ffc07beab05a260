using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dawn.Commands;

/// <summary><c>dawn logs</c>: the newest log entries of the running node.</summary>
internal static class LogsVerb
{
    private const int PatienceSeconds = 20;

    public static Command Create(VerbFactory factory)
    {
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on, and print entries as they come; with --json one a line." };
        var level = new Option<string>("--level") { Description = "The least level.", DefaultValueFactory = _ => "information" };
        level.AcceptOnlyFromAmong("trace", "debug", "information", "warning", "error", "critical");
        var command = factory.Create("logs", """
            Prints the newest log entries of the running node, from its memory.

            Example:
              dawn logs --follow --level warning
            """, true, async (verb, cancellationToken) =>
        {
            await using var node = await verb.WithinTimeoutAsync(ct => NodeClient.OpenAsync(verb, ct), cancellationToken);
            var isFollowing = verb.Parsed.GetValue(follow);
            var arguments = new JsonObject { ["level"] = verb.Parsed.GetValue(level) };
            do
            {
                var page = await node.CallAsync(arguments, verb, cancellationToken);
                Print(verb, page, isFollowing);
                arguments = new() { ["level"] = verb.Parsed.GetValue(level), ["after"] = (long)(page.Number("next") ?? 0), ["limit"] = 1000, ["waitSeconds"] = PatienceSeconds };
            }
            while (isFollowing);
            return ExitCode.Done;
        });
        command.Add(follow);
        command.Add(level);
        return command;
    }

    private static Task<JsonElement> CallAsync(this NodeClient node, JsonObject arguments, Verb verb, CancellationToken cancellationToken) =>
        verb.WithinTimeoutAsync(ct => node.CallAsync("logs", arguments, ct), cancellationToken);

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
