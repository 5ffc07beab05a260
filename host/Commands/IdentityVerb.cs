using System.CommandLine;
using System.Text.Json.Nodes;
using Dawn.Identity;

namespace Dawn.Commands;

/// <summary><c>dawn id</c>: a NodeId, and the words by which people compare it.</summary>
internal static class IdentityVerb
{
    public static Command Create(VerbFactory factory)
    {
        var node = new Argument<string?>("node") { Description = "Another node: its NodeId, or the beginning of one that the running node knows.", Arity = ArgumentArity.ZeroOrOne };
        var words = new Option<bool>("--words") { Description = $"Print the {KeyWords.Count} words of the key, to be compared with those that the other end sees." };
        var command = factory.Create("id", """
            Prints the NodeId of the data directory, or another node's; the node need not run.

            Example:
              dawn id --words
            """, true, async (verb, cancellationToken) =>
        {
            var own = await verb.WithinTimeoutAsync(ct => verb.Actions.ReadIdentity(verb.DataDirectory, ct), cancellationToken);
            var identity = verb.Parsed.GetValue(node) is { } wanted
                ? new StoredIdentity(await ResolveAsync(verb, wanted, own, cancellationToken), null)
                : own ?? throw new CommandException($"There is no identity in {verb.DataDirectory} yet; 'dawn run' makes one, --data names another directory.");
            string[]? shown = verb.Parsed.GetValue(words) ? KeyWords.Of(NodeId.TryParse(identity.Node, out var id) ? id : throw new InvalidOperationException("An identity is a NodeId.")) : null;
            if (verb.IsJson)
            {
                var json = new JsonObject { ["node"] = identity.Node, ["network"] = identity.Network };
                if (shown is not null)
                {
                    json["words"] = new JsonArray([.. shown.Select(word => JsonValue.Create(word))]);
                }

                verb.Terminal.Out.WriteLine(json.ToJsonString());
            }
            else
            {
                verb.Terminal.Out.WriteLine(shown is null ? identity.Node : string.Join(' ', shown));
            }

            return ExitCode.Done;
        });
        command.Add(node);
        command.Add(words);
        return command;
    }

    // Who has the whole NodeId needs nobody; what a beginning stands for, the running node knows.
    private static async Task<string> ResolveAsync(Verb verb, string text, StoredIdentity? own, CancellationToken cancellationToken)
    {
        if (NodeId.TryParse(text, out var whole))
        {
            return whole.ToString();
        }

        if (text.Length is < NodeId.MinPrefixLength or >= NodeId.TextLength)
        {
            throw new CommandException($"'{text}' is no NodeId, which has {NodeId.TextLength} characters, nor {NodeId.MinPrefixLength} or more from the beginning of one; 'dawn peers' lists them.", ExitCode.Usage);
        }

        var peers = await verb.WithinTimeoutAsync(async ct =>
        {
            await using var node = await NodeClient.OpenAsync(verb, ct);
            return (await node.CallAsync("peers", null, ct)).List("peers").Select(p => p.Text("node")).ToList();
        }, cancellationToken);
        var found = peers.Concat(own is null ? [] : [own.Node]).Where(n => n.StartsWith(text, StringComparison.OrdinalIgnoreCase)).Distinct().ToList();
        return found switch
        {
            [var one] => one,
            [] => throw new CommandException($"The running node knows no node whose NodeId begins with '{text}'; 'dawn peers' lists those it knows."),
            _ => throw new CommandException($"'{text}' is the beginning of several NodeIds: {string.Join(", ", found.Order(StringComparer.Ordinal))}. Give more of it."),
        };
    }
}
