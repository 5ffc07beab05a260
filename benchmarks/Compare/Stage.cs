using System.Diagnostics;
using System.Reflection;
using System.Security.Cryptography;
using System.Text.Json;
using Dawn.Benchmarks.Peers;
using ModelContextProtocol.Client;

namespace Dawn.Benchmarks.Compare;

/// <summary>What a run was asked for.</summary>
/// <param name="Dawn">The built program.</param>
/// <param name="Transport">The scheme of the nodes' links.</param>
internal sealed record CompareOptions(string Dawn, string Transport, int Rounds, double WarmupSeconds, double Seconds, bool IsQuick)
{
    public static string RepoRoot { get; } = Metadata("RepoRoot");

    public static string DefaultDawn => Path.Combine(RepoRoot, "artifacts", "dawn", "Release", OperatingSystem.IsWindows() ? "dawn.exe" : "dawn");

    public static string Agent => Metadata("Agent");

    private static string Metadata(string key) => typeof(CompareOptions).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;
}

/// <summary>A node in a process of its own: a temporary data directory, free ports on loopback, a network that no other run shares.</summary>
internal sealed class NodeProcess(string data, ChildProcess process) : IAsyncDisposable
{
    public string Data => data;

    public string Id { get; } = process.Ready.GetProperty("node").GetString()!;

    public string Mcp { get; } = process.Ready.GetProperty("mcp").GetString()!;

    /// <summary>What others dial, with the NodeId that must answer.</summary>
    public string At => $"{Listen}#{Id}";

    public string Listen => process.Ready.GetProperty("listen")[0].GetString()!;

    public long ResidentMemory => process.ResidentMemory;

    public TimeSpan ReadyAfter => process.ReadyAfter;

    public ValueTask DisposeAsync() => process.DisposeAsync();
}

/// <summary>Where the processes of a group of figures are started, and ended together.</summary>
internal sealed class Stage(CompareOptions options) : IAsyncDisposable
{
    private static readonly TimeSpan MeetTimeout = TimeSpan.FromSeconds(60);

    private readonly List<IAsyncDisposable> _all = [];
    private readonly string _home = Directory.CreateTempSubdirectory("dawn-bench-").FullName;
    private readonly string _secret = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
    private string? _plugins;
    private int _nodes;

    public CompareOptions Options => options;

    /// <summary>A node with the benchmark's agent beside the bundled plugins.</summary>
    public Task<NodeProcess> StartNodeAsync(CancellationToken cancellationToken, params string[] settings) =>
        StartNodeAsync(Path.Combine(_home, $"node{++_nodes}"), [$"PluginDirectory={_plugins ??= CopyPlugins()}", .. settings], cancellationToken);

    /// <summary>A node that only relays, whose sockets go on without a hop to the thread pool: not for one with agents, which may block.</summary>
    public Task<NodeProcess> StartDedicatedRelayAsync(CancellationToken cancellationToken) =>
        StartNodeAsync(NewData(), [$"PluginDirectory={_plugins ??= CopyPlugins()}"], cancellationToken, inlineSockets: true);

    /// <summary>A node as it is installed: the bundled plugins alone. What it tells nearby stays on this machine.</summary>
    public Task<NodeProcess> StartPlainNodeAsync(string? data, CancellationToken cancellationToken) =>
        StartNodeAsync(data ?? Path.Combine(_home, $"node{++_nodes}"), ["Plugins:discovery-mdns:Interfaces:0=loopback"], cancellationToken);

    public string NewData() => Path.Combine(_home, $"node{++_nodes}");

    /// <summary>Two nodes with a link, and a leg whose calls start in an agent of the first and end in an agent of the second.</summary>
    public async Task<(NodeProcess A, NodeProcess B)> StartPairAsync(CancellationToken cancellationToken, params string[] settings)
    {
        var b = await StartNodeAsync(cancellationToken, settings);
        return (await StartNodeAsync(cancellationToken, [$"Bootstrap:0={b.At}", .. settings]), b);
    }

    /// <summary>Two nodes that nobody can dial, each with a link to all of the relays.</summary>
    public async Task<(NodeProcess A, NodeProcess B)> StartHiddenPairAsync(CancellationToken cancellationToken, params NodeProcess[] relays)
    {
        string[] settings = ["Listen:0=", .. relays.Select((relay, i) => $"Bootstrap:{i}={relay.At}")];
        return (await StartNodeAsync(cancellationToken, settings), await StartNodeAsync(cancellationToken, settings));
    }

    /// <summary>A node that has ended, with the key and at the address that it had.</summary>
    public Task<NodeProcess> StartAgainAsync(NodeProcess node, CancellationToken cancellationToken, params string[] settings) =>
        StartNodeAsync(node.Data, [$"PluginDirectory={_plugins}", $"Listen:0={node.Listen}", .. settings], cancellationToken);

    /// <summary>An ordinary client of an agent; the caller's to dispose.</summary>
    public Task<McpClient> ConnectAsync(string endpoint, CancellationToken cancellationToken) => McpClient.CreateAsync(
        new HttpClientTransport(new() { Endpoint = new Uri(endpoint), TransportMode = HttpTransportMode.StreamableHttp }, new HttpClient { Timeout = TimeSpan.FromMinutes(5) }, ownsHttpClient: true),
        cancellationToken: cancellationToken);

