using System.Text;
using System.Text.Json.Nodes;
using Dawn.Commands;
using Dawn.Sessions;
using Dawn.Tests.Node;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Dawn.Tests.Commands;

public sealed class CommandLineTests
{
    [Theory(Timeout = 30_000)]
    [InlineData("", null, "", false)]
    [InlineData("run", null, "", false)]
    [InlineData("--Dawn:Mode=hybrid", null, "--Dawn:Mode=hybrid", false)]
    [InlineData("--Dawn:Mode hybrid --data x", "x", "--Dawn:Mode=hybrid", false)]
    [InlineData("--data x", "x", "", false)]
    [InlineData("--data=x run --verbose", "x", "", true)]
    [InlineData("run --data x --Dawn:Listen:0=ws://127.0.0.1:0 --dawn:Gateway:Url= -v", "x", "--Dawn:Listen:0=ws://127.0.0.1:0 --dawn:Gateway:Url=", true)]
    [InlineData("run --Dawn:Bootstrap:0 ws://h:1#abc --Logging:LogLevel:Default=Debug", null, "--Dawn:Bootstrap:0=ws://h:1#abc --Logging:LogLevel:Default=Debug", false)]
    public async Task RunTakesSettingsWithAndWithoutItsName(string line, string? data, string settings, bool verbose)
    {
        RunOptions? seen = null;
        var actions = CommandRunner.Actions() with
        {
            Run = (options, _) =>
            {
                seen = options;
                return Task.FromResult(0);
            },
        };

        var outcome = await CommandRunner.RunAsync(Split(line), actions, cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal((0, "", ""), (outcome.Code, outcome.Out, outcome.Error));
        Assert.Equal((data, settings, verbose), (seen!.DataDirectory, string.Join(' ', seen.Settings), seen.Verbose));
    }

    [Theory(Timeout = 30_000)]
    [InlineData("fly", "'fly' is no verb")]
    [InlineData("--nonsense", "--nonsense")]
    [InlineData("run extra", "extra")]
    [InlineData("run --Dawn:Mode", "has no value")]
    [InlineData("run --Dawn:Mode --verbose", "has no value")]
    [InlineData("status --Dawn:Mode=hybrid", "goes with 'dawn run'")]
    [InlineData("status --bogus", "See 'dawn status --help'")]
    [InlineData("status --timeout never", "--timeout")]
    [InlineData("status --timeout 0", "--timeout")]
    [InlineData("status --timeout NaN", "--timeout")]
    [InlineData("call", "address")]
    [InlineData("call echo", "tool")]
    [InlineData("call echo say {} more", "more")]
    [InlineData("call echo say {bad", "not JSON")]
    [InlineData("call echo say [1]", "a JSON array, not an object")]
    [InlineData("call echo say null", "a JSON null, not an object")]
    [InlineData("invite --role king", "king")]
    [InlineData("invite --expires soon", "--expires soon")]
    [InlineData("invite --expires 99999999999d", "--expires")]
    [InlineData("join", "ticket")]
    [InlineData("join -", "standard input")]
    [InlineData("demo --nodes 0", "--nodes")]
    [InlineData("demo --nodes many", "--nodes")]
    [InlineData("invite --uses 0", "--uses")]
    [InlineData("logs --level loud", "loud")]
    [InlineData("status --data", "--data")]
    [InlineData("status --data=", "--data")]
    public async Task WrongUsageIsOneLineAndCodeTwo(string line, string expected)
    {
        var outcome = await CommandRunner.RunAsync(Split(line), cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal((2, ""), (outcome.Code, outcome.Out));
        AssertOneLine(outcome.Error);
        Assert.Contains(expected, outcome.Error);
    }

    [Fact(Timeout = 30_000)]
    public async Task EveryVerbHasHelpWithAnExample()
    {
        foreach (var verb in CommandLine.VerbNames)
        {
            var help = await CommandRunner.RunAsync([verb, "--help"], cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal((0, ""), (help.Code, help.Error));
            Assert.Contains("Example", help.Out);
            Assert.Contains("--data", help.Out);
        }

        var all = await CommandRunner.RunAsync(["--help"], cancellationToken: TestContext.Current.CancellationToken);
        Assert.All(CommandLine.VerbNames, verb => Assert.Contains($"  {verb}", all.Out));
    }

    [Fact(Timeout = 30_000)]
    public async Task TheVersionIsTheProgramsOwn()
    {
        var outcome = await CommandRunner.RunAsync(["--version"], cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal((0, $"dawn {CommandLine.Version}\n"), (outcome.Code, outcome.Out));
        Assert.Matches(@"^\d+\.\d+\.\d+", CommandLine.Version);
    }

    [Fact(Timeout = 30_000)]
    public async Task JoinReadsTheTicketFromItsArgumentOrFromStandardInput()
    {
        var tickets = new List<string>();
        var actions = CommandRunner.Actions() with
        {
            Join = (options, _) =>
            {
                tickets.Add(options.Ticket);
                return Task.FromResult(0);
            },
            Demo = (options, _) => Task.FromResult(options.Nodes),
        };
        await CommandRunner.RunAsync(["join", "dawn1a"], actions, cancellationToken: TestContext.Current.CancellationToken);
        await CommandRunner.RunAsync(["join", "-"], actions, new MemoryStream("dawn1b\r\nmore"u8.ToArray()), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["dawn1a", "dawn1b"], tickets);
        Assert.Equal(5, (await CommandRunner.RunAsync(["demo", "--nodes", "5"], actions, cancellationToken: TestContext.Current.CancellationToken)).Code);
    }

    [Fact(Timeout = 30_000)]
    public async Task WithoutANodeEveryTalkingVerbSaysSo()
    {
        var directory = Path.Combine(Path.GetTempPath(), "dawn-test-no-node");
        foreach (var line in new[] { "status", "agents", "agents --watch", "peers", "plugins", "mode", "mode hybrid", "call echo say", "invite", "mcp", "mcp echo", "logs --follow", "stop" })
        {
            var outcome = await CommandRunner.RunAsync([.. Split(line), "--data", directory], cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal((1, "", $"error: no node is running on {directory}; start one with 'dawn run' or name its directory with --data\n"), (outcome.Code, outcome.Out, outcome.Error));
        }
    }

    [Fact(Timeout = 30_000)]
    public async Task IdNeedsNoRunningNode()
    {
        var actions = CommandRunner.Actions() with { ReadIdentity = (directory, _) => Task.FromResult(directory.EndsWith("there") ? new StoredIdentity("abc", null) : null) };
        Assert.Equal("abc\n", (await CommandRunner.RunAsync(["id", "--data", "there"], actions, cancellationToken: TestContext.Current.CancellationToken)).Out);
        Assert.Equal("""{"node":"abc","network":null}""" + "\n", (await CommandRunner.RunAsync(["id", "--json", "--data", "there"], actions, cancellationToken: TestContext.Current.CancellationToken)).Out);
        var none = await CommandRunner.RunAsync(["id", "--data", "elsewhere"], actions, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(1, none.Code);
        AssertOneLine(none.Error);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("agents", "address,node,agent,title,online,tools")]
    [InlineData("peers", "node,state,addresses,transport,encryption,rttMs")]
    [InlineData("plugins", "name,kind,status,version")]
    public async Task ListsAreJsonArraysOnOneLine(string verb, string fields)
    {
        await using var node = await RunningNode.StartAsync();
        var outcome = await node.RunAsync(verb, "--json").WaitAsync(TestContext.Current.CancellationToken);

        Assert.Equal((0, ""), (outcome.Code, outcome.Error));
        AssertOneLine(outcome.Out);
        var list = Assert.IsType<JsonArray>(JsonNode.Parse(outcome.Out));
        Assert.Equal(2, list.Count);
        Assert.Equal(fields, string.Join(',', list[0]!.AsObject().Select(f => f.Key)));
    }

    [Fact(Timeout = 30_000)]
    public async Task PeopleReadTablesWithoutAnybodysControlCharacters()
    {
        await using var node = await RunningNode.StartAsync();
        var agents = await node.RunAsync("agents").WaitAsync(TestContext.Current.CancellationToken);
        var lines = agents.Out.TrimEnd().Split('\n');
        Assert.StartsWith("ADDRESS", lines[0]);
        Assert.StartsWith($"{FakeNode.Self.ToShortString()}:echo", lines[1]);
        Assert.Contains("It can't start. Install it.", lines[2]);
        Assert.DoesNotContain('\e', agents.Out);

        var drawn = await CommandRunner.RunAsync(["peers", "--data", node.DataDirectory], isInteractive: true, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Contains("connected", drawn.Out);

        var status = await node.RunAsync("status");
        Assert.Contains("problem     broken: It can't start. Install it.", status.Out);
        Assert.Equal("decentralized", JsonNode.Parse((await node.RunAsync("status", "--json")).Out)!["mode"]!.GetValue<string>());
    }

    [Fact(Timeout = 30_000)]
    public async Task ModeIsShownAndSet()
    {
        await using var node = await RunningNode.StartAsync();
        Assert.Equal("decentralized\n", (await node.RunAsync("mode").WaitAsync(TestContext.Current.CancellationToken)).Out);
        Assert.Equal("hybrid\n", (await node.RunAsync("mode", "hybrid")).Out);
        Assert.Equal("""{"mode":"hybrid","available":["centralized","decentralized","hybrid"]}""" + "\n", (await node.RunAsync("mode", "--json")).Out);
        var wrong = await node.RunAsync("mode", "sideways");
        Assert.Equal((1, "error: 'sideways' is no mode; use one of centralized, decentralized, hybrid.\n"), (wrong.Code, wrong.Error));
    }

    [Fact(Timeout = 30_000)]
    public async Task CallPrintsTheTextAlone()
    {
        await using var node = await RunningNode.StartAsync();
        Assert.Equal(new Outcome(0, "hé llo\n", ""), await node.RunAsync("call", "echo", "say", """{"text":"hé llo"}""").WaitAsync(TestContext.Current.CancellationToken));
        Assert.Equal("owner\n", (await node.RunAsync("call", "echo", "caller")).Out);
        Assert.Equal("one\n[image image/png, 30 bytes]\n[resource link link x:y]\n", (await node.RunAsync("call", "echo", "mixed", "{}")).Out);

        var json = JsonNode.Parse((await node.RunAsync("call", "echo", "caller", "--json")).Out)!.AsObject();
        Assert.Equal(["elapsedMs", "result"], json.Select(f => f.Key));
        Assert.Equal("owner", json["result"]!["content"]![0]!["text"]!.GetValue<string>());
        Assert.True(json["elapsedMs"]!.GetValue<double>() > 0);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("call echo fail", "error: It went wrong.\n")]
    [InlineData("call nobody say", "error: No agent is called 'nobody'. 'dawn agents' lists those there are.\n")]
    [InlineData("call twice say", "error: 'twice' is an agent of several nodes. Say which.\n")]
    [InlineData("call far say", "error: There is no way to ")]
    [InlineData("call echo no-such-tool", "no-such-tool")]
    [InlineData("call node no-such-tool", "no-such-tool")]
    [InlineData("call echo say {}", "say")]
    public async Task AFailedCallIsOneLineAndCodeOne(string line, string expected)
    {
        await using var node = await RunningNode.StartAsync();
        var outcome = await node.RunAsync(Split(line)).WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((1, ""), (outcome.Code, outcome.Out));
        AssertOneLine(outcome.Error);
        Assert.Contains(expected, outcome.Error);
    }

    [Fact(Timeout = 30_000)]
    public async Task ABreakSaysWhetherTheCallWasExecuted()
    {
        await using var node = await RunningNode.StartAsync();
        node.Network.Add("dying", async (channel, _) =>
        {
            await AnswerInitializeAsync(channel);
            (await channel.ReceiveAsync(default))!.Value.Dispose();
            throw new MeshException(MeshError.Lost, "The way to it broke.");
        });
        node.Network.Add("leaving", async (channel, _) =>
        {
            await AnswerInitializeAsync(channel);
            (await channel.ReceiveAsync(default))!.Value.Dispose();
        });

        var lost = await node.RunAsync("call", "dying", "x").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((1, "error: outcome-unknown: the call may have been executed. The way to it broke.\n"), (lost.Code, lost.Error));
        Assert.Contains("outcome-unknown", (await node.RunAsync("call", "leaving", "x")).Error);
    }

    [Fact(Timeout = 30_000)]
    public async Task AnAgentOfTheLaterProtocolIsCalledToo()
    {
        await using var node = await RunningNode.StartAsync();
        node.Network.Add("later", async (channel, _) =>
        {
            await AnswerAsync(channel, "\"error\":{\"code\":-32601,\"message\":\"no initialize here\"}");
            var request = await AnswerAsync(channel, "\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":\"text\",\"text\":\"done\"}]}");
            Assert.Equal("2026-07-28", request["params"]!["_meta"]!["io.modelcontextprotocol/protocolVersion"]!.GetValue<string>());
        });
        Assert.Equal("done\n", (await node.RunAsync("call", "later", "x").WaitAsync(TestContext.Current.CancellationToken)).Out);
    }

    [Fact(Timeout = 30_000)]
    public async Task ASilentAgentRunsIntoTheTimeout()
    {
        await using var node = await RunningNode.StartAsync();
        node.Network.Add("silent", async (channel, _) =>
        {
            while (await channel.ReceiveAsync(default) is { } message)
            {
                message.Dispose();
            }
        });
        var outcome = await node.RunAsync("call", "silent", "x", "--timeout", "0.2").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, outcome.Code);
        Assert.Contains("within 0.2 s", outcome.Error);
        AssertOneLine(outcome.Error);

        using var interrupted = new CancellationTokenSource();
        var running = CommandRunner.RunAsync(["call", "silent", "x", "--data", node.DataDirectory], cancellationToken: interrupted.Token);
        interrupted.Cancel();
        Assert.Equal(130, (await running).Code);
    }

    [Fact(Timeout = 30_000)]
    public async Task InvitePrintsTheTicketAndForPeopleACode()
    {
        await using var node = await RunningNode.StartAsync();
        var plain = await node.RunAsync("invite", "--role", "guest", "--uses", "2", "--expires", "2h").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(new Outcome(0, "dawn1abcdef\n", ""), plain);
        Assert.Equal(["invite Guest 2 7200"], node.Node.Actions);

        var shown = await CommandRunner.RunAsync(["invite", "--data", node.DataDirectory], isInteractive: true, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("dawn1abcdef\n", shown.Out);
        var code = shown.Error.Split('\n').TakeWhile(l => l.IndexOfAny(['█', '▀', '▄']) >= 0).ToList();
        Assert.InRange(code.Count, 14, 30);
        Assert.Single(code.Select(l => l.Length).Distinct());

        Assert.Equal("member", JsonNode.Parse((await node.RunAsync("invite", "--json")).Out)!["role"]!.GetValue<string>());
    }

    [Fact(Timeout = 30_000)]
    public async Task LogsAreReadAndFollowed()
    {
        await using var node = await RunningNode.StartAsync();
        var log = node.Logs.CreateLogger("Dawn.Links");
        log.LogInformation("first");
        log.LogWarning("second");
        Assert.EndsWith("warning     Dawn.Links: second\n", (await node.RunAsync("logs", "--level", "warning").WaitAsync(TestContext.Current.CancellationToken)).Out);
        Assert.Equal(2, JsonNode.Parse((await node.RunAsync("logs", "--json")).Out)!.AsArray().Count);

        using var enough = new CancellationTokenSource();
        var writer = new NotifyingWriter();
        var terminal = new Terminal(writer, TextWriter.Null, () => Stream.Null, () => Stream.Null, false, false, TimeProvider.System);
        var following = CommandLine.InvokeAsync(["logs", "--follow", "--data", node.DataDirectory], CommandRunner.Actions(), terminal, enough.Token);
        Assert.Contains("first", await writer.NextAsync());
        Assert.Contains("second", await writer.NextAsync());
        log.LogError("third");
        Assert.Contains("third", await writer.NextAsync());
        enough.Cancel();
        Assert.Equal(130, await following);
    }

    [Fact(Timeout = 30_000)]
    public async Task WatchPrintsTheListWheneverItChanges()
    {
        await using var node = await RunningNode.StartAsync();
        var writer = new NotifyingWriter();
        var terminal = new Terminal(writer, TextWriter.Null, () => Stream.Null, () => Stream.Null, false, false, TimeProvider.System);
        var watching = CommandLine.InvokeAsync(["agents", "--watch", "--json", "--data", node.DataDirectory], CommandRunner.Actions(), terminal, TestContext.Current.CancellationToken);
        Assert.Equal(2, JsonNode.Parse(await writer.NextAsync())!.AsArray().Count);

        node.Node.Agents = [];
        node.Node.Raise(Dawn.Agents.Node.NodeFacts.Agents);
        Assert.Equal("[]", await writer.NextAsync());

        await node.Socket.StopAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, await watching);
    }

    [Fact(Timeout = 30_000)]
    public async Task StopWaitsForTheEnd()
    {
        await using var node = await RunningNode.StartAsync();
        Assert.Equal(new Outcome(0, "", ""), await node.RunAsync("stop").WaitAsync(TestContext.Current.CancellationToken));
        Assert.Equal(["stop"], node.Node.Actions);
        Assert.Equal(1, (await node.RunAsync("stop")).Code);
    }

    [Fact(Timeout = 30_000)]
    public async Task McpCarriesNothingButProtocol()
    {
        await using var node = await RunningNode.StartAsync();
        foreach (var (owner, tools) in new[] { (false, 8), (true, 15) })
        {
            var input = new MemoryStream(Encoding.UTF8.GetBytes("""
                {"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}
                {"jsonrpc":"2.0","method":"notifications/initialized"}
                {"jsonrpc":"2.0","id":"two","method":"tools/list"}
                """));
            string[] arguments = ["mcp", "node", "--data", node.DataDirectory];
            var outcome = await CommandRunner.RunAsync(owner ? [.. arguments, "--owner"] : arguments, input: input, cancellationToken: TestContext.Current.CancellationToken);

            Assert.Equal((0, ""), (outcome.Code, outcome.Error));
            var answers = outcome.Out.TrimEnd().Split('\n').Select(l => JsonNode.Parse(l)!).OrderBy(a => a["id"]!.ToJsonString() != "1").ToList();
            Assert.Equal(["1", "\"two\""], answers.Select(a => a["id"]!.ToJsonString()));
            Assert.Equal(tools, answers[1]["result"]!["tools"]!.AsArray().Count);
        }

        node.Network.Add("refusing", (_, _) => throw new MeshException(MeshError.Refused, "Not for you."));
        var refused = await CommandRunner.RunAsync(["mcp", "refusing", "--data", node.DataDirectory], input: new EndlessStream(), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(new Outcome(1, "", "error: Not for you.\n"), refused);
    }

    private static string[] Split(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static void AssertOneLine(string text)
    {
        Assert.EndsWith("\n", text);
        Assert.Equal(1, text.Count(c => c == '\n'));
        Assert.True(text.Length > 10, text);
    }

    private static async Task AnswerInitializeAsync(MeshChannel channel)
    {
        await AnswerAsync(channel, "\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"serverInfo\":{\"name\":\"x\",\"version\":\"1\"}}");
        (await channel.ReceiveAsync(default))!.Value.Dispose();
    }

    private static async Task<JsonNode> AnswerAsync(MeshChannel channel, string outcome)
    {
        using var message = (await channel.ReceiveAsync(default))!.Value;
        var request = JsonNode.Parse(message.Span)!;
        await channel.SendAsync(Encoding.UTF8.GetBytes($$"""{"jsonrpc":"2.0","id":{{request["id"]!.ToJsonString()}},{{outcome}}}"""), default);
        return request;
    }

    private sealed class EndlessStream : MemoryStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }
    }

    private sealed class NotifyingWriter : StringWriter
    {
        private readonly System.Threading.Channels.Channel<string> _lines = System.Threading.Channels.Channel.CreateUnbounded<string>();

        public override void WriteLine(string? value) => _lines.Writer.TryWrite(value ?? "");

        public async Task<string> NextAsync() => await _lines.Reader.ReadAsync(TestContext.Current.CancellationToken);
    }
}
