using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ModelContextProtocol.Client;

namespace Dawn.Benchmarks.Compare;

/// <summary>A call whose nodes can't dial each other, through one relay, against one over a link.</summary>
internal sealed class RelayLatency() : Contest("relay p50", "relay p50", "relay rate 64", "dedicated relay p50", "dedicated relay rate 64")
{
    protected override async Task<IReadOnlyList<Leg>> SetUpAsync(Stage stage, CancellationToken cancellationToken)
    {
        var (a, b) = await stage.StartPairAsync(cancellationToken);
        var relay = await stage.StartNodeAsync(cancellationToken);
        var (c, d) = await stage.StartHiddenPairAsync(cancellationToken, relay);
        var (e, f) = await stage.StartHiddenPairAsync(cancellationToken, await stage.StartDedicatedRelayAsync(cancellationToken));
        return
        [
            await stage.DriveAsync("through a relay", c, d, Shape(1), cancellationToken),
            await stage.DriveAsync("direct", a, b, Shape(1), cancellationToken),
            await stage.DriveAsync("through a relay, 64 in flight", c, d, Shape(64), cancellationToken),
            await stage.DriveAsync("direct, 64 in flight", a, b, Shape(64), cancellationToken),
            await stage.DriveAsync("through a dedicated relay", e, f, Shape(1), cancellationToken),
            await stage.DriveAsync("through a dedicated relay, 64 in flight", e, f, Shape(64), cancellationToken),
        ];
    }

    protected override IReadOnlyList<Figure> Conclude(IReadOnlyList<IReadOnlyList<LoadResult>> results) =>
    [
        P50(results[0]).Against(P50(results[1]), "relay p50", "µs", "the same call over a link", new(RatioAtMost: 1.7)),
        Rate(results[2]).Against(Rate(results[3]), "relay rate 64", "calls/s", "the same calls over a link", Reach.None),
        P50(results[4]).Against(P50(results[1]), "dedicated relay p50", "µs", "the same call over a link", new(RatioAtMost: 1.7)),
        Rate(results[5]).Against(Rate(results[3]), "dedicated relay rate 64", "calls/s", "the same calls over a link", Reach.None),
    ];
}

/// <summary>A GiB of answers and questions of a MiB each through a relay, and how much memory it takes for that.</summary>
internal sealed class RelayMemory : IContest
{
    private const int Size = 1024 * 1024;
    private const int InFlight = 8;

    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);

    public IReadOnlyList<string> Figures { get; } = ["relay growth", "relay bulk"];

    public async Task<IReadOnlyList<Figure>> RunAsync(CompareOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        await using var stage = new Stage(options);
        var relay = await stage.StartNodeAsync(cancellationToken);
        var (c, d) = await stage.StartHiddenPairAsync(cancellationToken, relay);
        var leg = await stage.DriveAsync("through a relay", c, d, new(InFlight, 0, Size), cancellationToken);
        await Task.Delay(Rest, cancellationToken);
        var (before, most) = (relay.ResidentMemory, 0L);
        var bytes = options.IsQuick ? 1L << 26 : 1L << 30;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watching = WatchAsync(enough.Token);
        var (passed, rates) = (0L, new List<double>());
        while (passed < bytes)
        {
            var result = await leg.RunAsync(options.Seconds, cancellationToken);
            passed += result.Calls * 2 * Size;
            rates.Add(result.CallsPerSecond * 2 * Size / 1e6);
            say(string.Create(CultureInfo.InvariantCulture, $"relay growth: {passed >> 20} MiB, {rates[^1]:0} MB/s, {(Volatile.Read(ref most) - before) / 1048576d:0.0} MiB more than before"));
        }

        await enough.CancelAsync();
        await watching;
        return
        [
            new Rounds([(most - before) / 1048576d]).Against(null, "relay growth", "MiB", null, new(AtMost: 32)),
            new Rounds(rates).Against(null, "relay bulk", "MB/s", null, Reach.None),
        ];

        async Task WatchAsync(CancellationToken stop)
        {
            while (!stop.IsCancellationRequested)
            {
                Volatile.Write(ref most, Math.Max(most, relay.ResidentMemory));
                await Task.Delay(Look, stop).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            }
        }
    }
}

/// <summary>
/// From the kill of the relay that carries a conversation to the end of the call that was under way and of the one after it, which goes another way; both
/// nodes have links to two relays and none to each other.
/// </summary>
internal sealed class FailOver : IContest
{
    private const int Kills = 100;

