using System.Runtime.InteropServices;

namespace Dawn.Simulator;

/// <summary>
/// Few garbage collections: nearly all that a network of nodes holds it holds to the end, and most of the rest is of the moment. With a first generation of half a gigabyte
/// there are a tenth as many. The runtime takes this one setting from the environment alone, so the program begins again with it, as the same process.
/// </summary>
internal static partial class Collections
{
    private const string Setting = "DOTNET_GCgen0size";
    private const string Size = "0x20000000";

    /// <returns>Null where it goes on as it is: with the setting, or on a system that knows no such beginning.</returns>
    public static int? TryBeginAgain(string[] args)
    {
        if (Environment.GetEnvironmentVariable(Setting) is not null || OperatingSystem.IsWindows() || Environment.ProcessPath is not { } program)
        {
            return null;
        }

        string[] before = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [program, typeof(Collections).Assembly.Location] : [program];
        var environment = Environment.GetEnvironmentVariables();
        environment[Setting] = Size;
        string?[] all = [.. environment.Keys.Cast<string>().Order(StringComparer.Ordinal).Select(key => $"{key}={environment[key]}"), null];
        // It returns only where it fails; then the collections take longer, and that is all.
        _ = Execute(program, [.. before, .. args, null], all);
        return null;
    }

    [LibraryImport("libc", EntryPoint = "execve", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(string path, string?[] arguments, string?[] environment);
}
