using System.Globalization;
using System.Text;
using Dawn.Commands;
using Dawn.Identity;

namespace Dawn.Node.Backup;

/// <summary><c>dawn restore</c>: a data directory out of a backup, whole or not at all.</summary>
internal static class RestoreVerb
{
    /// <summary>Reads a backup's bytes, no more than one can have.</summary>
    /// <exception cref="CommandException">There is none.</exception>
    public static (byte[] Bytes, bool IsSealed) ReadFile(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read);
            if (stream.Length > BackupArchive.MaxSize)
            {
                throw new CommandException($"{path} is no backup of a node: it has more than {BackupArchive.MaxSize >> 20} MiB.");
            }

            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return (bytes, BackupArchive.IsSealed(bytes));
        }
        catch (InvalidDataException e)
        {
            throw new CommandException($"{path} can't be restored: {e.Message}.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"The backup can't be read: {e.Message}");
        }
    }

    public static Task<int> RunAsync(RestoreOptions options, Terminal terminal, CancellationToken cancellationToken)
    {
        var target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.DataDirectory));
        try
        {
            // All of it is checked before a byte is written.
            var content = BackupArchive.Read(options.Backup, options.Passphrase);
            var now = terminal.Time.GetUtcNow();
            var isUsed = Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any();
            if (isUsed && !options.Force)
            {
                throw new CommandException($"{target} is not empty; name another directory with --data, or add --force: what is there is then kept beside it.");
            }

            // Held until the new directory is in its place. A node that runs is refused even with --force: it would go on beside the restored one, with files that are elsewhere now.
            using var old = isUsed ? DataDirectory.Lock(target) : null;
            var aside = Swap(content, target, isUsed ? $"{target}.replaced-{now:yyyyMMdd-HHmmss}" : null);
            terminal.Out.WriteLine($"Node {content.Node} is restored in {target}, as it was at {content.Created:u}. Start it with: dawn run --data {target}");
            if (aside is not null)
            {
                terminal.Error.WriteLine($"What was in {target} is in {aside} now.");
            }

            terminal.Error.WriteLine("warning: Never run it beside the node that was backed up: two nodes with one key contradict each other, and peers report a conflict.");
            if (now < content.Created)
            {
                terminal.Error.WriteLine($"warning: The clock of this machine is behind the backup's ({content.Created:u}); set it right, or peers will not take this node's records.");
            }

            return Task.FromResult(ExitCode.Done);
        }
        catch (InvalidDataException e)
        {
            throw new CommandException($"The backup can't be restored: {e.Message}. Nothing was changed.");
        }
        catch (Exception e) when (e is StartException or IOException or UnauthorizedAccessException)
        {
            throw new CommandException(e.Message);
        }
    }

    /// <summary>Writes all files beside the target and then renames: a kill at any moment leaves the old directory or the new one, never a half.</summary>
    /// <param name="aside">Where what is there goes; null where there is nothing.</param>
    private static string? Swap(BackupContent content, string target, string? aside)
    {
        var draft = target + ".restoring";
        using (var directory = DataDirectory.Lock(draft))
        {
            // What a killed restore left behind.
            foreach (var entry in Directory.EnumerateFiles(draft).Where(f => Path.GetFileName(f) != "lock"))
            {
                File.Delete(entry);
            }

            foreach (var (name, bytes) in content.Files)
            {
                directory.WriteText(name, Encoding.UTF8.GetString(bytes));
            }

            directory.WriteText(BackupArchive.SequenceFile, Sequence(content).ToString(CultureInfo.InvariantCulture) + "\n");
            try
            {
                using var key = KeyStore.TryLoad(directory);
                if (key?.Id.ToString() != content.Node || (NetworkStore.Load(directory) is { } network && network.Node != content.Node))
                {
                    throw new InvalidDataException("its files do not belong together");
                }
            }
            catch (Exception e) when (e is StartException or InvalidDataException)
            {
                Directory.Delete(draft, recursive: true);
                throw e is StartException ? new InvalidDataException("its files are damaged", e) : e;
            }

            // The lock is the restore's; the directory's own is made by its node.
            File.Delete(directory.File("lock"));
        }

        if (aside is not null)
        {
            Directory.Move(target, aside);
        }
        else if (Directory.Exists(target))
        {
            Directory.Delete(target);
        }

        Directory.Move(draft, target);
        return aside;
    }

    /// <summary>
    /// At least the moment of the backup: sequences are max(last + 1, Unix milliseconds), so that the restored node publishes nothing below what it published
    /// before it was backed up; what it published afterwards lies below the time at which it starts again.
    /// </summary>
    private static ulong Sequence(BackupContent content)
    {
        var stored = content.Files.TryGetValue(BackupArchive.SequenceFile, out var text) && ulong.TryParse(Encoding.UTF8.GetString(text).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var last) ? last : 0;
        return Math.Max(stored, (ulong)Math.Max(0, content.Created.ToUnixTimeMilliseconds()));
    }
}
