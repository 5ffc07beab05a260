using System.Security.Cryptography;
using Dawn.Commands;
using Dawn.Configuration;
using Dawn.Identity;

namespace Dawn.Node.Backup;

/// <summary><c>dawn backup</c>: what makes a node this node, in one file; whether or not it runs.</summary>
internal static class BackupVerb
{
    // Each file is replaced at once, but one after the other; a node writes some bytes now and then.
    private const int MaxReads = 10;
    private const long MaxFile = 4 * 1024 * 1024;

    public static Task<int> RunAsync(BackupOptions options, Terminal terminal, CancellationToken cancellationToken)
    {
        try
        {
            var path = Path.GetFullPath(options.File);
            if (!options.Force && Path.Exists(path))
            {
                throw new CommandException($"{path} exists; name another file, or add --force to replace it.");
            }

            if (!File.Exists(Path.Combine(options.DataDirectory, KeyStore.FileName)))
            {
                throw new CommandException($"There is no identity in {options.DataDirectory} yet; 'dawn run' makes one, --data names another directory.");
            }

            var content = Read(DataDirectory.Open(options.DataDirectory), terminal.Time);
            var bytes = BackupArchive.Write(content, options.Passphrase, Entropy.System);
            WriteFile(path, bytes);
            CryptographicOperations.ZeroMemory(bytes);
            terminal.Out.WriteLine($"Node {content.Node} is backed up in {path} ({content.Files.Count} files, {(options.Passphrase is null ? "readable" : "sealed")}).");
            if (options.Passphrase is null)
            {
                terminal.Error.WriteLine($"warning: {path} holds the node's private key{(content.Network is null ? "" : " and the network's secret")} in the clear: whoever has it is this node. Seal it with --encrypt or --passphrase-file.");
            }

            return Task.FromResult(ExitCode.Done);
        }
        catch (Exception e) when (e is StartException or IOException or InvalidDataException or UnauthorizedAccessException)
        {
            throw new CommandException(e.Message);
        }
    }

    /// <summary>All files of one moment: read until two readings in a row agree.</summary>
    private static BackupContent Read(DataDirectory directory, TimeProvider time)
    {
        using var key = KeyStore.TryLoad(directory) ?? throw new CommandException($"{directory.File(KeyStore.FileName)} is missing.");
        var files = ReadOnce(directory);
        for (var i = 0; i < MaxReads; i++)
        {
            var again = ReadOnce(directory);
            if (again.Count == files.Count && again.All(f => files.TryGetValue(f.Key, out var bytes) && bytes.AsSpan().SequenceEqual(f.Value)))
            {
                // What can't be read back is no backup.
                return new(key.Id.ToString(), NetworkStore.Load(directory)?.Name, time.GetUtcNow(), DawnVersion.Text, files);
            }

            files = again;
        }

        throw new CommandException($"The files in {directory.Path} change all the time; try again, or stop the node first ('dawn stop').");
    }

    private static SortedDictionary<string, byte[]> ReadOnce(DataDirectory directory)
    {
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFiles(directory.Path).Where(p => BackupArchive.IsAllowed(Path.GetFileName(p))))
        {
            if (new FileInfo(path).Length > MaxFile)
            {
                throw new CommandException($"{path} has more than {MaxFile >> 20} MiB, which no file of a node has.");
            }

            try
            {
                files[Path.GetFileName(path)] = File.ReadAllBytes(path);
            }
            catch (FileNotFoundException)
            {
                // Gone meanwhile; the next reading decides.
            }
        }

        return files;
    }

    /// <summary>Whole or not at all, and for its owner alone.</summary>
    private static void WriteFile(string path, byte[] bytes)
    {
        var draft = path + ".new";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            // The mode holds only for files that the call makes.
            File.Delete(draft);
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var stream = new FileStream(draft, options))
        {
            stream.Write(bytes);
            stream.Flush(flushToDisk: true);
        }

        File.Move(draft, path, overwrite: true);
    }
}
