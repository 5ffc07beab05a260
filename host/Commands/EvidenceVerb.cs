using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dawn.Evidence;
using Dawn.Identity;

namespace Dawn.Commands;

/// <summary><c>dawn evidence</c>: what other nodes signed, kept under <c>Security:KeepEvidence</c>. Reads the data directory; the node need not run, and may.</summary>
internal static class EvidenceVerb
{
    public static Command Create(VerbFactory factory) => new("evidence", """
        Lists, exports and checks what other nodes signed, where Security:KeepEvidence keeps it.

          list     what there is, newest first: --from, --agent, --since, --limit, --json
          export   one message as a document that anybody can check: --out
          verify   who said what to whom, and whether it holds; needs no node: --network

        Example:
          dawn evidence list --limit 5
        """)
    {
        List(factory), Export(factory), Check(factory),
    };

    private static Command List(VerbFactory factory)
    {
        var from = new Option<string?>("--from") { Description = "Only what this node signed: a NodeId, or the beginning of one.", HelpName = "node" };
        var agent = new Option<string?>("--agent") { Description = "Only calls of this agent of this node.", HelpName = "agent" };
        var since = new Option<string?>("--since") { Description = "Only what was signed since then, such as 2030-01-31 or 2030-01-31T12:00Z.", HelpName = "time" };
        var limit = Verb.Options.NewNumber("--limit", "The newest so many.", "count", 20, 1, 100_000);
        var command = factory.Create("list", """
            Lists the kept checkpoints, newest first, with the messages in each.

            Example:
              dawn evidence list --since 2030-01-31 --json
            """, true, (verb, _) =>
        {
            DateTimeOffset? time = verb.Parsed.GetValue(since) is not { } text ? null
                : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var parsed) ? parsed
                : throw new CommandException($"--since {text} is no time; write 2030-01-31 or 2030-01-31T12:00Z.", ExitCode.Usage);
            var lines = EvidenceListing.Read(Folder(verb), verb.Parsed.GetValue(from), verb.Parsed.GetValue(agent), time, verb.Parsed.GetValue(limit));
            if (verb.IsJson)
            {
                verb.Terminal.Out.WriteLine(JsonSerializer.Serialize(lines, EvidenceJson.Default.IReadOnlyListEvidenceLine));
                return Task.FromResult(ExitCode.Done);
            }

            var table = new Table("id", "time", "from", "session", "number", "frames", "agents", "messages");
            foreach (var line in lines)
            {
                table.Add(
                    line.Id, line.Time.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture), line.From[..10], line.Session, $"{line.Number}", $"{line.Frames}",
                    string.Join(' ', line.Agents), string.Join("; ", line.Messages.Select(m => $"{m.Sequence}: {m.Text}")));
            }

            table.Write(verb.Terminal);
            return Task.FromResult(ExitCode.Done);
        });
        command.Add(from);
        command.Add(agent);
        command.Add(since);
        command.Add(limit);
        return command;
    }

    private static Command Export(VerbFactory factory)
    {
        var what = new Argument<string>("what") { Description = "An id of the list, for all of that checkpoint, or id:sequence for one message of it." };
        var to = new Option<string?>("--out") { Description = "Where to; standard output if not given.", HelpName = "file" };
        var command = factory.Create("export", """
            Prints a message as a document that proves who said it, to anybody, and nothing of what else was said.

            Example:
              dawn evidence export 1.0:7 --out proof.json
            """, false, async (verb, cancellationToken) =>
        {
            var (id, sequence) = Parse(verb.Parsed.GetValue(what)!);
            if (EvidenceFile.Find(Folder(verb), id) is not { } entry)
            {
                throw new CommandException($"There is no evidence {id}; 'dawn evidence list' shows what there is. The oldest makes room for the newest.");
            }

            var shown = sequence is { } of ? EvidenceListing.MessageOf(entry, of) : null;
            if (shown is { Count: 0 })
            {
                throw new CommandException($"Evidence {id} has no frame {sequence}; its messages are in 'dawn evidence list --json'.");
            }

            var document = EvidenceProof.Of(entry, s => shown?.Contains(s) ?? true).Write();
            if (verb.Parsed.GetValue(to) is { } path)
            {
                try
                {
                    await File.WriteAllBytesAsync(path, document, cancellationToken);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    throw new CommandException($"{path} can't be written: {e.Message}");
                }
            }
            else
            {
                await using var output = verb.Terminal.OpenOutput();
                await output.WriteAsync(document, cancellationToken);
            }

            return ExitCode.Done;
        });
        command.Add(what);
        command.Add(to);
        return command;
    }

    private static Command Check(VerbFactory factory)
    {
        var file = new Argument<string>("file") { Description = "The document, or - for standard input." };
        var key = new Option<string?>("--network") { Description = "The key of the network that the sender should be of; without it the data directory's, if there is one.", HelpName = "key" };
        var command = factory.Create("verify", """
            Says who said what to whom and when, and whether all of it holds: exit code 0 if it does, 1 if not. Needs no node and trusts nothing in the document.

            Example:
              dawn evidence verify proof.json
            """, false, async (verb, cancellationToken) =>
        {
            var network = verb.Parsed.GetValue(key) is not { } text ? Network(verb)
                : NodeId.TryParse(text, out var parsed) ? parsed
                : throw new CommandException($"--network {text} is no key: it has {NodeId.TextLength} characters of a-z and 2-7.", ExitCode.Usage);
            var verdict = EvidenceVerdict.Of(await ReadAsync(verb, verb.Parsed.GetValue(file)!, cancellationToken), network);
            if (!verdict.Holds)
            {
                throw new CommandException(verdict.Text);
            }

            verb.Terminal.Out.WriteLine(Terminal.Clean(verdict.Text));
            return ExitCode.Done;
        });
        command.Add(file);
        command.Add(key);
        return command;
    }

    private static string Folder(Verb verb) => Path.Combine(verb.DataDirectory, EvidenceFile.Folder);

    private static (EvidenceId Id, ulong? Sequence) Parse(string what)
    {
        var colon = what.IndexOf(':');
        var sequence = 0UL;
        return EvidenceId.TryParse(colon < 0 ? what : what.AsSpan(0, colon), out var id)
            && (colon < 0 || ulong.TryParse(what.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out sequence))
            ? (id, colon < 0 ? null : sequence)
            : throw new CommandException($"'{what}' names no evidence; write 1.0 or 1.0:7, as 'dawn evidence list' shows them.", ExitCode.Usage);
    }

    // Of the data directory, if there is one; it isn't made.
    private static NodeId? Network(Verb verb)
    {
        if (!File.Exists(Path.Combine(verb.DataDirectory, NetworkStore.FileName)))
        {
            return null;
        }

        try
        {
            using var directory = DataDirectory.Open(verb.DataDirectory);
            return NetworkStore.Load(directory) is { } network && NodeId.TryParse(network.Key, out var key) ? key : null;
        }
        catch (StartException e)
        {
            throw new CommandException(e.Message);
        }
    }

    private static async Task<ReadOnlyMemory<byte>> ReadAsync(Verb verb, string path, CancellationToken cancellationToken)
    {
        try
        {
            await using var input = path == "-" ? verb.Terminal.OpenInput() : File.OpenRead(path);
            using var document = new MemoryStream();
            var buffer = new byte[64 * 1024];
            // One more than what is taken tells that there is more.
            for (int read; document.Length <= EvidenceProof.MaxSize && (read = await input.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                document.Write(buffer, 0, read);
            }

            return document.GetBuffer().AsMemory(0, (int)document.Length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{path} can't be read: {e.Message}");
        }
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(IReadOnlyList<EvidenceLine>))]
internal sealed partial class EvidenceJson : JsonSerializerContext;
