using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using ModelContextProtocol.Client;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>What a finished command left behind.</summary>
public sealed record Outcome(int Exit, string Out, string Err)
{
    public JsonElement Json => JsonDocument.Parse(Out).RootElement;
}

/// <summary>The built program, driven from outside as a person or a script would.</summary>
public static class Dawn
{
    // A machine under load may be slow; a hang must still end.
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static string Program { get; } = Metadata("Program");

    public static string RepoRoot { get; } = Metadata("RepoRoot");

    /// <summary>A small MCP server over stdio.</summary>
    public static string StdioServer => Path.Combine(Metadata("Fixtures"), "Dawn.Fixtures.StdioServer", "Dawn.Fixtures.StdioServer");

    /// <summary>An agent's folder, ready to be copied below <c>plugins/agents</c>.</summary>
    public static string FixtureAgent => Path.Combine(Metadata("Fixtures"), "Dawn.Fixtures.Agent");

    public static string Plugins => Path.Combine(Path.GetDirectoryName(Program)!, "plugins");

    public static async Task<Outcome> RunAsync(IEnumerable<string> arguments, string? input = null)
    {
        using var process = Process.Start(new ProcessStartInfo(Program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        })!;
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            var (stdout, stderr) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync().WaitAsync(Patience);
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

    /// <summary>Copies a folder with all that is in it.</summary>
    public static void Copy(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    private static string Metadata(string key) =>
        typeof(Dawn).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;
}

/// <summary>A running node with a data directory of its own.</summary>
public sealed partial class DawnNode : IAsyncDisposable
{
    private const int SigTerm = 15;

    private readonly Process _process;
    private readonly StringBuilder _log = new();
    private readonly TaskCompletionSource<JsonElement> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly bool _ownsData;

    private DawnNode(string data, IReadOnlyList<string> settings, bool ownsData, IReadOnlyList<string> by)
    {
        (Data, _ownsData) = (data, ownsData);
        string[] command = [.. by, Dawn.Program, "run", "--data", data, .. settings.Select(s => "--Dawn:" + s)];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Directory.Exists(data) ? data : "",
        };
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, e) =>
        {
            if (e.Data is { } line && ReadyLine().Match(line) is { Success: true } match)
            {
                _ready.TrySetResult(JsonDocument.Parse(match.Groups[1].Value).RootElement);
            }
        };
        _process.ErrorDataReceived += (_, e) =>
        {
            lock (_log)
            {
                _log.AppendLine(e.Data);
            }
        };
        _process.Exited += (_, _) => _ready.TrySetException(new InvalidOperationException("The node ended before it was ready."));
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Data { get; }

    public string Id { get; private set; } = "";

    public string Mcp { get; private set; } = "";

    /// <summary>The page, with a ticket for one browser.</summary>
    public string Ui { get; private set; } = "";

    public string Listen { get; private set; } = "";

    /// <summary>The fingerprint of what the gateway shows, with https.</summary>
    public string Certificate { get; private set; } = "";

    /// <summary>What others put into <c>Bootstrap</c>.</summary>
    public string At => $"{Listen}#{Id}";

    public int ProcessId => _process.Id;

    /// <summary>What it has logged, as far as that has arrived: all of it only after its end.</summary>
    public string Log
    {
        get
        {
            lock (_log)
            {
                return _log.ToString();
            }
        }
    }

    /// <summary>The settings of a node that meets no other by accident.</summary>
    public static IReadOnlyList<string> Quiet { get; } = ["Listen:0=ws://127.0.0.1:0", "Gateway:Url=http://127.0.0.1:0", "Plugins:discovery-mdns:Enabled=false"];

    /// <summary>A network that several nodes of a test share.</summary>
    public const string Secret = "Network:Secret=6461776e6461776e6461776e6461776e6461776e6461776e6461776e6461776e";

    public static Task<DawnNode> StartAsync(params string[] settings) => StartOnAsync(null, settings);

    public static Task<DawnNode> StartOnAsync(string? data, params string[] settings) => StartByAsync([], data, settings);

    /// <param name="by">The command that runs the program in its own place.</param>
    public static async Task<DawnNode> StartByAsync(IReadOnlyList<string> by, string? data, params string[] settings)
    {
        var node = new DawnNode(data ?? Directory.CreateTempSubdirectory("dawn-e2e-").FullName, [.. Quiet, .. settings], data is null, by);
        try
        {
            var ready = await node._ready.Task.WaitAsync(Dawn.Patience);
            (node.Id, node.Ui, node.Mcp, node.Listen) = (ready.GetProperty("node").GetString()!, ready.GetProperty("ui").GetString() ?? "", ready.GetProperty("mcp").GetString() ?? "", ready.GetProperty("listen") is var l && l.GetArrayLength() > 0 ? l[0].GetString()! : "");
            node.Certificate = ready.TryGetProperty("certificate", out var certificate) ? certificate.GetString()! : "";
            return node;
        }
        catch (Exception e)
        {
            var log = node.Log;
            await node.DisposeAsync();
            throw new InvalidOperationException($"The node did not become ready: {log}", e);
        }
    }

    /// <summary><c>dawn …</c> against this node.</summary>
    public Task<Outcome> CliAsync(params string[] arguments) => Dawn.RunAsync([.. arguments, "--data", Data]);

    public async Task<IReadOnlyList<JsonElement>> ListAsync(string verb)
    {
        var outcome = await CliAsync(verb, "--json");
        Assert.True(outcome.Exit == 0, outcome.Err);
        return [.. outcome.Json.EnumerateArray()];
    }

    public async Task<bool> SeesAsync(string agent, DawnNode on) =>
        (await ListAsync("agents")).Any(a => a.GetProperty("agent").GetString() == agent && a.GetProperty("node").GetString() == on.Id && a.GetProperty("online").GetBoolean());

    /// <summary>An ordinary MCP client of this node's gateway.</summary>
    public Task<McpClient> ConnectAsync(string path = "", McpClientOptions? options = null) =>
        McpClient.CreateAsync(new HttpClientTransport(new() { Endpoint = new Uri(Mcp + path), TransportMode = HttpTransportMode.StreamableHttp }), options, cancellationToken: TestContext.Current.CancellationToken);

    /// <summary>Asks until it holds: what is awaited crosses processes, so there is nothing to wait on but its effect.</summary>
    public static async Task EventuallyAsync(string what, Func<Task<bool>> holds)
    {
        var began = Stopwatch.StartNew();
        while (!await holds())
        {
            Assert.True(began.Elapsed < Dawn.Patience, $"not within {Dawn.Patience.TotalSeconds} s: {what}");
            await Task.Yield();
        }
    }

    /// <summary>Ends the node as <c>kill</c> does and waits for it.</summary>
    public async Task<int> StopAsync()
    {
        Assert.Equal(0, Kill(ProcessId, SigTerm));
        await _process.WaitForExitAsync().WaitAsync(Dawn.Patience);
        return _process.ExitCode;
    }

    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
        if (_ownsData)
        {
            Directory.Delete(Data, recursive: true);
        }
    }

    // Process.Kill knows SIGKILL alone.
    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);

    [GeneratedRegex(@"^ready (\{.*\})$")]
    private static partial Regex ReadyLine();
}
