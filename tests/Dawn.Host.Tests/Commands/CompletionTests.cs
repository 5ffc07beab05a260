using System.Diagnostics;
using Dawn.Agents.Node;
using Dawn.Commands;
using Dawn.Tests.Node;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Commands;

public sealed class CompletionTests
{
    private static async Task<string[]> SuggestAsync(string line, RunningNode? node = null)
    {
        var actions = CommandRunner.Actions();
        actions = node is null ? actions : actions with { DefaultDataDirectory = () => node.DataDirectory };
        // Time that stands still: a machine under load answers as a quick one does.
        var (output, error) = (new StringWriter(), new StringWriter());
        var terminal = new Terminal(output, error, () => Stream.Null, () => Stream.Null, false, false, new FakeTimeProvider());
        Assert.Equal(0, await CommandLine.InvokeAsync([$"[suggest:{line.Length}]", line], actions, terminal, TestContext.Current.CancellationToken));
        Assert.Equal("", error.ToString());
        return output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("dawn ", "agents", "call", "status")]
    [InlineData("/usr/bin/dawn sta", "status")]
    [InlineData("dawn logs --le", "--level", "--levels")]
    [InlineData("dawn logs --level w", "warning")]
    [InlineData("dawn invite --role ", "browser", "guest", "member")]
    [InlineData("dawn --data x run --verb", "--verbose")]
    [InlineData("dawn completion z", "zsh")]
    public async Task VerbsOptionsAndValuesNeedNoNode(string line, params string[] expected) => Assert.Superset(expected.ToHashSet(), (await SuggestAsync(line).WaitAsync(TestContext.Current.CancellationToken)).ToHashSet());

    [Fact(Timeout = 30_000)]
    public async Task TheRunningNodeIsAskedForNames()
    {
        await using var node = await RunningNode.StartAsync();
        var prefix = FakeNode.Self.ToString()[..10];
        node.Logs.CreateLogger("Dawn.Links.Link");
        Assert.Equal(
            new[] { "broken", "echo", $"{prefix}:broken", $"{prefix}:echo", $"{FakeNode.Self}:broken", $"{FakeNode.Self}:echo" }.Order(StringComparer.Ordinal),
            (await SuggestAsync("dawn call ", node).WaitAsync(TestContext.Current.CancellationToken)).Where(c => !c.StartsWith('-')));
        Assert.Equal([$"{prefix}:echo"], (await SuggestAsync($"dawn call {prefix}:e", node)));
        Assert.Equal(["fail", "say"], (await SuggestAsync($"dawn call --timeout 5 {prefix}:echo ", node)).Where(c => !c.StartsWith('-')));
        Assert.Equal(["say"], await SuggestAsync("dawn call echo s", node));
        Assert.Equal(["centralized"], await SuggestAsync("dawn mode c", node));
        Assert.Contains("Links", await SuggestAsync("dawn logs --category L", node));
        Assert.Contains("Links=", await SuggestAsync("dawn logs --set L", node));
        Assert.Contains("--Dawn:Plugins:transport-ws:Enabled=", await SuggestAsync("dawn run --Dawn:Plugins:tr", node));
        Assert.Equal(["say"], await SuggestAsync($"dawn call --data {node.DataDirectory} echo s"));
    }

    [Fact(Timeout = 30_000)]
    public async Task NamesThatAShellMightExpandAreLeftOut()
    {
        await using var node = await RunningNode.StartAsync();
        node.Node.Agents = [new AgentInfo($"{FakeNode.Self}:echo", FakeNode.Self.ToString(), "echo", "Echo", true, ["$(touch evil)", "`x`", "good", "two words", "a;b"])];
        Assert.Equal(["good"], (await SuggestAsync("dawn call echo ", node).WaitAsync(TestContext.Current.CancellationToken)).Where(c => !c.StartsWith('-')));
    }

    [Theory(Timeout = 30_000)]
    [InlineData("[suggest]")]
    [InlineData("[suggest:99999]")]
    [InlineData("[suggest:x]")]
    public async Task NothingIsEverSaidOfAFailure(string directive)
    {
        foreach (var line in new[] { "", "dawn", "dawn call ", "dawn call \"", "dawn --data", "dawn --data \0 call ", "dawn fly me " })
        {
            var outcome = await CommandRunner.RunAsync([directive, line], cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal((0, ""), (outcome.Code, outcome.Error));
        }
    }

    /// <summary>The shell itself, with a 'dawn' that is a stand-in: what it is asked, and what becomes of its answers.</summary>
    [Theory(Timeout = 60_000)]
    [InlineData("bash", "dawn call abc:e", "echo|exit")]
    [InlineData("bash", "dawn sta", "status|start")]
    [InlineData("bash", "dawn run --Dawn:Plugins:tr", "transport-ws:Enabled=")]
    [InlineData("zsh", "dawn call abc:e", "")]
    [InlineData("fish", "dawn call abc:e", "abc:echo|abc:exit")]
    public async Task TheShellTakesThem(string shell, string line, string expected)
    {
        Assert.SkipUnless(new[] { "/bin", "/usr/bin", "/usr/local/bin" }.Any(d => File.Exists(Path.Combine(d, shell))), $"{shell} is not installed.");
        using var temp = new TempDirectory();
        var dawn = Path.Combine(temp.Path, "dawn");
        await File.WriteAllTextAsync(dawn, $"""
            #!/bin/sh
            echo "$1|$2" >> {temp.Path}/asked
            case "$2" in
              *sta) printf 'status\nstart\n' ;;
              *abc:e) printf 'abc:echo\nabc:exit\n' ;;
              *--Dawn*) printf -- '--Dawn:Plugins:transport-ws:Enabled=\n' ;;
            esac
            """, TestContext.Current.CancellationToken);
        File.SetUnixFileMode(dawn, (UnixFileMode)0b111_101_101);
        var script = Path.Combine(temp.Path, "script");
        await File.WriteAllTextAsync(script, (await CommandRunner.RunAsync(["completion", shell], cancellationToken: TestContext.Current.CancellationToken)).Out, TestContext.Current.CancellationToken);
        var program = shell switch
        {
            "bash" => $"""source {script}; COMP_LINE='{line}'; COMP_POINT=${"{"}#COMP_LINE{"}"}; COMP_WORDS=({line}); COMP_CWORD=$(({"$"}{"{"}#COMP_WORDS[@]{"}"} - 1)); _dawn dawn; IFS='|'; echo "{"$"}{"{"}COMPREPLY[*]{"}"}" """,
            // Completion itself needs zsh's line editor; here that it parses, and registers.
            "zsh" => $"""autoload -Uz compinit; compinit -u -D; source {script} && print -- "{"$"}{"{"}_comps[dawn]{"}"}" """,
            _ => $"source {script}; complete -C '{line}' | string join '|'",
        };
        var start = new ProcessStartInfo(shell, ["-c", program]) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = temp.Path };
        start.Environment["PATH"] = temp.Path + ":" + Environment.GetEnvironmentVariable("PATH");
        start.Environment["HOME"] = temp.Path;
        using var process = Process.Start(start)!;
        var (output, error) = (await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((shell == "zsh" ? "_dawn" : expected, ""), (output.Trim(), error.Trim()));
        if (shell != "zsh")
        {
            Assert.Contains($"[suggest:{line.Length}]|{line}", await File.ReadAllTextAsync(Path.Combine(temp.Path, "asked"), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }
    }
}
