using System.ComponentModel;
using System.Runtime.InteropServices;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Machine;

public sealed record Facts(
    [property: Description("The machine's own name.")] string Name,
    string System,
    [property: Description("x64, arm64, …")] string Architecture,
    [property: Description("Logical processors.")] int Processors,
    [property: Description("Memory that programs may use, in MiB.")] long MemoryMiB,
    string Runtime);

public sealed record Load(
    [property: Description("Memory in use by everything on this machine, in MiB.")] long MemoryUsedMiB,
    [property: Description("Memory that programs may use, in MiB.")] long MemoryMiB,
    [property: Description("Share of a processor that this node has used since it started, 0 to the number of processors.")] double NodeProcessors,
    [property: Description("Memory of this node, in MiB.")] long NodeMemoryMiB,
    [property: Description("Hours since the machine started.")] double UpHours);

public sealed record Disk(string Name, string Format, [property: Description("In GiB.")] double SizeGiB, [property: Description("In GiB.")] double FreeGiB);

public sealed record Disks([property: Description("The fixed disks that are ready.")] IReadOnlyList<Disk> Drives);

[McpServerToolType]
public sealed class MachineTools(TimeProvider time)
{
    private const double GiB = 1024.0 * 1024 * 1024;
    private const long MiB = 1024 * 1024;

    [McpServerTool(Name = "facts", Title = "Facts", ReadOnly = true, Idempotent = true, OpenWorld = false, UseStructuredContent = true)]
    [Description("Tells what machine this is.")]
    public static Facts Facts() => new(
        Environment.MachineName,
        RuntimeInformation.OSDescription,
        RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant(),
        Environment.ProcessorCount,
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / MiB,
        RuntimeInformation.FrameworkDescription);

    [McpServerTool(Name = "load", Title = "Load", ReadOnly = true, OpenWorld = false, UseStructuredContent = true)]
    [Description("Tells how busy the machine and this node are now.")]
    public Load Load()
    {
        var memory = GC.GetGCMemoryInfo();
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        var alive = time.GetUtcNow() - process.StartTime.ToUniversalTime();
        return new(
            memory.MemoryLoadBytes / MiB,
            memory.TotalAvailableMemoryBytes / MiB,
            Math.Round(process.TotalProcessorTime / alive, 3),
            process.WorkingSet64 / MiB,
#pragma warning disable RS0030 // The machine's own up time is no time that a test could fake.
            Math.Round(TimeSpan.FromMilliseconds(Environment.TickCount64).TotalHours, 2));
#pragma warning restore RS0030
    }

    [McpServerTool(Name = "disks", Title = "Disks", ReadOnly = true, OpenWorld = false, UseStructuredContent = true)]
    [Description("Lists the fixed disks with their size and free space.")]
    public static Disks ListDisks() => new([.. from drive in DriveInfo.GetDrives()
                                               where drive is { DriveType: DriveType.Fixed, IsReady: true, TotalSize: > 0 }
                                               select new Disk(drive.Name, drive.DriveFormat, Math.Round(drive.TotalSize / GiB, 1), Math.Round(drive.AvailableFreeSpace / GiB, 1))]);
}
