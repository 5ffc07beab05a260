using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

/// <summary>Keeps a link to every configured peer and hub: dials, and dials again with capped, jittered, exponential backoff.</summary>
internal sealed partial class Bootstrapper(
    DawnSettings settings,
    NodeIdentity self,
    PeerTable peers,
    LinkTable links,
    LinkKeeper keeper,
    Hubs hubs,
    INetworkWatch network,
    Random random,
    TimeProvider time,
    ILogger<Bootstrapper> logger) : IHostedService, IDisposable
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(30);

    // A link that lived shorter than this counts as a failed dial: a peer that accepts and hangs up must not be hammered.
    private static readonly TimeSpan Healthy = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private CancellationTokenSource _hurry = new();

    /// <summary>Ends when it was stopped.</summary>
    public Task Running { get; private set; } = Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        network.Changed += Hurry;
        Running = Task.WhenAll(Peers().Where(p => p.Peer.Node != self.Id).Select(p => KeepAsync(p.Peer, p.LearnedFrom, _stop.Token)));
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        network.Changed -= Hurry;
        await _stop.CancelAsync();
        await Running.WaitAsync(cancellationToken);
    }

    public void Dispose()
    {
        _stop.Dispose();
        _hurry.Dispose();
    }

    // What the configuration names, and where a ticket led.
    private IEnumerable<(PeerAddress Peer, string LearnedFrom)> Peers() =>
        settings.Hubs.Concat(settings.Bootstrap).Select(peer => (peer, Learned.Bootstrap))
            .Concat(self.Bootstrap.Select(text => PeerAddress.TryParse(text, out var peer) ? peer! : null).OfType<PeerAddress>().Select(peer => (peer, Learned.Ticket)))
            .DistinctBy(p => p.Item1);

    private async Task KeepAsync(PeerAddress peer, string learnedFrom, CancellationToken cancellationToken)
    {
        // Nobody's start waits for a transport.
        await Task.Yield();
        var delay = FirstDelay;
        var node = peer.Node;
        string? said = null;
        peers.Expect(peer.Address, learnedFrom);
        while (!cancellationToken.IsCancellationRequested)
        {
            long? up = null;
            try
            {
                // Whoever answered before: two addresses of one node, each dialled for itself, would replace each other's links for ever.
                var link = node is { } known && links.TryGet(known, out var existing) ? existing : await keeper.DialAsync(peer.Address, peer.Node, cancellationToken);
                (node, up, said) = (link.Remote, time.GetTimestamp(), null);
                hubs.OnAnswered(peer, link.Remote);
                keeper.Pin(link.Remote);
                await link.Ended.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // The same cause again and again is one line in the log. What isn't foreseen ends neither this loop nor, with it, the node.
                if (said != e.Message)
                {
                    LogFailed(e is LinkDialException ? null : e, peer.ToString(), (said = e.Message).TrimEnd('.'));
                }
            }

            delay = up is { } since && time.GetElapsedTime(since) >= Healthy ? FirstDelay : delay * 2 < MaxDelay ? delay * 2 : MaxDelay;
            if (await PauseAsync(delay * (0.5 + Jitter()), cancellationToken))
            {
                delay = FirstDelay;
            }
        }
    }

    // True where the network changed meanwhile: what could not be reached may now be.
    private async Task<bool> PauseAsync(TimeSpan delay, CancellationToken cancellationToken)
    {
        CancellationToken hurry;
        lock (_lock)
        {
            hurry = _hurry.Token;
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(hurry, cancellationToken);
        try
        {
            await Task.Delay(delay, time, either.Token);
        }
        catch (OperationCanceledException)
        {
            // The loop looks whether it is to end.
        }

        return hurry.IsCancellationRequested;
    }

    private void Hurry()
    {
        CancellationTokenSource before;
        lock (_lock)
        {
            (before, _hurry) = (_hurry, new());
        }

        before.Cancel();
        before.Dispose();
    }

    private double Jitter()
    {
        lock (random)
        {
            return random.NextDouble() / 2;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "No link to {Peer}: {Cause}. Dawn goes on trying")]
    private partial void LogFailed(Exception? exception, string peer, string cause);
}
