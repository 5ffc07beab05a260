using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Dawn.Benchmarks.Micro;

/// <summary><c>micro</c>: BenchmarkDotNet in this process. A generated project would build host and plugins into one folder, which they refuse.</summary>
internal static class InProcess
{
    public static int Run(string[] arguments)
    {
        var config = ManualConfig.Create(DefaultConfig.Instance).AddDiagnoser(MemoryDiagnoser.Default);
        var summaries = BenchmarkSwitcher.FromAssembly(typeof(InProcess).Assembly).Run([.. arguments, "--inProcess"], config);
        return summaries.Any(Failed) ? 1 : 0;
    }

    private static bool Failed(Summary summary) => summary.HasCriticalValidationErrors || summary.Reports.Any(report => !report.Success);
}
