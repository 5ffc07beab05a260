using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>A program of <c>frontend/tests/live</c>, run by Node.js.</summary>
internal sealed class LivePage : IDisposable
{
    // By autoconf's custom: what the program needs is not here.
    private const int Skipped = 77;

    private readonly Process _process;
    private readonly Task<string> _errors;

    private LivePage(Process process) => (_process, _errors) = (process, process.StandardError.ReadToEndAsync());

    public static LivePage Start(string program, params string[] arguments)
    {
        var node = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, OperatingSystem.IsWindows() ? "node.exe" : "node")).FirstOrDefault(File.Exists);
        Assert.SkipWhen(node is null, "Node.js, which runs the page's code here, is not installed.");
        string[] all = [Path.Combine(Dawn.RepoRoot, "frontend", "tests", "live", program), .. arguments];
        return new(Process.Start(new ProcessStartInfo(node, all) { RedirectStandardOutput = true, RedirectStandardError = true })!);
    }

    public async Task<JsonElement> EndAsync()
    {
        var output = await _process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken).WaitAsync(Dawn.Patience, TestContext.Current.CancellationToken);
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.SkipWhen(_process.ExitCode == Skipped, "Chromium is not installed.");
        Assert.True(_process.ExitCode == 0, await _errors);
        return JsonDocument.Parse(output).RootElement;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
