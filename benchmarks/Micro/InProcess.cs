using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace Dawn.Benchmarks.Micro;

/// <summary>In this process: a generated project would build host and plugins into one folder, which they refuse.</summary>
internal static class InProcess
{
    public static IConfig Config { get; } = ManualConfig.Create(DefaultConfig.Instance)
        .AddJob(Job.Default.WithToolchain(new InProcessEmitToolchain(TimeSpan.FromMinutes(10), logOutput: true)).AsDefault())
        .AddDiagnoser(MemoryDiagnoser.Default);
}
