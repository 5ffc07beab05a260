using System.Diagnostics;
using System.Text.Json;
using Dawn.Commands;
using Dawn.Identity;
using Spectre.Console;

namespace Dawn.Node;

/// <summary><c>dawn demo</c>: several nodes on this machine, each a process of its own with agents of its own, and calls that cross them.</summary>
internal static class DemoVerb
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(10);

    // What each node hosts, in turn; a call to make, and by which node.
    private static readonly (string Agent, string Tool, string Arguments)[] Shows =
    [
        ("first", "roll", """{"dice":"3d6"}"""),
        ("machine", "facts", "{}"),
        ("text", "count", """{"text":"The night is short,\nthe dawn is near."}"""),
    ];

    public static async Task<int> RunAsync(DemoOptions options, CancellationToken cancellationToken)
    {
        using var interrupted = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ConsoleCancelEventHandler onCancel = (_, e) =>
        {
            e.Cancel = true;
            interrupted.Cancel();
        };
        Console.CancelKeyPress += onCancel;
        using var terminated = System.Runtime.InteropServices.PosixSignalRegistration.Create(System.Runtime.InteropServices.PosixSignal.SIGTERM, signal =>
        {
            signal.Cancel = true;
            interrupted.Cancel();
        });
        // Addresses and JSON are for copying: lines end where they end, and a terminal may show them in several rows.
        AnsiConsole.Profile.Width = int.MaxValue;
        var home = Directory.CreateTempSubdirectory("dawn-demo-").FullName;
        var nodes = new List<DemoNode>();
        try
        {
            var secret = Convert.ToHexStringLower(Entropy.System.Bytes(NetworkSecret.RootSize));
            for (var i = 0; i < options.Nodes; i++)
            {
                nodes.Add(await DemoNode.StartAsync(i, home, secret, nodes, Hosted(i), options.Run, interrupted.Token));
                AnsiConsole.MarkupLineInterpolated($"node {i + 1}  [bold]{nodes[i].Id[..10]}…[/]  hosts [bold]{Hosted(i)}[/]  {nodes[i].Listen}");
            }

            await ShowCallsAsync(nodes, interrupted.Token);
            AnsiConsole.WriteLine();
            AnsiConsole.MarkupLineInterpolated($"Open   [bold]{nodes[0].Ui}[/]");
            AnsiConsole.MarkupLineInterpolated($"MCP    [bold]{nodes[0].Mcp}[/]  (every agent of all nodes, for any MCP client)");
            AnsiConsole.MarkupLineInterpolated($"Try    dawn agents --data {nodes[0].Data}  (in another terminal)");
            AnsiConsole.WriteLine("Ctrl-C ends it and leaves nothing behind.");
            var first = await Task.WhenAny(nodes.Select(n => n.Ended)).WaitAsync(interrupted.Token);
            throw new CommandException($"A node of the demo ended by itself: {await first}");
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            return ExitCode.Done;
        }
        finally
        {
            Console.CancelKeyPress -= onCancel;
            await Task.WhenAll(nodes.Select(n => n.StopAsync(StopPatience)));
            Directory.Delete(home, recursive: true);
        }
    }

    private static string Hosted(int node) => Shows[node % Shows.Length].Agent;

    private static async Task ShowCallsAsync(List<DemoNode> nodes, CancellationToken cancellationToken)
    {
        AnsiConsole.WriteLine();
        for (var i = 0; i < nodes.Count; i++)
        {
            var (from, to) = (nodes[i], nodes[(i + 1) % nodes.Count]);
            var (agent, tool, arguments) = Shows[((i + 1) % nodes.Count) % Shows.Length];
            var outcome = await from.CallAsync($"{to.Id}:{agent}", tool, arguments, StartPatience, cancellationToken);
            AnsiConsole.MarkupLineInterpolated($"node {from.Number} calls node {to.Number}, [bold]{agent}.{tool}[/]");
            AnsiConsole.MarkupLineInterpolated($"  {outcome}");
        }
    }
}

/// <summary>One node of a demo: a child process.</summary>
internal sealed class DemoNode
{
    private readonly Process _process;
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<JsonElement> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<string> _log = new();

