using System.Text;

namespace Dawn.Identity;

/// <summary>A node's directory: its key, its network, its sockets. Readable by its owner alone.</summary>
internal sealed class DataDirectory : IDisposable
{
    private readonly FileStream? _lock;

    private DataDirectory(string path, FileStream? @lock) => (Path, _lock) = (path, @lock);

    public string Path { get; }

    /// <summary>The platform's place: <c>$XDG_DATA_HOME/dawn</c>, <c>~/.local/share/dawn</c>, <c>%LOCALAPPDATA%\dawn</c>, <c>~/Library/Application Support/dawn</c>.</summary>
    public static string DefaultPath =>
        System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "dawn");

    /// <summary>Opens a directory for a running node, and keeps every other one out until disposed; the lock dies with the process, however it ends.</summary>
    /// <exception cref="StartException">Another node runs on it, or it can't be written.</exception>
    public static DataDirectory Lock(string path)
    {
        var full = Create(path);
        try
        {
            return new(full, OpenLock(full));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new StartException($"The data directory {full} is another user's: {e.Message} Run 'dawn' as that user, or name another directory with --data.", e);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException))
        {
            throw new StartException($"Another node runs on the data directory {full}. Stop it ('dawn stop --data {full}'), or name another directory with --data.", e);
        }
    }

    /// <summary>Opens a directory to read or prepare it, without claiming it.</summary>
    public static DataDirectory Open(string path) => new(Create(path), null);

    /// <summary>Waits until no node runs on a directory.</summary>
    public static async Task WaitUntilFreeAsync(string path, TimeProvider time, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                await OpenLock(path).DisposeAsync();
                return;
            }
            catch (DirectoryNotFoundException)
            {
                return;
            }
            catch (IOException)
            {
                // Nobody tells when a lock is given back.
                await Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellationToken);
            }
        }
    }

    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>The file's text, or null where there is none.</summary>
    public string? ReadText(string name)
    {
        try
        {
            return System.IO.File.ReadAllText(File(name), Encoding.UTF8);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"{File(name)} can't be read: {e.Message}", e);
        }
    }

    /// <summary>Replaces a file at once and for good: whole before or whole after, also across a kill or a power cut. Only the owner may read it.</summary>
    public void WriteText(string name, string text)
    {
        var (target, draft) = (File(name), File(name + ".new"));
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var stream = new FileStream(draft, options))
        {
            stream.Write(Encoding.UTF8.GetBytes(text));
            stream.Flush(flushToDisk: true);
        }

        System.IO.File.Move(draft, target, overwrite: true);
    }

    public void Dispose() => _lock?.Dispose();

    private static FileStream OpenLock(string directory) => new(System.IO.Path.Combine(directory, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);

    private static string Create(string path)
    {
        try
        {
            var full = System.IO.Path.GetFullPath(path);
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(full);
            }
            else
            {
                Directory.CreateDirectory(full, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            return full;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new StartException($"The data directory {path} can't be made: {e.Message} Name another with --data.", e);
        }
    }
}

/// <summary>Why a node can't start, in words for its owner: cause and cure. The program ends with code 2.</summary>
internal sealed class StartException(string message, Exception? inner = null) : Exception(message, inner);
