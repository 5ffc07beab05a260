using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.EndToEnd;

/// <summary>A network that changes its routing mode, node by node, under load: the plan of <c>dawn migrate</c>, taken by its word.</summary>
public sealed class MigrationTests
{
    // So many calls must come through after each step, so that none is taken before the last one had its effect.
    private const int CallsAStep = 20;
    private const int CallsAtOnce = 4;

    /// <param name="isDialable">Whether the nodes that call and are called have listeners: calls then move from a hub to a link of their own; else the hubs carry them in every mode.</param>
    [Theory(Timeout = 240_000)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ANetworkWalksThroughAllModesAndBackWithoutLosingACall(bool isDialable)
    {
        await using var hub1 = await DawnNode.StartAsync(DawnNode.Secret, "Mode=centralized");
        await using var hub2 = await DawnNode.StartAsync(DawnNode.Secret, "Mode=centralized", $"Hubs:0={hub1.At}");
        string[] leaf = [DawnNode.Secret, "Mode=centralized", isDialable ? "Listen:0=ws://127.0.0.1:0" : "Listen:0=", $"Hubs:0={hub1.At}", $"Hubs:1={hub2.At}"];
        await using var one = await DawnNode.StartAsync(leaf);
        await using var two = await DawnNode.StartAsync(leaf);
        await using var counting = await DawnNode.StartAsync([.. leaf, $"McpServers:counter:Command={Dawn.StdioServer}", "McpServers:counter:Share=members"]);
        var nodes = new[] { hub1, hub2, one, two, counting }.ToDictionary(n => n.Id);
        await DawnNode.EventuallyAsync("one sees the counter", () => one.SeesAsync("counter", counting));
        await DawnNode.EventuallyAsync("two sees the counter", () => two.SeesAsync("counter", counting));
        await DawnNode.EventuallyAsync("one knows all", async () => (await one.CliAsync("registry", "show", "--json")).Json.GetArrayLength() == nodes.Count);

        var address = $"/{counting.Id}:counter";
        await using var fromOne = await one.ConnectAsync(address);
        await using var fromTwo = await two.ConnectAsync(address);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var load = new Load();
        var calling = Enumerable.Range(0, CallsAtOnce).Select(i => load.RunAsync(i % 2 == 0 ? fromOne : fromTwo, done.Token)).ToList();
        await load.GoesOnAsync(CallsAStep);
        Assert.False(await AreLinkedAsync(one, counting));
        foreach (var target in new[] { "decentralized", "centralized" })
        {
            var plan = await PlanAsync(one, target);
            var steps = plan.GetProperty("steps").EnumerateArray().ToList();
            // Each goes through hybrid, the hubs first.
            Assert.Equal(2 * nodes.Count, steps.Count);
            Assert.All(steps.Take(nodes.Count), s => Assert.Equal("hybrid", s.GetProperty("mode").GetString()));
            Assert.Equal([hub1.Id, hub2.Id], steps.Take(2).Select(s => s.GetProperty("node").GetString()));
            foreach (var step in steps)
            {
                var command = Assert.Single(step.GetProperty("commands").EnumerateArray()).GetString()!.Split(' ');
                Assert.Equal("dawn", command[0]);
                var outcome = await nodes[step.GetProperty("node").GetString()!].CliAsync(command[1..]);
                Assert.True(outcome.Exit == 0, outcome.Err);
                await load.GoesOnAsync(CallsAStep);
            }

            Assert.Empty((await PlanAsync(two, target)).GetProperty("steps").EnumerateArray());
            if (target == "decentralized" && isDialable)
            {
                await DawnNode.EventuallyAsync("calls go straight", () => AreLinkedAsync(one, counting));
            }
        }

        await load.EndAsync(done, calling);
        Assert.Empty(load.Failures);
        var value = await fromOne.CallToolAsync("value", cancellationToken: TestContext.Current.CancellationToken);
        // Each answer is the number of its execution: as many as were called, and none twice.
        Assert.Equal(load.Answers.Count.ToString(), Text(value));
        Assert.Equal(Enumerable.Range(1, load.Answers.Count), load.Answers.Keys.Order());
    }

    private static async Task<bool> AreLinkedAsync(DawnNode one, DawnNode other) =>
        (await one.ListAsync("peers")).Any(p => p.GetProperty("node").GetString() == other.Id && p.GetProperty("state").GetString() == "connected");

    private static async Task<JsonElement> PlanAsync(DawnNode node, string to)
    {
        var outcome = await node.CliAsync("migrate", "--plan", "--to", to, "--json");
        Assert.True(outcome.Exit == 0, outcome.Err);
        return outcome.Json;
    }

    private static string Text(CallToolResult result) => ((TextContentBlock)result.Content[0]).Text;

    /// <summary>Calls that never pause.</summary>
    private sealed class Load
    {
        private volatile bool _isOver;
        private readonly SemaphoreSlim _ended = new(0);

        public ConcurrentDictionary<int, bool> Answers { get; } = new();

        public ConcurrentQueue<string> Failures { get; } = new();

        public async Task RunAsync(McpClient client, CancellationToken stop)
        {
            while (!_isOver && Failures.IsEmpty)
            {
                try
                {
                    var result = await client.CallToolAsync("bump", cancellationToken: stop);
                    if (result.IsError == true || !Answers.TryAdd(int.Parse(Text(result)), true))
                    {
                        Failures.Enqueue(Text(result));
                    }

                }
                catch (Exception e)
                {
                    Failures.Enqueue(e.ToString());
                }

                _ended.Release();
            }
        }

        public async Task GoesOnAsync(int calls)
        {
            while (_ended.Wait(0, CancellationToken.None))
            {
                // Those of before.
            }

            using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            patience.CancelAfter(Dawn.Patience);
            for (var i = 0; i < calls && Failures.IsEmpty; i++)
            {
                await _ended.WaitAsync(patience.Token);
            }

            Assert.Empty(Failures);
        }

        public async Task EndAsync(CancellationTokenSource stop, List<Task> calling)
        {
            _isOver = true;
            stop.CancelAfter(Dawn.Patience);
            await Task.WhenAll(calling);
        }
    }
}
