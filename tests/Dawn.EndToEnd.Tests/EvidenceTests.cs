using System.Text.Json;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>A call between two processes, and what each can prove of it afterwards.</summary>
public sealed class EvidenceTests
{
    [Fact]
    public async Task ACallIsKeptListedExportedAndVerifiedOnBothSides()
    {
        await using var callee = await DawnNode.StartAsync(DawnNode.Secret, "Security:KeepEvidence=true");
        await using var caller = await DawnNode.StartAsync(DawnNode.Secret, "Security:KeepEvidence=true", "Security:CheckpointEvery=1", $"Bootstrap:0={callee.At}");
        await DawnNode.EventuallyAsync("the caller sees the agent", () => caller.SeesAsync("first", callee));
        var call = await caller.CliAsync("call", $"{callee.Id}:first", "echo", """{"message":"signed and kept"}""");
        Assert.True(call.Exit == 0, call.Err);

        // While the nodes run, and with nothing but the files of one of them.
        var asked = await FindAsync(callee, caller, "tools/call echo");
        Assert.Contains((await caller.CliAsync("evidence", "list")).Out.Split('\n'), line => line.Contains(callee.Id[..10], StringComparison.Ordinal));
        await callee.StopAsync();

        var proof = await callee.CliAsync("evidence", "export", asked);
        Assert.True(proof.Exit == 0, proof.Err);
        var file = Path.Combine(callee.Data, "proof.json");
        Assert.Equal(0, (await callee.CliAsync("evidence", "export", asked, "--out", file)).Exit);
        Assert.Equal(proof.Out, await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));

        // Anybody, from the document alone.
        var elsewhere = Directory.CreateTempSubdirectory("dawn-e2e-").FullName;
        try
        {
            string[] anybody = ["--data", Path.Combine(elsewhere, "none")];
            var verdict = await Dawn.RunAsync(["evidence", "verify", file, .. anybody]);
            Assert.True(verdict.Exit == 0, verdict.Err);
            Assert.Contains(caller.Id, verdict.Out, StringComparison.Ordinal);
            Assert.Contains(callee.Id, verdict.Out, StringComparison.Ordinal);
            Assert.Contains("signed and kept", verdict.Out, StringComparison.Ordinal);
            Assert.Contains("was not checked", verdict.Out, StringComparison.Ordinal);
            Assert.False(Directory.Exists(Path.Combine(elsewhere, "none")));

            var network = JsonDocument.Parse(proof.Out).RootElement.GetProperty("network").GetString()!;
            verdict = await Dawn.RunAsync(["evidence", "verify", "-", "--network", network, .. anybody], proof.Out);
            Assert.True(verdict.Exit == 0, verdict.Err);
            Assert.Contains("membership   holds", verdict.Out, StringComparison.Ordinal);

            verdict = await Dawn.RunAsync(["evidence", "verify", "-", .. anybody], proof.Out.Replace(caller.Id, callee.Id, StringComparison.Ordinal));
            Assert.Equal(1, verdict.Exit);
            Assert.Contains("does not hold", verdict.Err, StringComparison.Ordinal);
            Assert.Equal(1, (await Dawn.RunAsync(["evidence", "verify", Path.Combine(elsewhere, "missing"), .. anybody])).Exit);
        }
        finally
        {
            Directory.Delete(elsewhere, recursive: true);
        }

        // The answer is the callee's word. It is one of several results: node and catalog ask too.
        await DawnNode.EventuallyAsync("evidence of the answer", async () =>
        {
            foreach (var result in await ListAsync(caller, callee, "result"))
            {
                var answer = await caller.CliAsync("evidence", "export", result);
                var said = await Dawn.RunAsync(["evidence", "verify", "-", "--data", caller.Data], answer.Out);
                Assert.True(said.Exit == 0, said.Err);
                Assert.Contains($"Node       {callee.Id}", said.Out, StringComparison.Ordinal);
                if (said.Out.Contains("signed and kept", StringComparison.Ordinal))
                {
                    return true;
                }
            }

            return false;
        });
        await caller.StopAsync();
        Assert.DoesNotContain("has no effect", caller.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NothingIsKeptUnlessAskedForAndMistakesAreSaid()
    {
        await using var node = await DawnNode.StartAsync();
        Assert.Equal("[]", (await node.CliAsync("evidence", "list", "--json")).Out.Trim());
        Assert.False(Directory.Exists(Path.Combine(node.Data, "evidence")));
        Assert.Equal(1, (await node.CliAsync("evidence", "export", "1.0")).Exit);
        Assert.Equal(2, (await node.CliAsync("evidence", "export", "first")).Exit);
        Assert.Equal(2, (await node.CliAsync("evidence", "list", "--since", "yesterday")).Exit);
        Assert.Equal(2, (await node.CliAsync("evidence", "verify", "-", "--network", "abc")).Exit);
    }

    /// <summary>The first message of that kind which one node has of another, as <c>id:sequence</c>.</summary>
    private static async Task<string> FindAsync(DawnNode of, DawnNode from, string text)
    {
        string? found = null;
        await DawnNode.EventuallyAsync($"evidence of '{text}'", async () => (found = (await ListAsync(of, from, text)).FirstOrDefault()) is not null);
        return found!;
    }

    /// <summary>All messages of that kind which one node has of another, as <c>id:sequence</c>.</summary>
    private static async Task<List<string>> ListAsync(DawnNode of, DawnNode from, string text)
    {
        var list = await of.CliAsync("evidence", "list", "--from", from.Id[..8], "--json");
        Assert.True(list.Exit == 0, list.Err);
        return [.. from line in list.Json.EnumerateArray()
                   from message in line.GetProperty("messages").EnumerateArray()
                   where message.GetProperty("text").GetString()!.StartsWith(text, StringComparison.Ordinal)
                   select $"{line.GetProperty("id").GetString()}:{message.GetProperty("sequence").GetUInt64()}"];
    }
}
