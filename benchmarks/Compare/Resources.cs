using System.Globalization;
using Dawn.Benchmarks.Peers;

namespace Dawn.Benchmarks.Compare;

/// <summary>How long a node takes to be ready, from a warm disk and with its keys made.</summary>
internal sealed class StartTime : IContest
{
    public IReadOnlyList<string> Figures { get; } = ["start"];

    public async Task<IReadOnlyList<Figure>> RunAsync(CompareOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        await using var stage = new Stage(options);
        var data = stage.NewData();
        var seconds = new List<double>();
        for (var start = 0; start <= options.Rounds; start++)
        {
            await using var node = await stage.StartPlainNodeAsync(data, cancellationToken);
            // The first makes the keys and warms the disk.
            if (start > 0)
            {
                seconds.Add(node.ReadyAfter.TotalSeconds);
                say(string.Create(CultureInfo.InvariantCulture, $"start: {seconds[^1]:0.000} s"));
            }
        }

        return [new Rounds(seconds).Against(null, "start", "s", null, new(AtMost: 1))];
    }
}

/// <summary>Memory of a node that does nothing, and what each link adds that does nothing either.</summary>
internal sealed class IdleMemory : IContest
{
    // Both counts are of links that are up: what the first ones cost in code and pools is no cost of the next.
    private const int FirstLinks = 300;
    private const int MoreLinks = 200;

    public IReadOnlyList<string> Figures { get; } = ["idle rss", "idle link"];

    public async Task<IReadOnlyList<Figure>> RunAsync(CompareOptions options, Action<string> say, CancellationToken cancellationToken)
    {
        var rest = TimeSpan.FromSeconds(options.IsQuick ? 1 : 10);
        var (idle, links) = (new List<double>(), new List<double>());
        for (var round = 1; round <= Math.Min(3, options.Rounds); round++)
        {
            await using var stage = new Stage(options);
            var node = await stage.StartPlainNodeAsync(null, cancellationToken);
            await Task.Delay(rest, cancellationToken);
            idle.Add(node.ResidentMemory / 1e6);

            var client = await stage.StartClientAsync("links", new ServedAt(node.At), cancellationToken);
            var first = await WithAsync(FirstLinks);
            links.Add((await WithAsync(FirstLinks + MoreLinks) - first) / 1024d / MoreLinks);
            say(string.Create(CultureInfo.InvariantCulture, $"idle: {idle[^1]:0.0} MB, {links[^1]:0.0} KB a link"));

            async Task<long> WithAsync(int count)
            {
                await client.AskAsync(new LoadRequest(0, 60, 0, count), cancellationToken);
                await Task.Delay(rest, cancellationToken);
                return node.ResidentMemory;
            }
        }

        return
        [
            new Rounds(idle).Against(null, "idle rss", "MB", null, new(AtMost: 100)),
            new Rounds(links).Against(null, "idle link", "KB", null, new(AtMost: 60)),
        ];
    }
}