    private DemoNode(int number, string data, string secret, IEnumerable<string> arguments)
    {
        (Number, Data) = (number, data);
        _process = new Process
        {
            StartInfo = new ProcessStartInfo(Environment.ProcessPath!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true },
            EnableRaisingEvents = true,
        };
        // Not as an argument, which every user of the machine can see.
        _process.StartInfo.Environment["Dawn__Network__Secret"] = secret;
        _process.OutputDataReceived += (_, e) =>
        {
            if (e.Data?.StartsWith("ready ", StringComparison.Ordinal) is true)
            {
                _ready.TrySetResult(JsonDocument.Parse(e.Data["ready ".Length..]).RootElement);
            }
        };
        _process.ErrorDataReceived += (_, e) => Remember(e.Data);
        _process.Exited += (_, _) =>
        {
            _ended.TrySetResult(Last());
            _ready.TrySetException(new CommandException($"Node {number} of the demo did not start: {Last()}"));
        };
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Number { get; }

    public string Data { get; }

    public string Id { get; private set; } = "";

    public string Ui { get; private set; } = "";

    public string Mcp { get; private set; } = "";

    public string Listen { get; private set; } = "";

    /// <summary>Ends with the process, with the last line it said.</summary>
    public Task<string> Ended => _ended.Task;

    public static async Task<DemoNode> StartAsync(int index, string home, string secret, IReadOnlyList<DemoNode> others, string agent, RunOptions options, CancellationToken cancellationToken)
    {
        var data = Path.Combine(home, $"node{index + 1}");
        string[] hidden = [.. new[] { "first", "machine", "text" }.Where(a => a != agent)];
        var node = new DemoNode(index + 1, data, secret,
        [
            "run", "--data", data, "--Dawn:Listen:0=ws://127.0.0.1:0", "--Dawn:Gateway:Url=http://127.0.0.1:0", "--Dawn:Network:Name=demo",
            // It is for this machine alone, and needs to tell nobody.
            "--Dawn:Plugins:discovery-mdns:Enabled=false",
            .. others.Select((o, i) => $"--Dawn:Bootstrap:{i}={o.Listen}#{o.Id}"),
            .. hidden.Select(h => $"--Dawn:Plugins:{h}:Enabled=false"),
            .. options.Settings,
        ]);
        try
        {
            var ready = await node._ready.Task.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System, cancellationToken);
            node.Id = ready.GetProperty("node").GetString()!;
            (node.Ui, node.Mcp) = (ready.GetProperty("ui").GetString()!, ready.GetProperty("mcp").GetString()!);
            node.Listen = ready.GetProperty("listen")[0].GetString()!;
            return node;
        }
        catch
        {
            await node.StopAsync(TimeSpan.Zero);
            throw;
        }
    }

    /// <summary>Calls a tool from this node, as soon as it knows the agent.</summary>
    public async Task<string> CallAsync(string address, string tool, string arguments, TimeSpan patience, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            using var call = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["call", address, tool, arguments, "--json", "--data", Data]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var (stdout, stderr) = (call.StandardOutput.ReadToEndAsync(cancellationToken), call.StandardError.ReadToEndAsync(cancellationToken));
            await call.WaitForExitAsync(cancellationToken);
            if (call.ExitCode == 0)
            {
                var outcome = JsonDocument.Parse(await stdout).RootElement;
                var text = string.Join(' ', outcome.GetProperty("result").GetProperty("content").EnumerateArray().Select(c => c.TryGetProperty("text", out var t) ? t.GetString() : "…"));
                return $"{text.ReplaceLineEndings(" ")}  ({outcome.GetProperty("elapsedMs").GetDouble():0.0} ms)";
            }

            if (TimeProvider.System.GetElapsedTime(began) > patience)
            {
                throw new CommandException($"Node {Number} could not call {address}: {(await stderr).Trim()}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken);
        }
    }

    public async Task StopAsync(TimeSpan patience)
    {
        if (!_process.HasExited)
        {
            using var stop = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["stop", "--data", Data]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            await Task.WhenAny(_process.WaitForExitAsync(), Task.Delay(patience, TimeProvider.System));
            if (!_process.HasExited)
            {
                _process.Kill(entireProcessTree: true);
                await _process.WaitForExitAsync();
            }
        }

        _process.Dispose();
    }

    private void Remember(string? line)
    {
        lock (_log)
        {
            if (line is { Length: > 0 })
            {
                _log.Enqueue(line);
            }

            while (_log.Count > 20)
            {
                _log.Dequeue();
            }
        }
    }

    private string Last()
    {
        lock (_log)
        {
            return _log.LastOrDefault(l => l.StartsWith("error", StringComparison.Ordinal)) ?? _log.LastOrDefault() ?? "it said nothing.";
        }
    }
}
