using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Dawn.Identity;

namespace Dawn.Commands;

/// <summary>Answers a shell that completes a command line: <c>dawn "[suggest:POSITION]" "the line so far"</c>, one candidate a line, nothing where it knows none.</summary>
/// <remarks>The directive is System.CommandLine's. Verbs, options and their fixed values come from the commands themselves, addresses and names from the running node.</remarks>
internal static class Completion
{
    // A person waits for the key to answer.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(300);
    private const int MaxCandidates = 500;
    private const string Directive = "[suggest";
    private const string PluginSettings = "--Dawn:Plugins:";

    public static bool IsAsked(IReadOnlyList<string> arguments) => arguments.Count > 0 && arguments[0].StartsWith(Directive, StringComparison.Ordinal);

    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, RootCommand root, CommandActions actions, Terminal terminal, CancellationToken cancellationToken)
    {
        try
        {
            var line = arguments.Count > 1 ? arguments[1] : "";
            if (arguments[0].Split(':') is [_, var text] && int.TryParse(text.TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture, out var position) && position < line.Length)
            {
                line = line[..position];
            }

            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).ToList();
            var current = line.EndsWith(' ') || words.Count == 0 ? "" : words[^1];
            if (current.Length > 0)
            {
                words.RemoveAt(words.Count - 1);
            }

            var candidates = Static(root, words, current).ToList();
            try
            {
                candidates.AddRange(await DynamicAsync(root, words, current, actions, terminal, cancellationToken));
            }
            catch (Exception e) when (e is OperationCanceledException or ControlException or CommandException or RpcException)
            {
                // No node, or none that is quick: what is known without it will do.
            }

            foreach (var candidate in candidates.Where(c => c.StartsWith(current, StringComparison.OrdinalIgnoreCase) && IsHarmless(c)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Take(MaxCandidates))
            {
                terminal.Out.WriteLine(candidate);
            }
        }
        catch (Exception)
        {
            // Whatever went wrong, what a person types is theirs, and an error in its midst would spoil the line.
        }

        return ExitCode.Done;
    }

    private static IEnumerable<string> Static(RootCommand root, List<string> words, string current)
    {
        // Settings and quoted JSON are none of the parser's; they change nothing of what may follow.
        var known = words.Where(w => !w.StartsWith("--Dawn:", StringComparison.OrdinalIgnoreCase) && !w.StartsWith("--Logging:", StringComparison.OrdinalIgnoreCase));
        var text = string.Join(' ', known.Append(current));
        // What Windows users type instead of --help would only be in the way.
        return root.Parse(text).GetCompletions(text.Length).Select(c => c.Label).Where(l => !l.StartsWith('/') && l != "-?" && l != "-h");
    }

    private static async Task<IEnumerable<string>> DynamicAsync(RootCommand root, List<string> words, string current, CommandActions actions, Terminal terminal, CancellationToken cancellationToken)
    {
        var positional = new List<string>();
        string? data = null;
        string? valueOf = null;
        var command = (Command)root;
        foreach (var word in words)
        {
            if (valueOf is not null)
            {
                (data, valueOf) = (valueOf == Verb.Options.Data ? word : data, null);
            }
            else if (word.StartsWith('-'))
            {
                var option = command.Options.Concat(root.Options).FirstOrDefault(o => o.Name == word || o.Aliases.Contains(word));
                valueOf = option is not null && option.ValueType != typeof(bool) ? option.Name : null;
            }
            else
            {
                command = positional.Count == 0 && root.Subcommands.FirstOrDefault(c => c.Name == word) is { } verb ? verb : command;
                positional.Add(word);
            }
        }

        var wanted = (positional.FirstOrDefault(), positional.Count, valueOf) switch
        {
            ("call" or "mcp" or "trace", 1, null) => "agents",
            ("call", 2, null) => "agents",
            ("mode", 1, null) => "mode",
            ("logs", _, "--category" or "--set") => "log_levels",
            ("run" or "demo" or "doctor", 1, null) or (null, 0, null) when current.StartsWith(PluginSettings, StringComparison.OrdinalIgnoreCase) => "plugins",
            _ => null,
        };
        if (wanted is null || (current.StartsWith('-') && wanted != "plugins"))
        {
            return [];
        }

        using var timer = new CancellationTokenSource(Patience, terminal.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        await using var conversation = await Conversation.OpenAsync(Path.GetFullPath(data ?? actions.DefaultDataDirectory()), AgentId.Node, AgentId.Owner, terminal.Time, both.Token);
        var answer = await new NodeClient(conversation).CallAsync(wanted, null, both.Token);
        return wanted switch
        {
            "agents" when positional.Count == 1 => Addresses(answer),
            "agents" => answer.List("agents").Where(a => IsMeant(a, positional[1])).SelectMany(a => a.Texts("tools")),
            "mode" => answer.Texts("available"),
            "log_levels" => answer.Texts("parts").Select(p => p[(p.IndexOf('.') + 1)..] + (valueOf == "--set" ? "=" : "")),
            _ => answer.List("plugins").Select(p => p.Text("name")).Select(n => $"{PluginSettings}{n[(n.LastIndexOf('/') + 1)..]}:Enabled="),
        };
    }

    /// <summary>Bare ids where they are enough, and addresses with as much of the NodeId as tables show; whole ones for whoever has typed more.</summary>
    private static IEnumerable<string> Addresses(JsonElement answer)
    {
        var agents = answer.List("agents").ToList();
        var once = agents.GroupBy(a => a.Text("agent")).Where(g => g.Count() == 1).Select(g => g.Key);
        return [.. once, .. agents.Select(a => $"{a.Text("node")[..Math.Min(AgentsVerb.ShownPrefix, a.Text("node").Length)]}:{a.Text("agent")}"), .. agents.Select(a => a.Text("address"))];
    }

    private static bool IsMeant(JsonElement agent, string address) => address.Split(':') is [var node, var id]
        ? agent.Text("agent") == id && agent.Text("node").StartsWith(node, StringComparison.Ordinal)
        : agent.Text("agent") == address;

    // Names come from other nodes, and a shell might expand what it is offered.
    private static bool IsHarmless(string candidate) => candidate.Length is > 0 and <= 200 && candidate.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' or ':' or '=' or '/' or '@' or '+');
}
