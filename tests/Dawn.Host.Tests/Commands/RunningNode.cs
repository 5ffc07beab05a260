using System.ComponentModel;
using System.Text;
using Dawn.Agents;
using Dawn.Agents.Node;
using Dawn.Commands;
using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Node.Backup;
using Dawn.Node.Doctor;
using Dawn.Sessions;
using Dawn.Tests.Node;
using Microsoft.Extensions.Logging.Abstractions;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using Xunit;

namespace Dawn.Tests.Commands;

/// <summary>A data directory with a control socket, and behind it the agent <c>node</c>, an agent <c>echo</c>, and whatever a test adds.</summary>
internal sealed class RunningNode : IAsyncDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("dawn-test-");

    public RunningNode(string subdirectory = "data", TimeProvider? time = null)
    {
        DataDirectory = Path.Combine(_root.FullName, subdirectory);
        Logs = new(TimeProvider.System);
        Agent = new(Node, Node, Logs, new(new HashSet<NodeId>()), TimeProvider.System, NullLoggerFactory.Instance);
        Network.Add("node", (channel, caller) => Agent.ServeAsync(channel, new(FakeNode.Self, caller, CertificateRole.Member, true), CancellationToken.None));
        Network.Add("echo", EchoAsync);
        Socket = new(DataDirectory, Network, Network, (transport, caller, ct) => Aggregate(transport, caller, ct), time ?? TimeProvider.System, NullLogger<ControlSocket>.Instance);
        Node.Stopped = () => Task.Run(() => Socket.StopAsync(CancellationToken.None));
    }

    public string DataDirectory { get; }

    public FakeNode Node { get; } = new();

    public FakeNetwork Network { get; } = new();

    public LogRing Logs { get; }

    public NodeAgent Agent { get; }

    public ControlSocket Socket { get; }

    public Func<ITransport, string, CancellationToken, Task> Aggregate { get; set; } = (_, _, _) => Task.CompletedTask;

    public static async Task<RunningNode> StartAsync(string subdirectory = "data", TimeProvider? time = null)
    {
        var node = new RunningNode(subdirectory, time);
        await node.Socket.StartAsync(CancellationToken.None);
        return node;
    }

    /// <summary>Runs <c>dawn</c> against this node.</summary>
    public Task<Outcome> RunAsync(params string[] arguments) => CommandRunner.RunAsync([.. arguments, "--data", DataDirectory]);

    public async ValueTask DisposeAsync()
    {
        await Socket.DisposeAsync();
        _root.Delete(recursive: true);
    }

    private static async Task EchoAsync(MeshChannel channel, string caller)
    {
        McpServerOptions options = new()
        {
            ServerInfo = new() { Name = "echo", Version = "1" },
            ToolCollection =
            [
                McpServerTool.Create(([Description("What to say.")] string text) => text, new() { Name = "say" }),
                McpServerTool.Create(() => caller, new() { Name = "caller" }),
                McpServerTool.Create(() => new CallToolResult { IsError = true, Content = [new TextContentBlock { Text = "It went\nwrong." }] }, new() { Name = "fail" }),
                McpServerTool.Create(
                    () => new CallToolResult { Content = [new TextContentBlock { Text = "one" }, ImageContentBlock.FromBytes(new byte[30], "image/png"), new ResourceLinkBlock { Uri = "x:y", Name = "link" }] },
                    new() { Name = "mixed" }),
            ],
        };
        await using var transport = new ChannelTransport("echo", channel, ownsChannel: true);
        await using var server = McpServer.Create(transport, options, NullLoggerFactory.Instance);
        await server.RunAsync();
    }
}

internal sealed record Outcome(int Code, string Out, string Error);

internal static class CommandRunner
{
    public static async Task<Outcome> RunAsync(string[] arguments, CommandActions? actions = null, Stream? input = null, bool isInteractive = false, CancellationToken? cancellationToken = null)
    {
        var (output, error, bytes) = (new StringWriter(), new StringWriter(), new MemoryStream());
        var terminal = new Terminal(output, error, () => input ?? Stream.Null, () => bytes, isInteractive, false, TimeProvider.System);
        var code = await CommandLine.InvokeAsync(arguments, actions ?? Actions(), terminal, cancellationToken ?? TestContext.Current.CancellationToken);
        return new(code, output + Encoding.UTF8.GetString(bytes.ToArray()), error.ToString());
    }

    public static string[] Split(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    public static void AssertOneLine(string text)
    {
        Assert.EndsWith("\n", text);
        Assert.Equal(1, text.Count(c => c == '\n'));
        Assert.True(text.Length > 10, text);
    }

    public static CommandActions Actions() => new()
    {
        Run = (_, _) => Task.FromResult(0),
        Join = (_, _) => Task.FromResult(0),
        Demo = (_, _) => Task.FromResult(0),
        ReadIdentity = (_, _) => Task.FromResult<StoredIdentity?>(null),
        Backup = BackupVerb.RunAsync,
        ReadBackup = RestoreVerb.ReadFile,
        Restore = RestoreVerb.RunAsync,
        Doctor = Diagnosis.RunAsync,
        DefaultDataDirectory = () => Path.Combine(Path.GetTempPath(), "dawn-test-nowhere"),
    };
}
