using Xunit;

namespace Dawn.EndToEnd;

/// <summary>Plugins that can't be used are named with cause and cure, and harm nothing else.</summary>
public sealed class PluginProblemsTests
{
    [Fact]
    public async Task EachIsReportedByNameAndTheRestWorks()
    {
        var plugins = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        try
        {
            Dawn.Copy(Path.Combine(Dawn.Plugins, "agents/first"), Path.Combine(plugins, "agents/first"));
            Dawn.Copy(Path.Combine(Dawn.Plugins, "transport-tcp"), Path.Combine(plugins, "transport-tcp"));
            foreach (var (fixture, name) in new[] { ("NextMajor", "next-major"), ("NextMinor", "next-minor"), ("NextMinor", "late"), ("Misbehaving", "lost"), ("AgentNewer", "agents/newer") })
            {
                Dawn.Copy(Path.Combine(Path.GetDirectoryName(Dawn.FixtureAgent)!, "Dawn.Fixtures." + fixture), Path.Combine(plugins, name));
            }

            File.Delete(Path.Combine(plugins, "lost", "Dawn.Fixtures.Dependency.dll"));
            await using var node = await DawnNode.StartAsync($"PluginDirectory={plugins}", "Listen:0=tcp://127.0.0.1:0", "Plugins:next-minor:Use=start");
            var listed = await node.CliAsync("plugins");
            Assert.Matches("next-major .*notsupported .*version 2 of Dawn's contract; this program has 1.*Install the plugin's release", listed.Out);
            Assert.Matches("next-minor .*notsupported .*IDawnPlugin.Revision.*Install the plugin's release", listed.Out);
            Assert.Matches("lost .*failed .*Dawn.Fixtures.Dependency.dll is missing.*Copy it", listed.Out);
            Assert.Matches("late .*active", listed.Out);

            // What is missing shows only where it is used: there it fails one dial, one tool.
            var dialled = await node.CliAsync("call", "node", "connect", """{"address":"next://127.0.0.1:1"}""");
            Assert.Equal(1, dialled.Exit);
            Assert.Contains("Revision", dialled.Err, StringComparison.Ordinal);
            Assert.Equal(1, (await node.CliAsync("call", "newer", "newest")).Exit);
            Assert.Contains("well", (await node.CliAsync("call", "newer", "hear", """{"text":"well"}""")).Out, StringComparison.Ordinal);
            Assert.Contains("dawn", (await node.CliAsync("call", "first", "echo", """{"message":"dawn"}""")).Out, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(plugins, recursive: true);
        }
    }
}
