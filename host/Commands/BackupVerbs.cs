using System.CommandLine;
using System.Text;

namespace Dawn.Commands;

/// <summary><c>dawn backup</c> and <c>dawn restore</c>; the work itself is elsewhere.</summary>
internal static class BackupVerbs
{
    private const int MinPassphrase = 12;
    private const int MaxPassphrase = 1024;

    public static Command Backup(VerbFactory factory)
    {
        var file = new Argument<string>("file") { Description = "Where to; readable by you alone." };
        var encrypt = new Option<bool>("--encrypt") { Description = "Seal it with a passphrase, which is asked for." };
        var passphrase = NewPassphrase();
        var force = new Option<bool>("--force") { Description = "Replace the file if it exists." };
        var command = new Command("backup", """
            Writes the node's key, network, tickets and settings into one file; the node may run meanwhile. Caches are left out.
            Whoever has the file is this node, unless it is sealed.

            Example:
              dawn backup --encrypt ~/dawn.backup
            """) { file, encrypt, passphrase, force };
        command.SetAction((parsed, cancellationToken) =>
        {
            var verb = new Verb(parsed, factory.Actions, factory.Terminal);
            var secret = parsed.GetValue(passphrase) is { } path ? ReadPassphrase(factory.Terminal, path)
                : parsed.GetValue(encrypt) ? Prompt(factory.Terminal, isNew: true)
                : null;
            if (secret is { Length: < MinPassphrase })
            {
                throw new CommandException($"The passphrase is too short: a stolen backup is guessed at offline. Take at least {MinPassphrase} characters, better five random words.", ExitCode.Usage);
            }

            return factory.Actions.Backup(new(verb.DataDirectory, parsed.GetValue(file)!, secret, parsed.GetValue(force)), factory.Terminal, cancellationToken);
        });
        return command;
    }

    public static Command Restore(VerbFactory factory)
    {
        var file = new Argument<string>("file") { Description = "What 'dawn backup' wrote." };
        var passphrase = NewPassphrase();
        var force = new Option<bool>("--force") { Description = "Restore into a directory that is not empty; what is there is kept beside it." };
        var command = new Command("restore", """
            Makes a data directory out of a backup, whole or not at all. The restored node must never run beside the original: two nodes with one key contradict each other.

            Example:
              dawn restore ~/dawn.backup --data ~/nodes/a
            """) { file, passphrase, force };
        command.SetAction((parsed, cancellationToken) =>
        {
            var verb = new Verb(parsed, factory.Actions, factory.Terminal);
            var (bytes, isSealed) = factory.Actions.ReadBackup(parsed.GetValue(file)!);
            var secret = !isSealed ? null : parsed.GetValue(passphrase) is { } path ? ReadPassphrase(factory.Terminal, path) : Prompt(factory.Terminal, isNew: false);
            return factory.Actions.Restore(new(verb.DataDirectory, bytes, secret, parsed.GetValue(force)), factory.Terminal, cancellationToken);
        });
        return command;
    }

    private static Option<string?> NewPassphrase() => new("--passphrase-file") { Description = "Read the passphrase from the first line of a file; - is standard input.", HelpName = "file" };

    private static string ReadPassphrase(Terminal terminal, string path)
    {
        try
        {
            using var reader = new StreamReader(path == "-" ? terminal.OpenInput() : new FileStream(path, FileMode.Open, FileAccess.Read), Encoding.UTF8);
            var text = new char[MaxPassphrase + 2];
            var length = reader.ReadBlock(text);
            var line = new string(text, 0, length).Split('\n', 2)[0].TrimEnd('\r');
            return line.Length is > 0 and <= MaxPassphrase ? line : throw new CommandException($"The first line of {path} is no passphrase: 1 to {MaxPassphrase} characters.", ExitCode.Usage);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"The passphrase can't be read: {e.Message}", ExitCode.Usage);
        }
    }

    private static string Prompt(Terminal terminal, bool isNew)
    {
        if (Console.IsInputRedirected)
        {
            throw new CommandException("There is no terminal to ask for the passphrase; give it with --passphrase-file.", ExitCode.Usage);
        }

        var first = Ask(terminal, "Passphrase: ");
        return !isNew || Ask(terminal, "Again: ") == first ? first : throw new CommandException("The two passphrases differ.", ExitCode.Usage);
    }

    private static string Ask(Terminal terminal, string prompt)
    {
        terminal.Error.Write(prompt);
        var text = new StringBuilder();
        while (Console.ReadKey(intercept: true) is var key && key.Key != ConsoleKey.Enter)
        {
            if (key.Key == ConsoleKey.Backspace)
            {
                text.Length = Math.Max(0, text.Length - 1);
            }
            else if (!char.IsControl(key.KeyChar) && text.Length < MaxPassphrase)
            {
                text.Append(key.KeyChar);
            }
        }

        terminal.Error.WriteLine();
        return text.ToString();
    }
}
