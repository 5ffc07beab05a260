using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Dawn.Registries.Tests;

/// <summary>A disk that is really full: a small one in memory, mounted for a process of its own where nobody else sees it.</summary>
public sealed class FullDiskTests : RegistryTestBase
{
    private const string DiskSize = "2m";

    private string Ballast => Path.Combine(Root, "ballast");

    [Theory]
    [InlineData(nameof(A_disk_that_fills_up_costs_nothing_once_there_is_room))]
    [InlineData(nameof(A_start_on_a_full_disk_harms_nothing))]
    public async Task On_a_disk_of_its_own(string test)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only Linux mounts a disk for one process alone");
        var (exit, output) = await RunAsync("true");
        Assert.SkipUnless(exit == 0, $"this machine mounts no disk for one process: {output}");
        (exit, output) = await RunAsync($"exec \"$0\" -explicit only -noColor -method '{typeof(FullDiskTests).FullName}.{test}'");
        Assert.True(exit == 0 && output.Contains("Total: 1,", StringComparison.Ordinal), output);
    }

    [Fact(Explicit = true)]
    public async Task A_disk_that_fills_up_costs_nothing_once_there_is_room()
    {
        var registry = await StartAsync();
        registry.Merge(Record(0));
        await CommitAsync(registry);
        Fill();
        for (var node = 1; node < 100; node++)
        {
            registry.Merge(Record(node, 1, 1_000));
        }

        var error = await Assert.ThrowsAsync<IOException>(() => CommitAsync(registry));
        Assert.Contains($"The disk of {Root} is full: free some space", error.Message, StringComparison.Ordinal);
        // It goes on in memory, and says so once.
        Assert.Equal(100, registry.Count);
        Assert.Equal(100, (await LogAsync(registry)).Count);
        Time.Advance(TimeSpan.FromMinutes(1));
        registry.Merge(Record(100));
        await Assert.ThrowsAsync<IOException>(() => CommitAsync(registry));
        Assert.Single(Lines.From(LogLevel.Error), line => line.Contains("is full", StringComparison.Ordinal));
        File.Delete(Ballast);
        await RecoveredAsync();
        await CommitAsync(registry);
        Assert.Single(Lines.From(LogLevel.Warning));
        await registry.DisposeAsync();
        Assert.Equal(101, (await StartAsync()).Count);
        Assert.Empty(Directory.GetFiles(Root, "*.broken-*"));
    }

    [Fact(Explicit = true)]
    public async Task A_start_on_a_full_disk_harms_nothing()
    {
        var first = await StartAsync();
        for (var node = 0; node < 50; node++)
        {
            first.Merge(Record(node, 1, 1_000));
        }

        await CommitAsync(first);
        await first.DisposeAsync();
        Fill();
        var second = await StartAsync();
        second.Merge(Record(50));
        await Assert.ThrowsAsync<IOException>(() => CommitAsync(second));
        Assert.NotNull(second.Find(Record(50).Node));
        Assert.Contains($"The disk of {Root} is full: free some space", Assert.Single(Lines.From(LogLevel.Warning)), StringComparison.Ordinal);
        File.Delete(Ballast);
        await RecoveredAsync();
        await CommitAsync(second);
        await second.DisposeAsync();
        Assert.Equal(51, (await StartAsync()).Count);
        Assert.Empty(Directory.GetFiles(Root, "*.broken-*"));
    }

    // To the last byte.
    private void Fill()
    {
        Assert.InRange(new DriveInfo(Root).TotalSize, 0, 16 * 1024 * 1024);
        using var ballast = new FileStream(Ballast, FileMode.Create, FileAccess.Write, FileShare.None, 0);
        foreach (var piece in new[] { 4_096, 1 })
        {
            while (TryWrite(ballast, new byte[piece]))
            {
            }
        }
    }

    private static bool TryWrite(FileStream file, byte[] piece)
    {
        try
        {
            file.Write(piece);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    // This program again, as root of a namespace of its own where it is no real one; its temporary files are on the small disk.
    private async Task<(int Exit, string Output)> RunAsync(string command)
    {
        var disk = Directory.CreateDirectory(Path.Combine(Root, "disk")).FullName;
        string[] rights = Environment.IsPrivilegedProcess ? [] : ["--map-root-user"];
        var start = new ProcessStartInfo("unshare", ["--mount", .. rights, "sh", "-c", $"mount -t tmpfs -o size={DiskSize} tmpfs \"$TMPDIR\" && {command}", Environment.ProcessPath!])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["TMPDIR"] = disk, ["DOTNET_EnableDiagnostics"] = "0" },
        };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return (-1, e.Message);
        }

        using (process)
        {
            try
            {
                var (output, errors) = (process.StandardOutput.ReadToEndAsync(Cancelled), process.StandardError.ReadToEndAsync(Cancelled));
                await process.WaitForExitAsync(Cancelled).WaitAsync(TimeSpan.FromSeconds(100), Cancelled);
                return (process.ExitCode, await output + await errors);
            }
            finally
            {
                if (!process.HasExited)
                {
                    process.Kill(entireProcessTree: true);
                }
            }
        }
    }
}
