using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dawn.Commands;

/// <summary>Verbs that print what the node says of itself.</summary>
internal static class ReadingVerbs
{
    public static Command Status(VerbFactory factory) => factory.Create("status", """
        Shows how the running node is: mode, encryption, addresses, counts, and everything that is not well.

        Example:
          dawn status --json
        """, true, async (verb, cancellationToken) =>
    {
        var status = await AskAsync(verb, "status", cancellationToken);
        if (verb.IsJson)
        {
            return Print(verb, status);
        }

        var lines = new List<(string Name, string Value)>
        {
            ("node", status.Text("node")),
            ("network", status.Text("network")),
            ("version", status.Text("version")),
            ("mode", status.Text("mode")),
            ("encryption", status.Text("encryption") == "required" ? "required: everything is sealed end to end" : $"{status.Text("encryption")}: traffic may be readable and can be altered on the way"),
            ("up", TimeSpan.FromSeconds(status.Number("uptimeSeconds") ?? 0).ToString("c", CultureInfo.InvariantCulture)),
            ("listen", string.Join(' ', status.Texts("listen"))),
            ("mcp", status.Text("mcp")),
            ("certificate", CertificateOf(status)),
            ("agents", status.Text("agents")),
            ("peers", $"{status.Text("peersConnected")} connected, {status.Text("peersKnown")} known"),
            ("sessions", status.Text("sessions")),
        };
        lines.AddRange(status.List("problems").Select(p => ("problem", $"{p.Text("name")}: {p.Text("problem")}")));
        foreach (var (name, value) in lines.Where(l => l.Value.Length > 0))
        {
            verb.Terminal.Out.WriteLine($"{name,-12}{Terminal.OneLine(value)}");
        }

        return ExitCode.Done;
    });

    public static Command Peers(VerbFactory factory) => factory.Create("peers", """
        Lists the nodes that the running node knows of, and how it reaches them.

        Example:
          dawn peers --json | jq '.[] | select(.state == "connected")'
        """, true, async (verb, cancellationToken) =>
    {
        var peers = (await AskAsync(verb, "peers", cancellationToken)).GetProperty("peers");
        if (verb.IsJson)
        {
            return Print(verb, peers);
        }

        var table = new Table("node", "state", "transport", "encryption", "rtt", "addresses");
        foreach (var peer in peers.EnumerateArray())
        {
            var rtt = peer.Number("rttMs") is { } ms ? string.Create(CultureInfo.InvariantCulture, $"{ms:0.0} ms") : "";
            table.Add(peer.Text("node"), peer.Text("state"), peer.Text("transport"), peer.Text("encryption"), rtt, string.Join(' ', peer.Texts("addresses")));
        }

        table.Write(verb.Terminal);
        return ExitCode.Done;
    });

    public static Command Plugins(VerbFactory factory) => factory.Create("plugins", """
        Lists the plugins of the running node, and what is wrong with those that failed.

        Example:
          dawn plugins
        """, true, async (verb, cancellationToken) =>
    {
        var plugins = (await AskAsync(verb, "plugins", cancellationToken)).GetProperty("plugins");
        if (verb.IsJson)
        {
            return Print(verb, plugins);
        }

        var table = new Table("name", "kind", "status", "version", "problem");
        foreach (var plugin in plugins.EnumerateArray())
        {
            table.Add(plugin.Text("name"), plugin.Text("kind"), plugin.Text("status"), plugin.Text("version"), plugin.Text("problem"));
        }

        table.Write(verb.Terminal);
        return ExitCode.Done;
    });

    public static Command Mode(VerbFactory factory)
    {
        var name = new Argument<string?>("name") { Description = "The mode to set; 'dawn mode --json' lists those that are installed.", Arity = ArgumentArity.ZeroOrOne };
        var command = factory.Create("mode", """
            Shows the routing mode in force, or sets another; running calls go on.

            Example:
              dawn mode decentralized
            """, true, async (verb, cancellationToken) =>
        {
            var mode = verb.Parsed.GetValue(name) is { } wanted
                ? await AskAsync(verb, "set_mode", cancellationToken, new() { ["name"] = wanted })
                : await AskAsync(verb, "mode", cancellationToken);
            if (verb.IsJson)
            {
                return Print(verb, mode);
            }

            verb.Terminal.Out.WriteLine(Terminal.OneLine(mode.Text("mode")));
            return ExitCode.Done;
        });
        command.Add(name);
        return command;
    }

    private static string CertificateOf(JsonElement status) => status.TryGetProperty("certificate", out var shown)
        ? $"{shown.Text("sha256")} until {shown.Text("notAfter")}{(shown.Flag("selfMade") ? ", made by this node" : "")}"
        : "";

    private static Task<JsonElement> AskAsync(Verb verb, string tool, CancellationToken cancellationToken, JsonObject? arguments = null) => verb.WithinTimeoutAsync(async ct =>
    {
        await using var node = await NodeClient.OpenAsync(verb, ct);
        return await node.CallAsync(tool, arguments, ct);
    }, cancellationToken);

    private static int Print(Verb verb, JsonElement json)
    {
        verb.Terminal.Out.WriteLine(json.GetRawText());
        return ExitCode.Done;
    }
}
