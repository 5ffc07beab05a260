using System.Net.Sockets;
using System.Text;

namespace Dawn.Gateway;

/// <summary>Where the control socket of a data directory is.</summary>
/// <remarks>
/// Usually <c>control.sock</c> in the directory. A socket's path is short by the platform's rule (sun_path: 104 bytes on macOS, 108 elsewhere);
/// a directory deeper than that keeps the path of a socket in a private folder under the temporary directory in <c>control.path</c>.
/// </remarks>
internal static class ControlSocketPath
{
    private const string SocketName = "control.sock";
    private const string PathName = "control.path";
    private const string FolderPrefix = "dawn-";
    private const int MaxBytes = 100;

    /// <summary>The socket to connect to; it need not exist.</summary>
    public static string Find(string dataDirectory)
    {
        var pointer = Path.Combine(dataDirectory, PathName);
        return File.Exists(pointer) ? File.ReadAllText(pointer).Trim() : Path.Combine(Path.GetFullPath(dataDirectory), SocketName);
    }

    /// <summary>Binds and listens. What a killed node left behind is replaced; a living node is not.</summary>
    /// <exception cref="IOException">Another node answers there, or there is no place for a socket.</exception>
    public static async Task<Socket> ListenAsync(string dataDirectory, int backlog, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(dataDirectory);
        var old = Find(dataDirectory);
        if (await IsAnsweredAsync(old, cancellationToken))
        {
            throw new IOException($"A node is already running on {dataDirectory}; stop it with 'dawn stop', or give this one another directory with --data.");
        }

        Remove(dataDirectory);
        var path = Path.Combine(Path.GetFullPath(dataDirectory), SocketName);
        if (!Fits(path))
        {
            path = Path.Combine(Directory.CreateTempSubdirectory(FolderPrefix).FullName, SocketName);
            if (!Fits(path))
            {
                Directory.Delete(Path.GetDirectoryName(path)!);
                throw new IOException($"There is no path of at most {MaxBytes} bytes for the control socket: both {dataDirectory} and {Path.GetTempPath()} are too long. Set TMPDIR to a shorter one.");
            }

            var pointer = Path.Combine(dataDirectory, PathName);
            await File.WriteAllTextAsync(pointer, path, cancellationToken);
            Restrict(pointer);
        }

        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            // Nobody can connect between bind and listen, so the mode holds before the first caller.
            listener.Bind(new UnixDomainSocketEndPoint(path));
            Restrict(path);
            listener.Listen(backlog);
            return listener;
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    /// <summary>Deletes the socket, and the folder and pointer of a long path.</summary>
    public static void Remove(string dataDirectory)
    {
        File.Delete(Path.Combine(dataDirectory, SocketName));
        var pointer = Path.Combine(dataDirectory, PathName);
        if (!File.Exists(pointer))
        {
            return;
        }

        var socket = Find(dataDirectory);
        File.Delete(pointer);

        // The pointer is a file like others: only what this class itself would have made is deleted.
        var folder = Path.GetDirectoryName(socket);
        if (folder is not null && Path.GetFileName(socket) == SocketName && Path.GetFileName(folder).StartsWith(FolderPrefix, StringComparison.Ordinal) && Directory.Exists(folder))
        {
            File.Delete(socket);
            if (!Directory.EnumerateFileSystemEntries(folder).Any())
            {
                Directory.Delete(folder);
            }
        }
    }

    private static bool Fits(string path) => Encoding.UTF8.GetByteCount(path) <= MaxBytes;

    private static void Restrict(string path)
    {
        // On Windows the access list of the folder, in the user's profile, does the same.
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private static async Task<bool> IsAnsweredAsync(string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path) || !Fits(path))
        {
            return false;
        }

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await probe.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
