using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace Dawn.Commands;

/// <summary><c>dawn trace</c>: the way to a node, hop by hop.</summary>
internal static class TraceVerb
{
    public static Command Create(VerbFactory factory)
    {
        var address = new Argument<string>("address") { Description = "node_id:agent_id or agent_id, as for 'dawn call', or a NodeId or a unique prefix of one." };
        var command = factory.Create("trace", """
            Follows the way of calls to a node, hop by hop, with times.

            Example:
              dawn trace dii6etw2iw
            """, true, async (verb, cancellationToken) =>
        {
            var wanted = verb.Parsed.GetValue(address)!;
            if (wanted.Length == 0)
            {
                throw new CommandException("The address is empty; 'dawn agents' and 'dawn peers' list those there are.", ExitCode.Usage);
            }

            var trace = await verb.WithinTimeoutAsync(async ct =>
            {
                await using var node = await NodeClient.OpenAsync(verb, ct);
                return await node.CallAsync("trace", new() { ["address"] = wanted }, ct);
            }, cancellationToken);
            Print(verb, trace);
            if (trace.Flag("complete"))
            {
                return ExitCode.Done;
            }

            verb.Terminal.WriteError($"Node {Short(trace.Text("target"))} did not answer, though there seems to be a way. It may be gone, or a node on the way may not relay; try again, and see 'dawn peers'.");
            return ExitCode.Failed;
        });
        command.Add(address);
        return command;
    }

    private static void Print(Verb verb, JsonElement trace)
    {
        if (verb.IsJson)
        {
            verb.Terminal.Out.WriteLine(trace.GetRawText());
            return;
        }

        // How it is reached, and how its link is protected, are facts of the first hop.
        var table = new Table("hop", "node", "rtt", "via", "encryption");
        foreach (var hop in trace.List("path"))
        {
            var isFirst = hop.Number("hop") == 1;
            table.Add(hop.Text("hop"), hop.Text("node") is { Length: > 0 } node ? Short(node) : "*", Milliseconds(hop.Number("rttMs")), isFirst ? trace.Text("via") : "", isFirst ? trace.Text("encryption") : "");
        }

        if (trace.Number("sessionRttMs") is { } session)
        {
            table.Add("session", Short(trace.Text("target")), Milliseconds(session), "", "");
        }

        table.Write(verb.Terminal);
    }

    private static string Milliseconds(double? rtt) => rtt is { } ms ? string.Create(CultureInfo.InvariantCulture, $"{ms:0.0} ms") : "";

    private static string Short(string node) => node[..Math.Min(AgentsVerb.ShownPrefix, node.Length)];
}
