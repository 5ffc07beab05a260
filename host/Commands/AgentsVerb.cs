using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Dawn.Commands;

/// <summary><c>dawn agents</c>: who can be called.</summary>
internal static class AgentsVerb
{
    private const string Resource = "dawn://node/agents";

    // So many characters of a NodeId are unique in any network that people look at, and can be typed as they are.
    public const int ShownPrefix = 10;

    public static Command Create(VerbFactory factory)
    {
        var watch = new Option<bool>("--watch") { Description = "Go on, and print the list whenever it changes." };
        var command = factory.Create("agents", """
            Lists all agents of the network that the running node knows of, with the addresses to call them by.

            Example:
              dawn agents --watch
            """, true, async (verb, cancellationToken) =>
        {
            await using var node = await verb.WithinTimeoutAsync(ct => NodeClient.OpenAsync(verb, ct), cancellationToken);
            if (verb.Parsed.GetValue(watch))
            {
                await WatchAsync(verb, node, cancellationToken);
            }

            await PrintAsync(verb, node, cancellationToken);
            return ExitCode.Done;
        });
        command.Add(watch);
        return command;
    }

    /// <summary>Prints until the node ends or the person has seen enough.</summary>
    private static async Task WatchAsync(Verb verb, NodeClient node, CancellationToken cancellationToken)
    {
        var changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        node.Conversation.Notified += (method, _) =>
        {
            if (method == "notifications/resources/updated")
            {
                changes.Writer.TryWrite(true);
            }
        };
        await verb.WithinTimeoutAsync(ct => node.Conversation.RequestAsync("resources/subscribe", new JsonObject { ["uri"] = Resource }, ct), cancellationToken);
        var ended = node.Conversation.Ended;
        while (!ended.IsCompleted)
        {
            if (verb.Terminal.IsInteractive)
            {
                // Clears the screen and goes to its top.
                verb.Terminal.Out.Write("\e[2J\e[H");
            }

            await PrintAsync(verb, node, cancellationToken);
            var changed = changes.Reader.ReadAsync(cancellationToken).AsTask();
            await await Task.WhenAny(changed, ended);
        }
    }

    private static async Task PrintAsync(Verb verb, NodeClient node, CancellationToken cancellationToken)
    {
        var agents = (await verb.WithinTimeoutAsync(ct => node.CallAsync("agents", null, ct), cancellationToken)).GetProperty("agents");
        if (verb.IsJson)
        {
            verb.Terminal.Out.WriteLine(agents.GetRawText());
            return;
        }

        var table = new Table("address", "title", "online", "tools", "problem");
        foreach (var agent in agents.EnumerateArray())
        {
            table.Add(Address(agent), agent.Text("title"), agent.Flag("online") ? "yes" : "no", agent.List("tools").Count().ToString(CultureInfo.InvariantCulture), agent.Text("problem"));
        }

        table.Write(verb.Terminal);
    }

    private static string Address(JsonElement agent)
    {
        var node = agent.Text("node");
        return $"{(node.Length > ShownPrefix ? node[..ShownPrefix] : node)}:{agent.Text("agent")}";
    }
}
