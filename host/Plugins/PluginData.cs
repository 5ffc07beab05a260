namespace Dawn.Plugins;

/// <summary>A plugin's own directory, which its user alone can open.</summary>
internal sealed record PluginData(string Directory) : IPluginData
{
    /// <summary>In the node's data directory.</summary>
    public const string Folder = "plugin-data";

    /// <param name="name">Below the plugin directory, with slashes.</param>
    /// <exception cref="PluginException">It can't be made.</exception>
    public static PluginData Create(string root, string name)
    {
        var path = Path.Combine([root, .. name.Split('/')]);
        try
        {
            if (OperatingSystem.IsWindows())
            {
                System.IO.Directory.CreateDirectory(path);
            }
            else
            {
                System.IO.Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            return new(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PluginException($"Its directory {path} can't be made: {e.Message.ReplaceLineEndings(" ")}", "Make room, or let the node's user write there.");
        }
    }
}
