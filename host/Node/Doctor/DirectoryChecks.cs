using Dawn.Gateway;
using Dawn.Identity;

namespace Dawn.Node.Doctor;

/// <summary>The data directory: whose it is, who may read it, whether its files are in order, and the disk under it.</summary>
internal static class DirectoryChecks
{
    private const long LittleSpace = 256L * 1024 * 1024;
    private const long NoSpace = 16L * 1024 * 1024;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private static readonly string[] Secrets = [KeyStore.FileName, NetworkStore.FileName, OwnerToken.FileName, OwnCertificate.FileName, "tickets.json", "passphrase.cache"];

    public static IEnumerable<Finding> All(string path, LiveNode? node, TimeProvider time)
    {
        if (!Directory.Exists(path))
        {
            return [Finding.Ok("data-directory", $"{path} does not exist yet; the first 'dawn run' or 'dawn join' makes it.")];
        }

        return [Own(path), .. Files(path), .. Identity(path), Lock(path, node), Disk(path), .. Socket(path, node)];
    }

    private static Finding Own(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return Finding.Ok("data-directory", $"{path} exists; its access list is the profile's.");
        }

        var mode = File.GetUnixFileMode(path);
        try
        {
            // Only its owner (or root) may set the mode, even to what it is: the portable way to ask whose it is.
            File.SetUnixFileMode(path, mode);
        }
        catch (UnauthorizedAccessException)
        {
            return Finding.Fail("data-directory", $"{path} belongs to another user.", "Run 'dawn' as that user, or name another directory with --data.");
        }

        return (mode & ~OwnerOnly) == 0
            ? Finding.Ok("data-directory", $"{path} is yours alone ({Text(mode)}).")
            : Finding.Warn("data-directory", $"Others may look into {path} ({Text(mode)}).", $"chmod 700 '{path}'");
    }

    private static IEnumerable<Finding> Files(string path)
    {
        var open = Secrets.Select(name => Path.Combine(path, name)).Where(f => File.Exists(f) && (ModeOf(f) & ~OwnerOnly) != 0).ToList();
        if (open.Count == 0)
        {
            yield return Finding.Ok("secret-files", $"Keys, secrets, tickets and {OwnerToken.FileName} are readable by you alone.");
        }

        foreach (var file in open)
        {
            yield return Finding.Fail("secret-files", $"Others may read {file} ({Text(ModeOf(file))}).", $"chmod 600 '{file}'; if others use this machine, take it for known to them.");
        }

        var settings = Path.Combine(path, "appsettings.json");
        if (File.Exists(settings) && (ModeOf(settings) & ~OwnerOnly) != 0 && (ModeOf(path) & ~OwnerOnly) != 0)
        {
            yield return Finding.Warn("secret-files", $"Others may read {settings}, where tokens and passwords of servers may stand.", $"chmod 600 '{settings}'");
        }
    }

    private static List<Finding> Identity(string path)
    {
        try
        {
            var directory = DataDirectory.Open(path);
            using var key = KeyStore.TryLoad(directory);
            var network = NetworkStore.Load(directory);
            return key is null
                ? [network is null ? Finding.Ok("identity", "There is none yet; the first start makes it.") : Finding.Fail("identity", $"{KeyStore.FileName} is missing, but {NetworkStore.FileName} is there.", "Put the key back: dawn restore")]
                : network is not null && network.Node != key.Id.ToString()
                    ? [Finding.Fail("identity", $"{KeyStore.FileName} is of node {key.Id.ToShortString()}, the directory of another.", "Put the right key back, or use another --data.")]
                    : [Finding.Ok("identity", $"Node {key.Id}{(network is null ? "" : $" of the network '{network.Name}'")}.")];
        }
        catch (StartException e)
        {
            return [Finding.Fail("identity", e.Message, "Do that; 'dawn run' refuses it as well.")];
        }
    }

    private static Finding Lock(string path, LiveNode? node)
    {
        var isHeld = false;
        try
        {
            // A node that starts in this instant would find the lock taken, so it is let go at once.
            using var held = new FileStream(Path.Combine(path, "lock"), FileMode.Open, FileAccess.Read, FileShare.None);
        }
        catch (FileNotFoundException)
        {
            // No node ever ran here.
        }
        catch (IOException)
        {
            isHeld = true;
        }
        catch (UnauthorizedAccessException)
        {
            return Finding.Fail("lock", $"{Path.Combine(path, "lock")} belongs to another user.", "Run 'dawn' as the user of the node.");
        }

        return (isHeld, node) switch
        {
            (true, not null) => Finding.Ok("lock", $"A node runs on it (process {node.ProcessId})."),
            (false, null) => Finding.Ok("lock", "No node runs on it."),
            (true, null) => Finding.Warn("lock", "A node holds the directory, and does not answer.", "If it is starting or stopping, wait; else see its log and end it."),
            (false, not null) => Finding.Fail("lock", "A node answers and does not hold the lock: the directory was moved or replaced under it.", "Stop it ('dawn stop') and start it again."),
        };
    }

    private static Finding Disk(string path)
    {
        try
        {
            var free = new DriveInfo(path).AvailableFreeSpace;
            var text = $"{free >> 20} MiB are free on the disk of {path}.";
            return free < NoSpace ? Finding.Fail("disk", text, "Free some: without room the node can't keep its sequence, and its record expires.")
                : free < LittleSpace ? Finding.Warn("disk", text, "Free some.")
                : Finding.Ok("disk", text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Finding.Warn("disk", $"How much is free can't be read: {e.Message}", "Look with df.");
        }
    }

    private static IEnumerable<Finding> Socket(string path, LiveNode? node)
    {
        var socket = ControlSocketPath.Find(path);
        if (OperatingSystem.IsWindows() || !File.Exists(socket))
        {
            yield return node is null ? Finding.Ok("control-socket", "There is none, as no node runs.") : Finding.Ok("control-socket", $"{socket} answers.");
            yield break;
        }

        var mode = File.GetUnixFileMode(socket);
        yield return (mode & ~OwnerOnly) != 0 ? Finding.Fail("control-socket", $"Others may open {socket} ({Text(mode)}), and with it the node.", $"chmod 600 '{socket}'")
            : node is null ? Finding.Ok("control-socket", $"{socket} is left from a node that was killed; the next start removes it.")
            : Finding.Ok("control-socket", $"{socket} is yours alone.");
    }

    // On Windows the access list of the profile decides.
    private static UnixFileMode ModeOf(string path) => OperatingSystem.IsWindows() ? OwnerOnly : File.GetUnixFileMode(path);

    private static string Text(UnixFileMode mode) => Convert.ToString((int)mode, 8).PadLeft(4, '0');
}
