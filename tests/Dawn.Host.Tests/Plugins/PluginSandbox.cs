using System.Collections.Concurrent;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Plugins;
using Dawn.Sessions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dawn.Tests.Plugins;

/// <summary>A plugin directory of its own, and a host for it.</summary>
internal sealed class PluginSandbox : IAsyncDisposable
{
    private readonly string _root = System.IO.Directory.CreateTempSubdirectory("dawn-sandbox-").FullName;
    private readonly TimeProvider _time;
    private PluginHost? _host;

    public PluginSandbox(TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        System.IO.Directory.CreateDirectory(Directory);
    }

    public string Directory => Path.Combine(_root, "plugins");

    public string Copies => Path.Combine(_root, "copies");

    public string Data => Path.Combine(_root, "data");

    public FakeAgentHost Agents { get; } = new();

    public IConfigurationRoot Configuration { get; } = new ConfigurationBuilder().AddInMemoryCollection().Build();

    public PluginSurroundings Surroundings => new(Configuration, NullLoggerFactory.Instance, _time, new(() => Agents), new(() => Agents), new Dawn.Membership.RecordReader(new TestNetwork().Node(1), _time), Data);

    public PluginHost Host => _host ??= new(new(Directory, Copies), Agents, Surroundings);

    /// <summary>Waits until nothing holds a plugin's assemblies any more.</summary>
    public static async Task CollectedAsync(WeakReference context, CancellationToken cancellationToken)
    {
        // Off the stack on which the plugin's last task ended: its frames still hold the plugin.
        await Task.CompletedTask.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        await Eventually.HoldsAsync(() => !context.IsAlive, Collect);
    }

    public static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    public static string Repository { get; } = Ancestors(AppContext.BaseDirectory).First(d => File.Exists(Path.Combine(d, "DawnHost.sln")));

    private static string Configured => AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Debug{Path.DirectorySeparatorChar}", StringComparison.Ordinal) ? "Debug" : "Release";

    /// <summary>The built program's folder.</summary>
    public static string Built => Path.Combine(Repository, "artifacts", "dawn", Configured);

    public string this[string key]
    {
        set => Configuration["Dawn:Plugins:" + key] = value;
    }

    /// <summary>Copies a built plugin into a folder of the plugin directory.</summary>
    /// <param name="what">A plugin of the program, as <c>transport-tcp</c>, or a fixture, as <c>Agent</c>.</param>
    public string Install(string what, string name)
    {
        var from = char.IsUpper(what[0]) ? Path.Combine(Repository, "artifacts", "fixtures", Configured, "Dawn.Fixtures." + what) : Path.Combine(Built, "plugins", what);
        var to = Path.Combine(Directory, name);
        foreach (var file in System.IO.Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            System.IO.Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target, overwrite: true);
        }

        return to;
    }

    public PluginStatus Status(string name) => Assert.Single(Host.Snapshot, s => s.Name == name);

    /// <summary>Writes another version into a DLL's reference to an assembly.</summary>
    public static void Rereference(string dll, string assembly, ushort major)
    {
        var bytes = File.ReadAllBytes(dll);
        using (var file = new PEReader(new MemoryStream(bytes)))
        {
            var metadata = file.GetMetadataReader();
            var handle = metadata.AssemblyReferences.First(h => metadata.GetString(metadata.GetAssemblyReference(h).Name) == assembly);
            var row = file.PEHeaders.MetadataStartOffset + metadata.GetTableMetadataOffset(TableIndex.AssemblyRef)
                + (MetadataTokens.GetRowNumber(handle) - 1) * metadata.GetTableRowSize(TableIndex.AssemblyRef);
            // ECMA-335 II.22.5: the row begins with the major version.
            BitConverter.TryWriteBytes(bytes.AsSpan(row), major);
        }

        File.WriteAllBytes(dll, bytes);
    }

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.DisposeAsync();
        }

        System.IO.Directory.Delete(_root, recursive: true);
    }

    private static IEnumerable<string> Ancestors(string? directory)
    {
        for (; directory is not null; directory = Path.GetDirectoryName(directory))
        {
            yield return directory;
        }
    }
}

/// <summary>Agents by name, and channels between them within the process.</summary>
internal sealed class FakeAgentHost : IAgentHost, IAgentDialer, IAgentDirectory
{
    private readonly ConcurrentDictionary<string, IHostedAgent> _agents = new();

    public static NodeId Node { get; } = new(Enumerable.Repeat((byte)7, 32).ToArray());

    public IReadOnlyList<IHostedAgent> Agents => [.. _agents.Values];

    public System.Collections.Immutable.ImmutableArray<AgentEntry> Snapshot => [];

    public event Action? Changed;

    public bool TryAdd(IHostedAgent agent)
    {
        var added = _agents.TryAdd(agent.Id, agent);
        Changed?.Invoke();
        return added;
    }

    public async ValueTask RemoveAsync(IHostedAgent agent)
    {
        _agents.TryRemove(new(agent.Id, agent));
        await agent.DisposeAsync();
    }

    public ValueTask<MeshChannel> DialAsync(AgentAddress target, string callerAgent, CancellationToken cancellationToken)
    {
        var (caller, served) = LocalChannel.CreatePair();
        var agent = _agents[target.Agent];
        _ = Task.Run(
            async () =>
            {
                await agent.ServeAsync(served, new(Node, callerAgent, CertificateRole.Guest, IsLocal: false), CancellationToken.None);
                await served.CloseAsync();
            },
            CancellationToken.None);
        return new(caller);
    }

    public AgentAddress Resolve(string text) => new(Node, text);
}
