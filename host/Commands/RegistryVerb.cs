using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Dawn.Commands;

/// <summary><c>dawn registry</c>: what the running node knows of all nodes, how it came to know it, and whose keys are used twice.</summary>
internal static class RegistryVerb
{
    private const int Page = 500;
    private const string TimeFormat = "yyyy-MM-dd HH:mm:ss'Z'";

    public static Command Create(VerbFactory factory) => new("registry", """
        Shows what the running node knows of all nodes: their newest signed records.

          log         what changed, as it was learned: --since, --node, --limit, --json
          show        the records: of all nodes, or of one
          at          the records as they were known at a time
          conflicts   nodes whose key is used twice, with the proof

        Example:
          dawn registry log --since 1h
        """)
    {
        Log(factory), Show(factory), At(factory), Conflicts(factory),
    };

    private static Command Log(VerbFactory factory)
    {
        var since = new Option<string?>("--since") { Description = "Only what changed since then: 90s, 10m, 2h or 7d ago, or a time such as 2026-11-23T10:00.", HelpName = "time" };
        var node = new Option<string>("--node") { Description = "Only of this node: a NodeId, or the beginning of one.", HelpName = "node", DefaultValueFactory = _ => "" };
        var limit = Verb.Options.NewNumber("--limit", "The newest so many.", "count", 200, 1, 100_000);
        var command = factory.Create("log", """
            Lists the changes of the registry, oldest first.

            Example:
              dawn registry log --since 1h
            """, true, async (verb, cancellationToken) =>
        {
            var arguments = new JsonObject
            {
                ["since"] = verb.Parsed.GetValue(since) is { } text ? Time("--since", text, verb.Terminal.Time).ToString("O", CultureInfo.InvariantCulture) : "",
                ["node"] = verb.Parsed.GetValue(node),
            };
            var newest = new Queue<JsonElement>();
            await foreach (var entry in AskAsync(verb, "registry_log", "entries", arguments, 0L, page => (long)(page.Number("next") ?? 0), Page, cancellationToken))
            {
                newest.Enqueue(entry);
                if (newest.Count > verb.Parsed.GetValue(limit))
                {
                    newest.Dequeue();
                }
            }

            return Print(verb, newest, ["time", "change", "node", "sequence", "agents", "addresses"], e =>
                [Time(e, "at"), e.Text("kind"), Short(e), e.Text("sequence"), string.Join(' ', e.Texts("agents")), string.Join(' ', e.Texts("addresses"))]);
        });
        command.Add(since);
        command.Add(node);
        command.Add(limit);
        return command;
    }

    private static Command Show(VerbFactory factory)
    {
        var node = new Argument<string?>("node") { Description = "Only of this node: a NodeId, or the beginning of one.", Arity = ArgumentArity.ZeroOrOne };
        var command = factory.Create("show", """
            Lists the newest record of each node, or that of one.

            Example:
              dawn registry show
            """, true, async (verb, cancellationToken) =>
        {
            var records = await RecordsAsync(verb, new() { ["node"] = verb.Parsed.GetValue(node) ?? "" }, cancellationToken);
            return records.Count == 0 && verb.Parsed.GetValue(node) is { } named
                ? throw new CommandException($"No known node's id begins with '{named}'. 'dawn registry show' lists them.")
                : PrintRecords(verb, records);
        });
        command.Add(node);
        return command;
    }

    private static Command At(VerbFactory factory)
    {
        var time = new Argument<string>("time") { Description = "90s, 10m, 2h or 7d ago, or a time such as 2026-11-23T10:00." };
        var command = factory.Create("at", """
            Lists the records that this node knew at a time, replayed from its log.

            Example:
              dawn registry at 2h
            """, true, async (verb, cancellationToken) =>
        {
            var at = Time("The time", verb.Parsed.GetValue(time)!, verb.Terminal.Time);
            return PrintRecords(verb, await RecordsAsync(verb, new() { ["at"] = at.ToString("O", CultureInfo.InvariantCulture) }, cancellationToken));
        });
        command.Add(time);
        return command;
    }

