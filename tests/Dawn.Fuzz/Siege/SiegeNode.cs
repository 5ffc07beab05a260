using System.Diagnostics;
using System.Reflection;
using System.Text;
using System.Text.Json;

namespace Dawn.Fuzz.Siege;

/// <summary>A running node with a data directory of its own, and what it costs.</summary>
internal sealed class SiegeNode : IAsyncDisposable
{
    /// <summary>Of the network that is besieged; the attackers who are members hold it too.</summary>
    public const string Secret = "6461776e6461776e6461776e6461776e6461776e6461776e6461776e6461776e";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly string _data = Directory.CreateTempSubdirectory("dawn-siege-").FullName;
    private readonly StringBuilder _log = new();
    private readonly TaskCompletionSource<JsonElement> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private SiegeNode(IEnumerable<string> settings)
    {
        var program = typeof(SiegeNode).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Program").Value!;
        _process = new Process
        {
            StartInfo = new(program, ["run", "--data", _data, "--Dawn:Plugins:discovery-mdns:Enabled=false", .. settings.Select(s => "--Dawn:" + s)]) { RedirectStandardOutput = true, RedirectStandardError = true },
            EnableRaisingEvents = true,
        };
        _process.OutputDataReceived += (_, e) =>
        {
            if (e.Data is { } line && line.StartsWith("ready {", StringComparison.Ordinal))
            {
                _ready.TrySetResult(JsonDocument.Parse(line["ready ".Length..]).RootElement);
            }
        };
        _process.ErrorDataReceived += (_, e) =>
        {
            lock (_log)
            {
                // The last words are enough.
                _log.Append(e.Data).Append('\n').Remove(0, Math.Max(0, _log.Length - 8_192));
            }
        };
        _process.Exited += (_, _) => _ready.TrySetException(new InvalidOperationException($"The node ended: {_log}"));
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Id { get; private set; } = "";

    public string Mcp { get; private set; } = "";

    public Uri Listen { get; private set; } = null!;

    public bool HasExited => _process.HasExited;

    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public static async Task<SiegeNode> StartAsync(params string[] settings)
    {
        var node = new SiegeNode(["Listen:0=tcp://127.0.0.1:0", "Gateway:Url=http://127.0.0.1:0", $"Network:Secret={Secret}", "Network:Name=siege", .. settings]);
        try
        {
            var ready = await node._ready.Task.WaitAsync(Patience);
            node.Id = ready.GetProperty("node").GetString()!;
            node.Mcp = ready.GetProperty("mcp").GetString()!;
            node.Listen = new Uri(ready.GetProperty("listen")[0].GetString()!);
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
        Directory.Delete(_data, recursive: true);
    }
}
