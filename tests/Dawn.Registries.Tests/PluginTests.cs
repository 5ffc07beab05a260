using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using Dawn.Testing.Registries;
using McMaster.NETCore.Plugins;
using Microsoft.Extensions.Options;
using Xunit;

namespace Dawn.Registries.Tests;

public class PluginTests
{
    private static string Plugin => typeof(PluginTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(attribute => attribute.Key == "Plugin").Value!;

    [Fact]
    public async Task The_plugin_finds_its_SQLite_in_its_own_folder_and_goes_when_unloaded()
    {
        var context = await UseAsync();
        for (var since = Stopwatch.GetTimestamp(); context.IsAlive && Stopwatch.GetElapsedTime(since) < RegistryTestBase.Patience;)
        {
            // The last stack frames of the plugin's tasks end on other threads, whenever these get to run; nothing tells of it but that the collector can.
            await Task.Yield();
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.False(context.IsAlive);
    }

    [Fact]
    public void The_folder_has_this_platforms_SQLite_alone() =>
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(Plugin)!, "*e_sqlite3*", SearchOption.AllDirectories), file => !file.EndsWith(".dll", StringComparison.Ordinal));

    [Theory]
    [InlineData("MaxRecords", "0")]
    [InlineData("MaxBytes", "100")]
    [InlineData("LogSize", "1")]
    [InlineData("LogAge", "00:00:01")]
    public async Task A_setting_out_of_bounds_is_named(string key, string value)
    {
        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => OpenAsync(key, value));
        Assert.Contains(key, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_setting_is_named() =>
        Assert.Contains("MaxRecord", (await Assert.ThrowsAsync<InvalidOperationException>(() => OpenAsync("MaxRecord", "1"))).ToString(), StringComparison.Ordinal);

    private static async Task OpenAsync(string key, string value)
    {
        var time = new ManualTime();
        await using var open = await OpenRegistry.OfAsync(
            Assembly.Load("Dawn.Registries.OrSet"), new(Path.GetTempPath(), new TestRecordReader(time), time), [new(key, value)], TestContext.Current.CancellationToken);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference> UseAsync()
    {
        var directory = Directory.CreateTempSubdirectory("registry-");
        using var loader = PluginLoader.CreateFromAssemblyFile(Plugin, config =>
        {
            config.IsUnloadable = true;
            config.IsLazyLoaded = true;
            config.PreferSharedTypes = false;
            foreach (var name in typeof(OpenRegistry).Assembly.GetReferencedAssemblies().Where(name => name.Name!.StartsWith("Microsoft.", StringComparison.Ordinal) || name.Name == "Dawn.Abstractions"))
            {
                config.SharedAssemblies.Add(name);
            }
        });
        try
        {
            var (time, cancelled) = (new ManualTime(), TestContext.Current.CancellationToken);
            await using var open = await OpenRegistry.OfAsync(loader.LoadDefaultAssembly(), new(directory.FullName, new TestRecordReader(time), time), null, cancelled);
            Assert.NotSame(Assembly.Load("Dawn.Registries.OrSet"), open.Registry.GetType().Assembly);
            open.Registry.Merge(new TestRecord(TestRecord.NodeOf(1), 1, time.GetUtcNow(), TimeSpan.FromHours(1)));
            await open.Registry.CommitAsync(cancelled);
            Assert.True(File.Exists(Path.Combine(directory.FullName, "registry.db")));
            return new(loader.LoadContext);
        }
        finally
        {
            directory.Delete(true);
        }
    }
}