    private static readonly TimeSpan HealTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    public IReadOnlyList<string> Figures { get; } = ["fail-over median", "fail-over worst"];

    public async Task<IReadOnlyList<Figure>> RunAsync(CompareOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        await using var stage = new Stage(options);
        var relays = new List<NodeProcess> { await stage.StartNodeAsync(cancellationToken) };
        relays.Add(await stage.StartNodeAsync(cancellationToken, $"Bootstrap:0={relays[0].At}"));
        var (from, to) = await stage.StartHiddenPairAsync(cancellationToken, [.. relays]);
        await stage.DriveAsync("until they have met", from, to, new(1, 0, 200), cancellationToken);
        await using var agent = await stage.ConnectAsync($"{from.Mcp}/{to.Id}:bench", cancellationToken);
        await using var ofFrom = await stage.ConnectAsync(from.Mcp + "/node", cancellationToken);
        await using var ofTo = await stage.ConnectAsync(to.Mcp + "/node", cancellationToken);
        var call = new EchoCall(agent, 200);
        var seconds = new List<double>();
        for (var kill = 1; kill <= (options.IsQuick ? 3 : Kills); kill++)
        {
            var victim = await CarrierAsync();
            var (killed, done) = (0L, 0);
            var calling = Task.Run(
                async () =>
                {
                    for (var after = 0; after < 2; done++)
                    {
                        await call.RunAsync(cancellationToken);
                        // The one that was under way, and one more.
                        after += Volatile.Read(ref killed) == 0 ? 0 : 1;
                    }
                },
                cancellationToken);
            while (Volatile.Read(ref done) < 20 && !calling.IsCompleted)
            {
                await Task.Delay(Look, cancellationToken);
            }

            Volatile.Write(ref killed, Stopwatch.GetTimestamp());
            await relays[victim].DisposeAsync();
            await calling.WaitAsync(HealTimeout, cancellationToken);
            seconds.Add(Stopwatch.GetElapsedTime(killed).TotalSeconds);
            say(string.Create(CultureInfo.InvariantCulture, $"fail-over: kill {kill}, {seconds[^1] * 1000:0} ms"));
            relays[victim] = await stage.StartAgainAsync(relays[victim], cancellationToken, $"Bootstrap:0={relays[1 - victim].At}");
            await HealedAsync();
        }

        return
        [
            new Rounds(seconds).Against(null, "fail-over median", "s", null, Reach.None),
            new Rounds([seconds.Max()]).Against(null, "fail-over worst", "s", null, Reach.None),
        ];

        // The relay that the next call goes through.
        async Task<int> CarrierAsync()
        {
            var trace = await AskAsync(ofFrom, "trace", new() { ["address"] = to.Id }, cancellationToken);
            var hop = trace.GetProperty("path")[0].GetProperty("node").GetString();
            return relays.FindIndex(relay => relay.Id == hop) is >= 0 and var at ? at : throw new ComparisonException($"The calls go through no relay: {trace}");
        }

        // Until both ends have links to both relays again.
        async Task HealedAsync()
        {
            for (var began = Stopwatch.GetTimestamp(); ;)
            {
                if (await IsLinkedAsync(ofFrom) && await IsLinkedAsync(ofTo))
                {
                    return;
                }

                if (Stopwatch.GetElapsedTime(began) > HealTimeout)
                {
                    throw new ComparisonException($"The nodes had no links to both relays {HealTimeout.TotalSeconds:0} s after one was started again.");
                }

                await Task.Delay(Look, cancellationToken);
            }
        }

        async Task<bool> IsLinkedAsync(McpClient node)
        {
            var peers = await AskAsync(node, "peers", [], cancellationToken);
            var connected = peers.GetProperty("peers").EnumerateArray().Where(peer => peer.GetProperty("state").GetString() == "connected").Select(peer => peer.GetProperty("node").GetString()).ToHashSet();
            return relays.TrueForAll(relay => connected.Contains(relay.Id));
        }
    }

    private static async Task<JsonElement> AskAsync(McpClient node, string tool, Dictionary<string, object?> arguments, CancellationToken cancellationToken)
    {
        var result = await node.CallToolAsync(tool, arguments, cancellationToken: cancellationToken);
        return result is { IsError: not true, StructuredContent: { } content }
            ? content
            : throw new ComparisonException($"'{tool}' of the agent node failed: {result.Content.OfType<ModelContextProtocol.Protocol.TextContentBlock>().FirstOrDefault()?.Text}");
    }
}
