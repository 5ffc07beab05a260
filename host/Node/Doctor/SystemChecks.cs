using System.Globalization;

namespace Dawn.Node.Doctor;

/// <summary>Limits of the machine that a node may run into.</summary>
internal static class SystemChecks
{
    private const int FewDescriptors = 4096;

    // libsodium guards each long-lived key with four mappings; Linux allows 65,530 to a process by default.
    private const int UsualMaps = 65_530;
    private const double Full = 0.8;

    public static IEnumerable<Finding> All(string dataDirectory, LiveNode? node, TimeProvider time)
    {
        if (!OperatingSystem.IsLinux())
        {
            return [];
        }

        // Without a node, this process stands for it: both run under the same limits.
        var process = node is null ? "self" : node.ProcessId.ToString(CultureInfo.InvariantCulture);
        return [Descriptors(process, node), Maps(process, node)];
    }

    private static Finding Descriptors(string process, LiveNode? node)
    {
        try
        {
            var line = File.ReadLines($"/proc/{process}/limits").FirstOrDefault(l => l.StartsWith("Max open files", StringComparison.Ordinal));
            var text = line?["Max open files".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0];
            var limit = text == "unlimited" ? long.MaxValue : long.Parse(text ?? "", CultureInfo.InvariantCulture);
            long? used = node is null ? null : Directory.EnumerateFileSystemEntries($"/proc/{process}/fd").LongCount();
            var detail = $"{(used is null ? "" : $"{used} of ")}{(limit == long.MaxValue ? "unlimited" : limit)} file descriptors{(used is null ? " are allowed" : " are in use")}.";
            return used > limit * Full ? Finding.Fail("file-descriptors", detail, "Raise the limit (ulimit -n, LimitNOFILE= of systemd) and restart the node.")
                : limit < FewDescriptors ? Finding.Warn("file-descriptors", detail, $"Raise the limit to {FewDescriptors} or more (ulimit -n, LimitNOFILE= of systemd).")
                : Finding.Ok("file-descriptors", detail);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return Finding.Warn("file-descriptors", $"The limits of process {process} can't be read: {e.Message}", "Run 'dawn doctor' as the user of the node.");
        }
    }

    private static Finding Maps(string process, LiveNode? node)
    {
        try
        {
            var limit = long.Parse(File.ReadAllText("/proc/sys/vm/max_map_count"), CultureInfo.InvariantCulture);
            long? used = node is null ? null : File.ReadLines($"/proc/{process}/maps").LongCount();
            var detail = $"vm.max_map_count is {limit}{(used is null ? "" : $", of which the node uses {used}")}.";
            return used > limit * Full ? Finding.Fail("max-map-count", detail, "sysctl -w vm.max_map_count=262144")
                : limit < UsualMaps ? Finding.Warn("max-map-count", detail, "sysctl -w vm.max_map_count=262144: with many sessions a node runs out of memory mappings before memory.")
                : Finding.Ok("max-map-count", detail);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return Finding.Ok("max-map-count", $"It can't be read here: {e.Message}");
        }
    }
}
