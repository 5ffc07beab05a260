using System.Globalization;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>Two processes whose link gets new keys all the time.</summary>
public sealed class RekeyTests
{
    [Fact(Timeout = 240_000)]
    public async Task CallsGoOnWhileTheLinksKeysAreReplaced()
    {
        const string Often = "Security:RekeyAfter=00:00:01";
        await using var a = await DawnNode.StartAsync(DawnNode.Secret, Often);
        await using var b = await DawnNode.StartAsync(DawnNode.Secret, Often, $"Bootstrap:0={a.At}");
        await DawnNode.EventuallyAsync("A sees B's agent", () => a.SeesAsync("first", b));
        await using var client = await a.ConnectAsync($"/{b.Id}:first");
        var calls = 0;
        await DawnNode.EventuallyAsync("the third epoch", async () =>
        {
            for (var i = 0; i < 50; i++, calls++)
            {
                var text = calls.ToString(CultureInfo.InvariantCulture);
                var result = await client.CallToolAsync("echo", new Dictionary<string, object?> { ["message"] = text }, cancellationToken: TestContext.Current.CancellationToken);
                Assert.Contains(text, Assert.IsType<TextContentBlock>(result.Content[0]).Text, StringComparison.Ordinal);
            }

            return await EpochAsync(a) >= 3 && await EpochAsync(b) >= 3;
        });
        foreach (var log in new[] { a.Log, b.Log })
        {
            // The one link, all the time, and no word about a setting without effect.
            Assert.DoesNotContain("is down", log, StringComparison.Ordinal);
            Assert.DoesNotContain("RekeyAfter", log, StringComparison.Ordinal);
        }
    }

    private static async Task<int> EpochAsync(DawnNode node)
    {
        var outcome = await node.CliAsync("call", "node", "links", "--json");
        Assert.True(outcome.Exit == 0, outcome.Err);
        var links = outcome.Json.GetProperty("result").GetProperty("structuredContent").GetProperty("links");
        return Assert.Single(links.EnumerateArray()).GetProperty("epoch").GetInt32();
    }
}
