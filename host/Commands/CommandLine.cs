using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Invocation;
using System.Runtime.InteropServices;
using Dawn.Configuration;

namespace Dawn.Commands;

/// <summary>The program's command line: which verb, how it is parsed, and what a failure looks like.</summary>
internal static class CommandLine
{
    // Settings may be given to whatever starts a node; no other option has a colon in its name.
    private static readonly string[] SettingPrefixes = ["--Dawn:", "--Logging:"];

    private static readonly (string Name, bool TakesSettings, Func<VerbFactory, Command> Create)[] Verbs =
    [
        ("run", true, f => HostingVerbs.Run(f)),
        ("demo", true, f => HostingVerbs.Demo(f)),
        ("join", true, f => HostingVerbs.Join(f)),
        ("status", false, f => ReadingVerbs.Status(f)),
        ("agents", false, f => AgentsVerb.Create(f)),
        ("peers", false, f => ReadingVerbs.Peers(f)),
        ("plugins", false, f => ReadingVerbs.Plugins(f)),
        ("mode", false, f => ReadingVerbs.Mode(f)),
        ("migrate", false, f => MigrateVerb.Create(f)),
        ("id", false, f => IdentityVerb.Create(f)),
        ("call", false, f => CallVerb.Create(f)),
        ("trace", false, f => TraceVerb.Create(f)),
        ("invite", false, f => InviteVerb.Create(f)),
        ("ui", false, f => UiVerb.Create(f)),
        ("mcp", false, f => McpVerb.Create(f)),
        ("registry", false, f => RegistryVerb.Create(f)),
        ("logs", false, f => LogsVerb.Create(f)),
        ("evidence", false, f => EvidenceVerb.Create(f)),
        ("doctor", true, f => DoctorVerb.Create(f)),
        ("backup", false, f => BackupVerbs.Backup(f)),
        ("restore", false, f => BackupVerbs.Restore(f)),
        ("completion", false, f => CompletionVerb.Create(f)),
        ("stop", false, f => StopVerb.Create(f)),
    ];

    public static IEnumerable<string> VerbNames => Verbs.Select(v => v.Name);

