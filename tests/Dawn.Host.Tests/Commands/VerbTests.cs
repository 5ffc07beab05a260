using System.Text;
using System.Text.Json.Nodes;
using Dawn.Agents.Node;
using Dawn.Commands;
using Dawn.Identity;
using Dawn.Sessions;
using Dawn.Tests.Node;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Dawn.Tests.Commands;

public sealed class VerbTests
{
    [Theory(Timeout = 30_000)]
    [InlineData("agents", "address,node,agent,title,online,tools")]
    [InlineData("peers", "node,state,addresses,transport,encryption,rttMs")]
    [InlineData("plugins", "name,kind,status,version")]
    public async Task ListsAreJsonArraysOnOneLine(string verb, string fields)
    {
        await using var node = await RunningNode.StartAsync();
        var outcome = await node.RunAsync(verb, "--json").WaitAsync(TestContext.Current.CancellationToken);

        Assert.Equal((0, ""), (outcome.Code, outcome.Error));
        CommandRunner.AssertOneLine(outcome.Out);
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
    public async Task TheBeginningOfANodeIdIsAskedOfTheNode()
    {
        await using var node = await RunningNode.StartAsync();
        var peer = FakeNode.Id(2);
        Assert.Equal($"{peer}\n", (await node.RunAsync("id", peer.ToString()[..6]).WaitAsync(TestContext.Current.CancellationToken)).Out);
        Assert.Equal(string.Join(' ', KeyWords.Of(peer)) + "\n", (await node.RunAsync("id", "--words", peer.ToString()[..20].ToUpperInvariant())).Out);
        var unknown = await node.RunAsync("id", "--words", "zzzzzz");
        Assert.Equal((1, "error: The running node knows no node whose NodeId begins with 'zzzzzz'; 'dawn peers' lists those it knows.\n"), (unknown.Code, unknown.Error));

        // A key that begins like another: who compares words must know which one is meant.
        var twin = new NodeId([.. peer.ToArray()[..31], 77]);
        node.Node.Peers = [.. node.Node.Peers, node.Node.Peers[0] with { Node = twin.ToString() }];
        var both = await node.RunAsync("id", "--words", peer.ToString()[..40]);
        Assert.Equal((1, ""), (both.Code, both.Out));
        Assert.Contains($"{peer}, {twin}", both.Error, StringComparison.Ordinal);
        CommandRunner.AssertOneLine(both.Error);
    }

    [Fact(Timeout = 30_000)]
    public async Task ModeIsShownAndSet()
    {
        await using var node = await RunningNode.StartAsync();
        Assert.Equal("decentralized\n", (await node.RunAsync("mode").WaitAsync(TestContext.Current.CancellationToken)).Out);
        Assert.Equal("hybrid\n", (await node.RunAsync("mode", "hybrid")).Out);
        Assert.Equal("""{"mode":"hybrid","available":["centralized","decentralized","hybrid"],"hubs":[]}""" + "\n", (await node.RunAsync("mode", "--json")).Out);
        var wrong = await node.RunAsync("mode", "sideways");
        Assert.Equal((1, "error: 'sideways' is no mode; use one of centralized, decentralized, hybrid.\n"), (wrong.Code, wrong.Error));
    }

    [Fact(Timeout = 30_000)]
    public async Task ATraceIsATableOfItsHops()
    {
        await using var node = await RunningNode.StartAsync();
        var (first, target) = (FakeNode.Id(2).ToShortString(), FakeNode.Id(4).ToShortString());
        var shown = await node.RunAsync("trace", "echo").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((0, ""), (shown.Code, shown.Error));
        Assert.Equal(
            [["HOP", "NODE", "RTT", "VIA", "ENCRYPTION"], ["1", first, "1.5", "ms", "relay", "sealed"], ["2", "*"], ["3", target, "3.3", "ms"], ["session", target, "3.5", "ms"]],
            shown.Out.TrimEnd().Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        var json = await node.RunAsync("trace", "echo", "--json");
        CommandRunner.AssertOneLine(json.Out);
        Assert.Equal((3, true), (JsonNode.Parse(json.Out)!["path"]!.AsArray().Count, JsonNode.Parse(json.Out)!["complete"]!.GetValue<bool>()));

        Assert.Equal(new Outcome(1, "", "error: There is no way to nobody.\n"), await node.RunAsync("trace", "nobody"));
        node.Node.Trace = node.Node.Trace with { Complete = false, SessionRttMs = null };
        var incomplete = await node.RunAsync("trace", "echo", "--json");
        Assert.Equal(1, incomplete.Code);
        Assert.StartsWith($"error: Node {target} did not answer", incomplete.Error);
        Assert.False(JsonNode.Parse(incomplete.Out)!["complete"]!.GetValue<bool>());
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
        var outcome = await node.RunAsync(CommandRunner.Split(line)).WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((1, ""), (outcome.Code, outcome.Out));
        CommandRunner.AssertOneLine(outcome.Error);
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
        node.Network.Add("fallen", async (channel, _) =>
        {
            await AnswerInitializeAsync(channel);
            await AnswerAsync(channel, "\"error\":{\"code\":-32000,\"message\":\"It fell.\",\"data\":{\"dawn\":\"outcome-unknown\"}}");
        });

        var lost = await node.RunAsync("call", "dying", "x").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((1, "error: outcome-unknown: the call may have been executed. The way to it broke.\n"), (lost.Code, lost.Error));
        Assert.Contains("outcome-unknown", (await node.RunAsync("call", "leaving", "x")).Error);
        Assert.Equal("error: outcome-unknown: the call may have been executed. It fell.\n", (await node.RunAsync("call", "fallen", "x")).Error);
    }

    [Fact(Timeout = 30_000)]
    public async Task ACallThatNeverLeftIsNotExecuted()
    {
        await using var node = await RunningNode.StartAsync();

        // The third message is the call; it stays behind in the window of a session that is lost.
        node.Network.Wrap = channel => new StuckChannel(channel, 2);
        var outcome = await node.RunAsync("call", "echo", "caller").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((1, "error: not-executed: The session is lost.\n"), (outcome.Code, outcome.Error));
    }

    [Fact(Timeout = 30_000)]
    public async Task ALargeAnswerComesWhole()
    {
        await using var node = await RunningNode.StartAsync();
        var text = new string('x', 20_000_000);
        node.Network.Add("large", async (channel, _) =>
        {
            await AnswerInitializeAsync(channel);
            await AnswerAsync(channel, $"\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}");
        });
        var outcome = await node.RunAsync("call", "large", "x").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, outcome.Code);
        Assert.True(text + "\n" == outcome.Out);
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
        CommandRunner.AssertOneLine(outcome.Error);

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
    public async Task LevelsAreSetForAWhileAndShown()
    {
        await using var node = await RunningNode.StartAsync();
        node.Logs.CreateLogger("Dawn.Links.Link").LogInformation("first");
        node.Logs.CreateLogger("Dawn.Sessions").LogInformation("second");
        var set = await node.RunAsync("logs", "--set", "Links=Debug", "--for", "5m", "--json").WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((0, ""), (set.Code, set.Error));
        var level = Assert.Single(JsonNode.Parse(set.Out)!["levels"]!.AsArray())!;
        Assert.Equal(("Dawn.Links", "debug"), (level["category"]!.GetValue<string>(), level["level"]!.GetValue<string>()));
        Assert.StartsWith("Dawn.Links  debug  20", (await node.RunAsync("logs", "--levels")).Out.Split('\n')[1]);
        Assert.Equal("{\"levels\":[],", (await node.RunAsync("logs", "--set", "Links=default", "--json")).Out[..13]);

        var unknown = await node.RunAsync("logs", "--set", "Lniks=debug");
        Assert.Equal((1, "error: Nothing logs as 'Lniks'; parts are Links, Sessions, and longer names as 'dawn logs' shows them.\n"), (unknown.Code, unknown.Error));
        Assert.Equal(1, (await node.RunAsync("logs", "--set", "Links=debug", "--for", "25h")).Code);

        Assert.EndsWith("Dawn.Links.Link: first\n", (await node.RunAsync("logs", "--category", "links")).Out);
        Assert.Equal("second", Assert.Single(JsonNode.Parse((await node.RunAsync("logs", "-n", "1", "--json")).Out)!.AsArray())!["message"]!.GetValue<string>());
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
        node.Node.Raise(NodeFacts.Agents);
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
        foreach (var (owner, tools) in new[] { (false, 13), (true, 24) })
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

    private sealed class StuckChannel(MeshChannel inner, long passing) : MeshChannel
    {
        private readonly TaskCompletionSource _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _sent;

        public override async ValueTask<long> SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
        {
            if (_sent == passing)
            {
                _lost.TrySetResult();
                return _sent++;
            }

            await inner.SendAsync(message, cancellationToken);
            return _sent++;
        }

        public override async ValueTask<MessageBuffer?> ReceiveAsync(CancellationToken cancellationToken)
        {
            var receiving = inner.ReceiveAsync(cancellationToken).AsTask();
            return await Task.WhenAny(receiving, _lost.Task) == receiving ? await receiving : throw new MeshException(MeshError.Lost, "The session is lost.");
        }

        public override bool WasTransmitted(long messageNumber) => messageNumber < passing;

        public override ValueTask CloseAsync(MeshError error = MeshError.None, string? reason = null) => inner.CloseAsync(error, reason);
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
