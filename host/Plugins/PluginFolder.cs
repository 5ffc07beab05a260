using System.Globalization;
using System.Text;

namespace Dawn.Plugins;

/// <summary>A folder that holds a plugin, as it lies on the disk.</summary>
/// <param name="Name">Below the plugin directory, with slashes.</param>
/// <param name="Stamp">Differs once any file has changed.</param>
internal sealed record PluginFolder(string Name, string Path, string Stamp)
{
    private const string Agents = "agents";
    // A plugin with all its libraries has some dozen files; a folder with more is here by mistake.
    private const int MaxFiles = 4096;
    private const long MaxBytes = 512L * 1024 * 1024;

    /// <summary>The last segment: what the settings call it.</summary>
    public string ShortName => Name[(Name.LastIndexOf('/') + 1)..];

    public bool IsAgent => Name.StartsWith(Agents + "/", StringComparison.Ordinal);

    /// <summary>What it is by its name, as long as nothing of it could be loaded.</summary>
    public PluginKind Kind =>
        IsAgent ? PluginKind.Agent : Name.StartsWith("transport-", StringComparison.Ordinal) ? PluginKind.Transport : PluginKind.Service;

    /// <summary>All plugin folders, by name; none where there is no directory.</summary>
    public static List<PluginFolder> Scan(string directory)
    {
        var folders = new List<PluginFolder>();
        foreach (var path in SubfoldersOf(directory))
        {
            if (System.IO.Path.GetFileName(path) == Agents)
            {
                folders.AddRange(SubfoldersOf(path).Select(agent => Read(Agents + "/" + System.IO.Path.GetFileName(agent), agent)).OfType<PluginFolder>());
            }
            else if (Read(System.IO.Path.GetFileName(path), path) is { } folder)
            {
                folders.Add(folder);
            }
        }

        folders.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return folders;
    }

    /// <summary>Copies all files, so that the original can be replaced or deleted while the copy is loaded.</summary>
    /// <exception cref="IOException">A file is still being written or locked.</exception>
    public void CopyTo(string target)
    {
        var files = FilesOf(Path);
        if (files.Count > MaxFiles || files.Sum(f => f.Length) > MaxBytes)
        {
            throw new PluginException($"{Name} holds more than {MaxFiles} files or {MaxBytes >> 20} MiB.", "Publish the plugin alone, for one platform.");
        }

        foreach (var file in files)
        {
            var to = System.IO.Path.Combine(target, System.IO.Path.GetRelativePath(Path, file.FullName));
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(to)!);
            file.CopyTo(to, overwrite: true);
        }
    }

    private static PluginFolder? Read(string name, string path)
    {
        try
        {
            var stamp = new StringBuilder();
            foreach (var file in FilesOf(path))
            {
                stamp.Append(CultureInfo.InvariantCulture, $"{file.FullName}|{file.Length}|{file.LastWriteTimeUtc.Ticks};");
            }

            return stamp.Length == 0 ? null : new(name, path, stamp.ToString());
        }
        catch (IOException)
        {
            // Files come and go under the scan: the next one sees more.
            return new(name, path, "changing");
        }
        catch (UnauthorizedAccessException)
        {
            return new(name, path, "unreadable");
        }
    }

    private static List<FileInfo> FilesOf(string path) =>
        [.. new DirectoryInfo(path).EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 16, IgnoreInaccessible = false })
            .Take(MaxFiles + 1)
            .OrderBy(f => f.FullName, StringComparer.Ordinal)];

    private static IEnumerable<string> SubfoldersOf(string directory)
    {
        try
        {
            return Directory.GetDirectories(directory).Where(d => !System.IO.Path.GetFileName(d).StartsWith('.'));
        }
        catch (IOException)
        {
            // No directory, no plugins; it may come later.
            return [];
        }
    }
}