    private static Command Conflicts(VerbFactory factory) => factory.Create("conflicts", """
        Lists nodes that signed two records with one sequence, which two machines with one key do. With --json also the proof: both records.

        Example:
          dawn registry conflicts --json
        """, true, async (verb, cancellationToken) =>
    {
        var conflicts = await AskAsync(verb, "registry_conflicts", "conflicts", [], "", page => page.Text("next"), 20, cancellationToken).ToListAsync(cancellationToken);
        Print(verb, conflicts, ["node", "sequence", "seen", "one says", "the other says"], c => [c.Text("node"), c.Text("sequence"), Time(c, "seen"), Said(c, "counts"), Said(c, "other")]);
        if (conflicts.Count > 0 && !verb.IsJson)
        {
            verb.Terminal.Out.WriteLine("Two machines use one key. Stop one of them, and give it a key of its own: remove identity.key and network.json from its data directory, and join again ('dawn join').");
        }

        return ExitCode.Done;
    });

    private static async Task<List<JsonElement>> RecordsAsync(Verb verb, JsonObject arguments, CancellationToken cancellationToken) =>
        await AskAsync(verb, "registry_records", "records", arguments, "", page => page.Text("next"), Page, cancellationToken).ToListAsync(cancellationToken);

    /// <summary>Asks for page after page.</summary>
    private static async IAsyncEnumerable<JsonElement> AskAsync<T>(
        Verb verb, string tool, string list, JsonObject arguments, T first, Func<JsonElement, T> next, int limit, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var node = await verb.WithinTimeoutAsync(ct => NodeClient.OpenAsync(verb, ct), cancellationToken);
        for (var after = first; ;)
        {
            var ask = arguments.DeepClone().AsObject();
            (ask["after"], ask["limit"]) = (JsonValue.Create(after), limit);
            var page = await verb.WithinTimeoutAsync(ct => node.CallAsync(tool, ask, ct), cancellationToken);
            foreach (var item in page.List(list))
            {
                yield return item;
            }

            if (!page.Flag("hasMore"))
            {
                yield break;
            }

            after = next(page);
        }
    }

    private static int PrintRecords(Verb verb, List<JsonElement> records) => Print(verb, records, ["node", "state", "sequence", "issued", "until", "agents", "addresses"], r =>
        [r.Text("node"), r.Text("state"), r.Text("sequence"), Time(r, "issued"), Time(r, "notAfter"), string.Join(' ', r.Texts("agents")), string.Join(' ', r.Texts("addresses"))]);

    private static int Print(Verb verb, IReadOnlyCollection<JsonElement> items, string[] headings, Func<JsonElement, string[]> row)
    {
        if (verb.IsJson)
        {
            verb.Terminal.Out.WriteLine($"[{string.Join(',', items.Select(i => i.GetRawText()))}]");
            return ExitCode.Done;
        }

        var table = new Table(headings);
        foreach (var item in items)
        {
            table.Add(row(item));
        }

        table.Write(verb.Terminal);
        return ExitCode.Done;
    }

    private static string Short(JsonElement item) => item.Text("node") is { Length: > AgentsVerb.ShownPrefix } node ? node[..AgentsVerb.ShownPrefix] : item.Text("node");

    private static string Said(JsonElement conflict, string which)
    {
        var proof = conflict.GetProperty(which);
        return $"{Time(proof, "issued")} {string.Join(' ', proof.Texts("addresses"))}".TrimEnd();
    }

    private static string Time(JsonElement item, string name) =>
        DateTimeOffset.TryParse(item.Text(name), CultureInfo.InvariantCulture, out var time) ? time.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture) : "";

    /// <exception cref="CommandException">It is neither a time nor a while ago.</exception>
    private static DateTimeOffset Time(string option, string text, TimeProvider time)
    {
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var parsed) && !text.EndsWith('d') && text.Length > 4)
        {
            return parsed;
        }

        try
        {
            return time.GetUtcNow() - TimeSpan.FromSeconds(Duration.Seconds(option, text));
        }
        catch (CommandException)
        {
            throw new CommandException($"{option} {text} is no time; write 90s, 10m, 2h or 7d, or 2026-11-23T10:00.", ExitCode.Usage);
        }
    }
}
