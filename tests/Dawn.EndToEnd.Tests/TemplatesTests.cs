using System.Diagnostics;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>What a stranger gets from the templates builds, passes its tests and runs in a node, all of it outside this repository.</summary>
public sealed class TemplatesTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dawn-new-").FullName;

    private static string Packages => Path.Combine(Dawn.RepoRoot, "artifacts/packages");

    // A hive of its own: the user's templates are left alone.
    private string Hive => Path.Combine(_folder, "hive");

    public async ValueTask InitializeAsync()
    {
        Assert.True(Directory.Exists(Packages), $"There is no {Packages}: run ./pack.");
        // Beside what is created, so that it holds for all below.
        await File.WriteAllTextAsync(Path.Combine(_folder, "nuget.config"), $"""<configuration><packageSources><add key="dawn" value="{Packages}" /></packageSources></configuration>""", TestContext.Current.CancellationToken);
        await DotnetAsync("new", "install", Assert.Single(Directory.GetFiles(Packages, "Dawn.Templates.*.nupkg")), "--debug:custom-hive", Hive);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return default;
    }

    [Fact]
    public async Task ANewAgentPassesItsTestsAndIsCalledInANode()
    {
        var project = await CreateAsync("dawn-agent", "Kitchen.Timer");
        var plugins = Path.Combine(_folder, "plugins");
        Dawn.Copy(Path.Combine(project, "bin/Release/net10.0"), Path.Combine(plugins, "agents/kitchen-timer"));
        await using var node = await DawnNode.StartAsync($"PluginDirectory={plugins}", "Listen:0=");
        var greeting = await node.CliAsync("call", "kitchen-timer", "greet", """{"name":"Ada"}""");
        Assert.Equal("Good morning, Ada!", greeting.Out.Trim());
        await using var client = await node.ConnectAsync("/kitchen-timer");
        Assert.Equal("kitchen-timer://manners", Assert.Single(await client.ListResourcesAsync(cancellationToken: TestContext.Current.CancellationToken)).Uri);
    }

    [Fact]
    public async Task ANewTransportPassesTheKitAndIsListenedAtByANode()
    {
        var project = await CreateAsync("dawn-transport", "Pigeon");
        var plugins = Path.Combine(_folder, "plugins");
        Dawn.Copy(Path.Combine(project, "bin/Release/net10.0"), Path.Combine(plugins, "transport-pigeon"));
        await using var node = await DawnNode.StartAsync($"PluginDirectory={plugins}", "Listen:0=pigeon://127.0.0.1:0");
        Assert.StartsWith("pigeon://127.0.0.1:", node.Listen, StringComparison.Ordinal);
    }

    private async Task<string> CreateAsync(string template, string name)
    {
        var project = Path.Combine(_folder, name);
        await DotnetAsync("new", template, "-n", name, "-o", project, "--debug:custom-hive", Hive);
        // As the created README says: one build for both, then the tests.
        await DotnetAsync("build", Path.Combine(project, "tests"), "-c", "Release", "--nologo", "-v", "q", "-warnaserror", "--disable-build-servers");
        var tests = await RunAsync(Path.Combine(project, "tests/bin/Release/net10.0", name + ".Tests"), "-noColor");
        Assert.True(tests.Exit == 0, tests.Out);
        Assert.DoesNotContain("Total: 0,", tests.Out, StringComparison.Ordinal);
        return project;
    }

    private static async Task DotnetAsync(params string[] arguments)
    {
        var outcome = await RunAsync("dotnet", arguments);
        Assert.True(outcome.Exit == 0, $"dotnet {string.Join(' ', arguments)}: {outcome.Out}{outcome.Err}");
    }

    private static async Task<Outcome> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1", ["DOTNET_NOLOGO"] = "1", ["DOTNET_CLI_UI_LANGUAGE"] = "en" },
        })!;
        try
        {
            var (stdout, stderr) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            // A first restore fetches packages.
            await process.WaitForExitAsync().WaitAsync(3 * Dawn.Patience);
            return new(process.ExitCode, await stdout, await stderr);
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
