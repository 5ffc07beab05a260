using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Dawn.Plugins;

/// <summary>What a plugin's main assembly says of itself, read from its metadata before anything of it is loaded.</summary>
/// <param name="SharedReferences">Names of assemblies that it or its libraries use and that must be the host's.</param>
internal sealed record PluginAssembly(string Path, string Version, IReadOnlyCollection<string> SharedReferences)
{
    private const string Contract = "Dawn.Abstractions";

    private static readonly HashSet<string> Platform =
        [.. ((string?)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") ?? "").Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(System.IO.Path.GetFileNameWithoutExtension).OfType<string>()];

    /// <summary>True for assemblies whose types cross between host and plugins, so that both must see the same ones.</summary>
    public static bool IsShared(string? name) =>
        name is not null && Platform.Contains(name) && (
            name == Contract || name.StartsWith("ModelContextProtocol", StringComparison.Ordinal)
            || name.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal) || name.StartsWith("Microsoft.AspNetCore.", StringComparison.Ordinal));

    /// <summary>Finds the main assembly of a folder and checks that it can be loaded.</summary>
    /// <param name="shortName">The folder's own name, for want of a better hint.</param>
    /// <exception cref="PluginException">There is none, or it can't be.</exception>
    public static PluginAssembly Inspect(string folder, string shortName)
    {
        var main = Choose(folder, shortName);
        var libraries = Directory.GetFiles(folder, "*.dll", SearchOption.AllDirectories);
        var own = libraries.Select(System.IO.Path.GetFileNameWithoutExtension).ToHashSet();
        var (version, references) = Read(main) ?? throw new PluginException(
            $"{System.IO.Path.GetFileName(main)} is no .NET assembly.", "Copy the built plugin into the folder again.");
        foreach (var (name, wanted) in references)
        {
            if (name == Contract && wanted.Major != typeof(IDawnPlugin).Assembly.GetName().Version!.Major)
            {
                throw new PluginException(
                    PluginState.NotSupported,
                    $"It is made for version {wanted.Major} of Dawn's contract; this program has {typeof(IDawnPlugin).Assembly.GetName().Version!.Major}.",
                    "Install the plugin's release for this version of Dawn.");
            }

            if (name == "System.Runtime" && wanted.Major > Environment.Version.Major)
            {
                throw new PluginException(
                    PluginState.NotSupported, $"It is made for .NET {wanted.Major}; this program runs on .NET {Environment.Version.Major}.", "Install the plugin's release for this version.");
            }

            if (!own.Contains(name) && !Platform.Contains(name))
            {
                throw Missing(name);
            }
        }

        var shared = libraries.Select(Read).OfType<(string, List<(string Name, Version)> References)>()
            .SelectMany(l => l.References, (_, r) => r.Name).Where(IsShared).ToHashSet();
        return new(main, version, shared);
    }

    public static PluginException Missing(string assembly) =>
        new($"{assembly}.dll is missing.", "Copy it into the plugin's folder too: `dotnet publish` puts all that a plugin needs in one place.");

    private static string Choose(string folder, string shortName)
    {
        var all = Directory.GetFiles(folder, "*.dll").Where(f => !IsShared(System.IO.Path.GetFileNameWithoutExtension(f))).ToList();
        var described = all.Where(f => File.Exists(System.IO.Path.ChangeExtension(f, ".deps.json"))).ToList();
        var candidates = described.Count > 0 ? described : all;
        var named = candidates.Find(f => System.IO.Path.GetFileNameWithoutExtension(f).Equals(shortName, StringComparison.OrdinalIgnoreCase));
        return candidates switch
        {
            [] => throw new PluginException("There is no plugin DLL in the folder.", "Copy the built plugin into it, or delete the folder."),
            [var only] => only,
            _ => named ?? throw new PluginException(
                $"Which DLL is the plugin? There are {string.Join(", ", candidates.Take(5).Select(System.IO.Path.GetFileName))}{(candidates.Count > 5 ? ", …" : "")}.",
                $"Add the one .deps.json of the plugin's build, or name its DLL {shortName}.dll."),
        };
    }

    private static (string Version, List<(string Name, Version Version)> References)? Read(string path)
    {
        try
        {
            using var file = new PEReader(File.OpenRead(path));
            if (!file.HasMetadata || file.GetMetadataReader() is not { IsAssembly: true } metadata)
            {
                return null;
            }

            var references = metadata.AssemblyReferences.Select(metadata.GetAssemblyReference).Select(r => (metadata.GetString(r.Name), r.Version)).ToList();
            return (metadata.GetAssemblyDefinition().Version.ToString(3), references);
        }
        catch (BadImageFormatException)
        {
            // A native library, or rubbish.
            return null;
        }
    }
}