    /// <summary>Runs one verb and returns the exit code; whatever goes wrong is one line on standard error.</summary>
    public static async Task<int> InvokeAsync(IReadOnlyList<string> arguments, CommandActions actions, Terminal terminal, CancellationToken cancellationToken = default)
    {
        try
        {
            if (Completion.IsAsked(arguments))
            {
                return await Completion.RunAsync(arguments, Build(null, [], actions, terminal), actions, terminal, cancellationToken);
            }

            var (rest, settings) = TakeSettings(arguments);
            var verb = FindVerb(rest);
            if (verb is { TakesSettings: false } && settings.Length > 0)
            {
                throw new CommandException($"'{settings[0]}' is a setting of a node; it goes with 'dawn run', not with 'dawn {verb.Value.Name}'.", ExitCode.Usage);
            }

            var parsed = Build(verb?.Name, settings, actions, terminal).Parse(rest, new() { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
            if (parsed.Errors.Count > 0 && parsed.Action is not { ClearsParseErrors: true })
            {
                throw new CommandException($"{parsed.Errors[0].Message} See 'dawn {(verb is null ? "" : verb.Value.Name + " ")}--help'.", ExitCode.Usage);
            }

            var invocation = new InvocationConfiguration { Output = terminal.Out, Error = terminal.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };

            // Whoever hosts a node ends by its host's own rules: a clean stop is no failure.
            return verb is null or { TakesSettings: true } || !terminal.TakesSignals
                ? await parsed.InvokeAsync(invocation, cancellationToken)
                : await InvokeInterruptiblyAsync(parsed, invocation, cancellationToken);
        }
        catch (CommandException e)
        {
            terminal.WriteError(e.Message);
            return e.ExitCode;
        }
        catch (Exception e) when (e is ControlException or RpcException)
        {
            terminal.WriteError(e.Message);
            return ExitCode.Failed;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
        catch (Exception e)
        {
            terminal.WriteError($"{e.GetType().Name}: {e.Message}");
            return ExitCode.Failed;
        }
    }

    /// <summary>The root command with one verb, or with all of them where <paramref name="verb"/> is null: only what is invoked is built.</summary>
    public static RootCommand Build(string? verb, ImmutableArray<string> settings, CommandActions actions, Terminal terminal)
    {
        var root = new RootCommand("""
            Dawn: a private, end-to-end encrypted network of nodes that host agents (MCP servers).
            Without a verb it starts a node, as 'dawn run' does.

            Example:
              dawn run --Dawn:Network:Name=home
            """);
        root.Add(new Option<string?>(Verb.Options.Data)
        {
            Description = "The data directory of the node (default: the platform's place, such as ~/.local/share/dawn).",
            HelpName = "directory",
            Recursive = true,
        });
        foreach (var option in root.Options.OfType<VersionOption>())
        {
            option.Action = new VersionAction(terminal.Out);
        }

        var factory = new VerbFactory(settings, actions, terminal);
        HostingVerbs.MakeRun(root, factory);
        foreach (var (name, _, create) in Verbs)
        {
            if (verb is null || verb == name)
            {
                var command = create(factory);
                if (verb is null)
                {
                    // In the list of all verbs, what it does; the example is in its own help.
                    command.Description = command.Description!.Split("\n\n")[0];
                }

                root.Add(command);
            }
        }

        return root;
    }

    /// <summary>Takes the settings out of the arguments, as <c>--Key=value</c>; <c>--Key value</c> is the same.</summary>
    private static (List<string> Others, ImmutableArray<string> Settings) TakeSettings(IReadOnlyList<string> arguments)
    {
        var rest = new List<string>();
        var settings = ImmutableArray.CreateBuilder<string>();
        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (!SettingPrefixes.Any(p => argument.StartsWith(p, StringComparison.OrdinalIgnoreCase)))
            {
                rest.Add(argument);
            }
            else if (argument.Contains('='))
            {
                settings.Add(argument);
            }
            else if (i + 1 < arguments.Count && !arguments[i + 1].StartsWith("--", StringComparison.Ordinal))
            {
                settings.Add($"{argument}={arguments[++i]}");
            }
            else
            {
                throw new CommandException($"The setting {argument} has no value; write {argument}=value.", ExitCode.Usage);
            }
        }

        return (rest, settings.ToImmutable());
    }

    /// <summary>The first argument that is neither an option nor the value of <c>--data</c>; null where there is none.</summary>
    private static (string Name, bool TakesSettings)? FindVerb(List<string> arguments)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == Verb.Options.Data)
            {
                i++;
            }
            else if (!arguments[i].StartsWith('-') && !arguments[i].StartsWith('['))
            {
                var known = Verbs.FirstOrDefault(v => v.Name == arguments[i]);
                return known.Name is not null
                    ? (known.Name, known.TakesSettings)
                    : throw new CommandException($"'{arguments[i]}' is no verb of dawn; the verbs are {string.Join(", ", VerbNames)}.", ExitCode.Usage);
            }
        }

        return null;
    }

    private static async Task<int> InvokeInterruptiblyAsync(ParseResult parsed, InvocationConfiguration invocation, CancellationToken cancellationToken)
    {
        using var interrupted = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var code = ExitCode.Interrupted;
        void Interrupt(PosixSignalContext context)
        {
            // The second time the system's own way is right: the verb is stuck.
            context.Cancel = !interrupted.IsCancellationRequested;
            code = context.Signal == PosixSignal.SIGTERM ? ExitCode.Terminated : ExitCode.Interrupted;
            interrupted.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        try
        {
            return await parsed.InvokeAsync(invocation, interrupted.Token);
        }
        catch (Exception) when (interrupted.IsCancellationRequested)
        {
            return code;
        }
    }

    private sealed class VersionAction(TextWriter to) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            to.WriteLine($"dawn {DawnVersion.Text}");
            return ExitCode.Done;
        }
    }
}

/// <summary>What the verbs are made with.</summary>
internal sealed record VerbFactory(ImmutableArray<string> Settings, CommandActions Actions, Terminal Terminal)
{
    /// <summary>A verb that asks a node: it has <c>--timeout</c>, and <c>--json</c> where it reads.</summary>
    public Command Create(string name, string description, bool hasJson, Func<Verb, CancellationToken, Task<int>> act)
    {
        var command = new Command(name, description);
        if (hasJson)
        {
            command.Add(Verb.Options.NewJson());
        }

        command.Add(Verb.Options.NewTimeout());
        command.SetAction((parsed, cancellationToken) => act(new(parsed, Actions, Terminal), cancellationToken));
        return command;
    }
}