    /// <summary>A leg: the agent of one node calls that of another.</summary>
    public async Task<Leg> DriveAsync(string name, NodeProcess from, NodeProcess to, LoadRequest shape, CancellationToken cancellationToken)
    {
        var agent = Keep(await ConnectAsync(from.Mcp + "/bench", cancellationToken));
        var leg = new Leg(name, (seconds, token) => DriveAsync(agent, to, shape with { Seconds = seconds }, token));

        // Until the nodes have met: that crosses processes, so there is nothing to wait on but its effect.
        for (var began = Stopwatch.GetTimestamp(); ;)
        {
            try
            {
                await leg.RunAsync(0.05, cancellationToken);
                return leg;
            }
            catch (ComparisonException) when (Stopwatch.GetElapsedTime(began) < MeetTimeout)
            {
                await Task.Delay(100, cancellationToken);
            }
        }
    }

    /// <summary>A leg of two processes of this program, a client and its server.</summary>
    public async Task<Leg> CallAsync(string name, string server, string client, LoadRequest shape, CancellationToken cancellationToken, string path = "")
    {
        var serving = await ServeAsync(server, cancellationToken);
        return await CallAsync(name, client, serving with { Address = serving.Address + path }, shape, cancellationToken);
    }

    public async Task<Leg> CallAsync(string name, string client, ServedAt at, LoadRequest shape, CancellationToken cancellationToken)
    {
        var calling = await StartClientAsync(client, at, cancellationToken);
        return new(name, (seconds, token) => calling.AskAsync(shape with { Seconds = seconds }, token));
    }

    public async Task<ChildProcess> StartClientAsync(string client, ServedAt at, CancellationToken cancellationToken) =>
        Keep(await ChildProcess.StartSelfAsync(_secret, cancellationToken, at.Thumbprint.Length > 0 ? ["client", client, at.Address, at.Thumbprint] : ["client", client, at.Address]));

    public async Task<ServedAt> ServeAsync(string kind, CancellationToken cancellationToken) =>
        Keep(await ChildProcess.StartSelfAsync(_secret, cancellationToken, "serve", kind)).Ready.Deserialize<ServedAt>()!;

    public async ValueTask DisposeAsync()
    {
        for (var i = _all.Count - 1; i >= 0; i--)
        {
            try
            {
                await _all[i].DisposeAsync();
            }
            catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
            {
                // A client whose node is gone already can't say goodbye; the others are ended all the same.
            }
        }

        Directory.Delete(_home, recursive: true);
    }

    private static async Task<LoadResult> DriveAsync(McpClient agent, NodeProcess to, LoadRequest shape, CancellationToken cancellationToken)
    {
        var result = await agent.CallToolAsync(
            "drive",
            new Dictionary<string, object?> { ["target"] = to.Id + ":bench", ["inFlight"] = shape.InFlight, ["seconds"] = shape.Seconds, ["size"] = shape.Size },
            cancellationToken: cancellationToken);
        return result.IsError is true || result.StructuredContent is not { } content
            ? throw new ComparisonException($"The agent's load failed: {result.Content.OfType<ModelContextProtocol.Protocol.TextContentBlock>().FirstOrDefault()?.Text}")
            : content.Deserialize<LoadResult>(JsonSerializerOptions.Web)!;
    }

    private async Task<NodeProcess> StartNodeAsync(string data, IEnumerable<string> settings, CancellationToken cancellationToken, bool inlineSockets = false)
    {
        // What comes later counts.
        string[] all = [$"Listen:0={options.Transport}://127.0.0.1:0", "Gateway:Url=http://127.0.0.1:0", .. settings];
        var start = new ProcessStartInfo(options.Dawn, ["run", "--data", data, .. all.Select(setting => "--Dawn:" + setting)]) { WorkingDirectory = _home };
        start.Environment["Dawn__Network__Secret"] = _secret;
        if (inlineSockets)
        {
            start.Environment["DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS"] = "1";
        }

        var node = new NodeProcess(data, await ChildProcess.StartAsync("the node", start, cancellationToken));
        return Keep(node);
    }

    private T Keep<T>(T disposable) where T : IAsyncDisposable
    {
        _all.Add(disposable);
        return disposable;
    }

    // The bundled plugins and the benchmark's agent; without discovery, so that the nodes meet nobody by accident.
    private string CopyPlugins()
    {
        var to = Path.Combine(_home, "plugins");
        Copy(Path.Combine(Path.GetDirectoryName(options.Dawn)!, "plugins"), to, folder => !folder.StartsWith("discovery-", StringComparison.Ordinal));
        Copy(CompareOptions.Agent, Path.Combine(to, "agents", "bench"), _ => true);
        return to;
    }

    private static void Copy(string from, string to, Func<string, bool> takes)
    {
        if (!Directory.Exists(from))
        {
            throw new ComparisonException($"{from} is not there. Build it: dotnet build {CompareOptions.RepoRoot} -c Release");
        }

        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(from, file)).Where(takes))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(to, file))!);
            File.Copy(Path.Combine(from, file), Path.Combine(to, file));
        }
    }
}
