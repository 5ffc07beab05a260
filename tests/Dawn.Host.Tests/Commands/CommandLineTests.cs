using System.IO.Pipelines;
using Dawn.Commands;
using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Tests.Node;
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

        var outcome = await CommandRunner.RunAsync(CommandRunner.Split(line), actions, cancellationToken: TestContext.Current.CancellationToken);

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
    [InlineData("trace", "address")]
    [InlineData("trace echo more", "more")]
    [InlineData("invite --role king", "king")]
    [InlineData("invite --expires soon", "--expires soon")]
    [InlineData("invite --expires 99999999999d", "--expires")]
    [InlineData("join", "ticket")]
    [InlineData("join -", "standard input")]
    [InlineData("demo --nodes 0", "--nodes")]
    [InlineData("demo --nodes many", "--nodes")]
    [InlineData("invite --uses 0", "--uses")]
    [InlineData("logs --level loud", "loud")]
    [InlineData("logs --set Links", "--set Links")]
    [InlineData("logs --set Links=loud", "--set Links=loud")]
    [InlineData("logs --set Links=debug --for ever", "--for ever")]
    [InlineData("logs -n 0", "--lines")]
    [InlineData("status --data", "--data")]
    [InlineData("status --data=", "--data")]
    public async Task WrongUsageIsOneLineAndCodeTwo(string line, string expected)
    {
        var outcome = await CommandRunner.RunAsync(CommandRunner.Split(line), cancellationToken: TestContext.Current.CancellationToken);

        Assert.Equal((2, ""), (outcome.Code, outcome.Out));
        CommandRunner.AssertOneLine(outcome.Error);
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
        Assert.Equal((0, $"dawn {DawnVersion.Text}\n"), (outcome.Code, outcome.Out));
        Assert.Matches(@"^\d+\.\d+\.\d+", DawnVersion.Text);
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

        // Pasted at a terminal: the line ends, and the input doesn't.
        var open = new Pipe();
        await open.Writer.WriteAsync("dawn1c\n"u8.ToArray(), TestContext.Current.CancellationToken);
        await CommandRunner.RunAsync(["join", "-"], actions, open.Reader.AsStream(), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["dawn1a", "dawn1b", "dawn1c"], tickets);
        Assert.Equal(5, (await CommandRunner.RunAsync(["demo", "--nodes", "5"], actions, cancellationToken: TestContext.Current.CancellationToken)).Code);
    }

    [Fact(Timeout = 30_000)]
    public async Task WithoutANodeEveryTalkingVerbSaysSo()
    {
        var directory = Path.Combine(Path.GetTempPath(), "dawn-test-no-node");
        foreach (var line in new[] { "status", "agents", "agents --watch", "peers", "plugins", "mode", "mode hybrid", "call echo say", "trace echo", "invite", "mcp", "mcp echo", "logs --follow", "stop" })
        {
            var outcome = await CommandRunner.RunAsync([.. CommandRunner.Split(line), "--data", directory], cancellationToken: TestContext.Current.CancellationToken);
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
        CommandRunner.AssertOneLine(none.Error);
    }

    [Fact(Timeout = 30_000)]
    public async Task TheWordsOfAKeyNeedNoRunningNode()
    {
        var self = FakeNode.Self;
        var (words, other) = (string.Join(' ', KeyWords.Of(self)), FakeNode.Id(9));
        var actions = CommandRunner.Actions() with { ReadIdentity = (_, _) => Task.FromResult<StoredIdentity?>(new(self.ToString(), "home")) };
        Assert.Equal(words + "\n", (await CommandRunner.RunAsync(["id", "--words"], actions, cancellationToken: TestContext.Current.CancellationToken)).Out);
        Assert.Equal(
            $$"""{"node":"{{self}}","network":"home","words":["{{words.Replace(" ", "\",\"", StringComparison.Ordinal)}}"]}""" + "\n",
            (await CommandRunner.RunAsync(["id", "--words", "--json"], actions, cancellationToken: TestContext.Current.CancellationToken)).Out);
        Assert.Equal(string.Join(' ', KeyWords.Of(other)) + "\n", (await CommandRunner.RunAsync(["id", other.ToString().ToUpperInvariant(), "--words"], actions, cancellationToken: TestContext.Current.CancellationToken)).Out);
        Assert.Equal($$"""{"node":"{{other}}","network":null}""" + "\n", (await CommandRunner.RunAsync(["id", other.ToString(), "--json"], actions, cancellationToken: TestContext.Current.CancellationToken)).Out);
        foreach (var wrong in new[] { "abc", "", other + "a", "1" + other.ToString()[1..] })
        {
            var refused = await CommandRunner.RunAsync(["id", wrong, "--words"], actions, cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(2, refused.Code);
            CommandRunner.AssertOneLine(refused.Error);
        }
    }
}
