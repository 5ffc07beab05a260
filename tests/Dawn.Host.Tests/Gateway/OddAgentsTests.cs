#pragma warning disable MCP9005 // Deprecated by 2026-07-28, and carried all the same.
using System.Text;
using System.Text.Json.Nodes;
using Dawn.Sessions;
using Xunit;
using static Dawn.Tests.Gateway.GatewayFixture;

namespace Dawn.Tests.Gateway;

/// <summary>Agents whose JSON is odd harm themselves alone.</summary>
public class OddAgentsTests
{
    private const int Limit = 60_000;

    [Fact(Timeout = Limit)]
    public async Task AnAgentsDoubledKeysHarmItsOwnListsAlone()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Network.Add("odd", FakeNetwork.There, channel => AnswerAsync(channel, method => method switch
        {
            "server/discover" => """{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"prompts":{}}}""",
            "tools/list" => """{"tools":[{"name":"a","name":"b"},{"name":"deep","inputSchema":{"type":"object","type":"object"}},{"name":"sound","inputSchema":{"type":"object"}}]}""",
            _ => "[]",
        }));
        await Eventually.HoldsAsync(() => gateway.Catalog.GetAsync(Stop).GetAwaiter().GetResult().Tools.Length == 1, "the one that is sound");
        gateway.Add("first", FakeNetwork.Here);
        await Eventually.HoldsAsync(() => gateway.Catalog.GetAsync(Stop).GetAwaiter().GetResult().Tools.Any(tool => (string?)tool["name"] == "first__echo"), "the other agent");
        Assert.Contains((await gateway.Catalog.GetAsync(Stop)).Tools, tool => (string?)tool["name"] == "odd__sound");
    }

    [Fact(Timeout = Limit)]
    public async Task AnAgentsDoubledKeysEndItsConversationAndLeaveNobodyWaiting()
    {
        await using var gateway = await StartAsync(TestContext.Current.CancellationToken);
        gateway.Network.Add("odd", FakeNetwork.There, async channel =>
        {
            using (await channel.ReceiveAsync(Stop))
            {
                await channel.SendAsync(Encoding.UTF8.GetBytes("""{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progressToken":2}}"""), Stop);
            }
        });
        var answer = await gateway.SendAsync("/mcp/odd", "tools/list").WaitAsync(Patience, Stop);
        Assert.Equal("outcome-unknown", (string?)answer["error"]!["data"]!["dawn"]);
    }

    private static async Task AnswerAsync(MeshChannel channel, Func<string, string> resultOf)
    {
        while (await channel.ReceiveAsync(Stop) is { } buffer)
        {
            using (buffer)
            {
                var request = JsonNode.Parse(buffer.Span)!;
                if (request["id"] is { } id)
                {
                    await channel.SendAsync(Encoding.UTF8.GetBytes($$"""{"jsonrpc":"2.0","id":{{id.ToJsonString()}},"result":{{resultOf((string)request["method"]!)}}}"""), Stop);
                }
            }
        }
    }
}
