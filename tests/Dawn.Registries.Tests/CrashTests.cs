using System.Diagnostics;
using System.Reflection;
using Dawn.Registries.OrSet;
using Dawn.Testing.Registries;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Xunit;

namespace Dawn.Registries.Tests;

public class CrashTests
{
    private const int Kills = 20;

    [Fact(Timeout = 180_000)]
    public async Task Nothing_that_was_committed_is_lost_by_a_kill_at_any_moment()
    {
        var directory = Directory.CreateTempSubdirectory("registry-").FullName;
        var cancelled = TestContext.Current.CancellationToken;
        var (random, committed) = (new Random(11), 0);
        try
        {
            for (var kill = 0; kill < Kills; kill++)
            {
                committed = Math.Max(committed, await WriteUntilKilledAsync(directory, committed + 1, random, cancelled));
                await using var registry = new AgentRegistry(
                    Options.Create(new RegistrySettings()), new TestRecordReader(TimeProvider.System), new RegistrySurroundings(directory, new TestRecordReader(TimeProvider.System), TimeProvider.System),
                    TimeProvider.System, NullLogger<AgentRegistry>.Instance);
                await registry.StartAsync(cancelled);
                Assert.Empty(Directory.GetFiles(directory, "*.broken-*"));
                // Each of the last 50 sequences is of another node, and its node has it or a newer one.
                for (var sequence = Math.Max(1, committed - 49); sequence <= committed; sequence++)
                {
                    Assert.True(registry.Find(TestRecord.NodeOf(sequence % 50))?.Sequence >= (ulong)sequence, $"Kill {kill}: {sequence} of {committed} is lost.");
                }

                committed = (int)registry.Snapshot.Max(record => record.Sequence);
            }
        }
        finally
        {
            Directory.Delete(directory, true);
        }
    }

    private static async Task<int> WriteUntilKilledAsync(string directory, int first, Random random, CancellationToken cancelled)
    {
        var program = typeof(CrashTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(attribute => attribute.Key == "RegistryWriter").Value!;
        using var process = Process.Start(new ProcessStartInfo(program, [directory, $"{first}", $"{random.Next()}"]) { RedirectStandardOutput = true })!;
        var committed = 0;
        try
        {
            for (var lines = random.Next(1, 60); lines > 0; lines--)
            {
                var line = await process.StandardOutput.ReadLineAsync(cancelled).AsTask().WaitAsync(TimeSpan.FromSeconds(30), cancelled);
                committed = int.Parse(Assert.IsType<string>(line));
            }

            // Anywhere between two commits, or within one.
            for (var until = Stopwatch.GetTimestamp() + random.Next(3_000) * Stopwatch.Frequency / 1_000_000; Stopwatch.GetTimestamp() < until;)
            {
                Thread.SpinWait(10);
            }
        }
        finally
        {
            process.Kill();
        }

        // What it had said before its end counts too; the last line may be half a line.
        var rest = await process.StandardOutput.ReadToEndAsync(cancelled).WaitAsync(TimeSpan.FromSeconds(30), cancelled);
        await process.WaitForExitAsync(cancelled);
        return rest.Split('\n')[..^1].Select(int.Parse).Append(committed).Max();
    }
}
