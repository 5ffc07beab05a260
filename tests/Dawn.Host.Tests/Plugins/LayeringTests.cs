using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Xunit;

namespace Dawn.Tests.Plugins;

/// <summary>Who may refer to whom, read from what was built.</summary>
public class LayeringTests
{
    [Fact]
    public void The_contract_refers_to_the_frameworks_abstractions_alone() =>
        Assert.All(References(Path.Combine(PluginSandbox.Built, "Dawn.Abstractions.dll")), name => Assert.True(
            IsSystem(name) || name.EndsWith(".Abstractions", StringComparison.Ordinal), name));

    [Fact]
    public void Plugins_refer_neither_to_the_host_nor_to_each_other()
    {
        var plugins = Plugins("*").ToList();
        Assert.NotEmpty(plugins);
        Assert.All(plugins, plugin => Assert.All(References(plugin), name => Assert.True(
            name != "dawn" && (!name.StartsWith("Dawn.", StringComparison.Ordinal) || name == "Dawn.Abstractions"), $"{plugin} refers to {name}")));
    }

    [Fact]
    public void Agents_know_the_MCP_SDK_and_what_they_bring_along_and_nothing_of_Dawn() =>
        Assert.All(Plugins("agents"), agent => Assert.All(References(agent), name => Assert.True(
            IsSystem(name) || name.StartsWith("ModelContextProtocol", StringComparison.Ordinal) || name.StartsWith("Microsoft.Extensions.", StringComparison.Ordinal)
            || (!name.StartsWith("Dawn", StringComparison.Ordinal) && File.Exists(Path.Combine(Path.GetDirectoryName(agent)!, name + ".dll"))),
            $"{agent} refers to {name}")));

    [Fact]
    public void The_host_refers_to_no_plugin()
    {
        var plugins = Plugins("*").Select(Path.GetFileNameWithoutExtension).ToHashSet();
        Assert.DoesNotContain(References(Path.Combine(PluginSandbox.Built, "dawn.dll")), plugins.Contains);
    }

    [Fact]
    public void No_plugin_carries_a_shared_assembly() =>
        Assert.DoesNotContain(
            Directory.GetFiles(Path.Combine(PluginSandbox.Built, "plugins"), "*.dll", SearchOption.AllDirectories).Select(Path.GetFileName),
            name => name is not null && (name == "Dawn.Abstractions.dll" || name.StartsWith("ModelContextProtocol", StringComparison.Ordinal) || name.StartsWith("Microsoft.AspNetCore.", StringComparison.Ordinal)));

    private static bool IsSystem(string name) => name is "netstandard" || name.StartsWith("System.", StringComparison.Ordinal);

    private static IEnumerable<string> Plugins(string folder) =>
        Directory.GetFiles(Path.Combine(PluginSandbox.Built, "plugins", folder == "*" ? "" : folder), "Dawn.*.dll", SearchOption.AllDirectories);

    private static List<string> References(string dll)
    {
        using var file = new PEReader(File.OpenRead(dll));
        var metadata = file.GetMetadataReader();
        return [.. metadata.AssemblyReferences.Select(r => metadata.GetString(metadata.GetAssemblyReference(r).Name))];
    }
}
