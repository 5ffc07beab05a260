using System.CommandLine;

namespace Dawn.Commands;

/// <summary>Verbs that start nodes or prepare one; the work itself is elsewhere.</summary>
internal static class HostingVerbs
{
    // A ticket has some 300 characters; four addresses of the longest names stay below this.
    private const int MaxTicket = 8192;
    private const int MaxDemoNodes = 20;

    public static Command Run(VerbFactory factory)
    {
        var run = new Command("run", """
            Starts a node and runs it until Ctrl-C. When it is ready it prints one line, ready {…}, to standard output; its log goes to standard error.

            Example:
              dawn run --data ~/nodes/b --Dawn:Listen:0=ws://0.0.0.0:7620 --Dawn:Gateway:Url=http://127.0.0.1:7621

            All settings: docs/configuration.md. A second node on one machine needs these three.
            """);
        MakeRun(run, factory);
        return run;
    }

    /// <summary>Gives a command the meaning of <c>run</c>.</summary>
    public static void MakeRun(Command command, VerbFactory factory)
    {
        var verbose = NewVerbose();
        command.Add(verbose);
        command.SetAction((parsed, cancellationToken) => factory.Actions.Run(Options(factory, parsed, verbose), cancellationToken));
    }

    public static Command Demo(VerbFactory factory)
    {
        var verbose = NewVerbose();
        var nodes = Verb.Options.NewNumber("--nodes", "How many nodes.", "count", 3, 1, MaxDemoNodes);
        var demo = new Command("demo", """
            Starts several connected nodes with different agents on this machine, lets them call each other, and prints where to reach them.
            Their data is temporary; Ctrl-C ends it all.

            Example:
              dawn demo --nodes 3
            """) { nodes, verbose };
        demo.SetAction((parsed, cancellationToken) => factory.Actions.Demo(new(parsed.GetValue(nodes), Options(factory, parsed, verbose)), cancellationToken));
        return demo;
    }

    public static Command Join(VerbFactory factory)
    {
        var verbose = NewVerbose();
        var ticket = new Argument<string>("ticket") { Description = "What 'dawn invite' printed; - reads it from standard input, which keeps it out of the shell's history." };
        var replace = new Option<bool>("--replace") { Description = "Leave the network that the data directory belongs to now." };
        var join = new Command("join", """
            Joins the network that a ticket of 'dawn invite' belongs to.

            Example:
              dawn join -
            """) { ticket, replace, verbose };
        join.SetAction(async (parsed, cancellationToken) =>
        {
            var text = parsed.GetValue(ticket)!;
            if (text == "-")
            {
                text = await ReadLineAsync(factory.Terminal, cancellationToken);
            }

            return await factory.Actions.Join(new(text.Trim(), parsed.GetValue(replace), Options(factory, parsed, verbose)), cancellationToken);
        });
        return join;
    }

    private static Option<bool> NewVerbose() => new("--verbose", "-v") { Description = "Log more." };

    private static RunOptions Options(VerbFactory factory, ParseResult parsed, Option<bool> verbose) =>
        new(parsed.GetValue<string?>(Verb.Options.Data), factory.Settings, parsed.GetValue(verbose));

    private static async Task<string> ReadLineAsync(Terminal terminal, CancellationToken cancellationToken)
    {
        if (!Console.IsInputRedirected)
        {
            terminal.Error.Write("Ticket: ");
        }

        using var input = new StreamReader(terminal.OpenInput());
        var text = new char[MaxTicket];
        var length = 0;
        while (length < text.Length && text.AsSpan(0, length).IndexOf('\n') < 0 && await input.ReadAsync(text.AsMemory(length), cancellationToken) is > 0 and var read)
        {
            length += read;
        }

        var line = new string(text, 0, length).Split('\n', 2)[0].Trim();
        return line.Length > 0 ? line : throw new CommandException("There is no ticket on standard input; pipe in the line that 'dawn invite' printed.", ExitCode.Usage);
    }
}
