using Dawn.Configuration;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

/// <summary>Keeps a link to every configured peer: dials, and dials again with capped, jittered, exponential backoff.</summary>
internal sealed partial class Bootstrapper(
    DawnSettings settings,
    NodeIdentity self,
    LinkTable links,
    LinkDialer dialer,
    Random random,
    TimeProvider time,
    ILogger<Bootstrapper> logger) : BackgroundService
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(30);

    // A link that lived shorter than this counts as a failed dial: a peer that accepts and hangs up must not be hammered.
    private static readonly TimeSpan Healthy = TimeSpan.FromSeconds(10);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Peers().Where(p => p.Node != self.Id).Select(p => KeepAsync(p, stoppingToken)));

    // What the configuration names, and where a ticket led.
    private IEnumerable<PeerAddress> Peers() =>
        settings.Bootstrap.Concat(self.Bootstrap.Select(text => PeerAddress.TryParse(text, out var peer) ? peer! : null).OfType<PeerAddress>()).Distinct();

    private async Task KeepAsync(PeerAddress peer, CancellationToken cancellationToken)
    {
        var delay = FirstDelay;
        var node = peer.Node;
        string? said = null;
        while (!cancellationToken.IsCancellationRequested)
        {
            long? up = null;
            try
            {
                // Whoever answered before: two addresses of one node, each dialled for itself, would replace each other's links for ever.
                var link = node is { } known && links.TryGet(known, out var existing) ? existing : await dialer.DialAsync(peer.Address, peer.Node, cancellationToken);
                (node, up, said) = (link.Remote, time.GetTimestamp(), null);
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
            try
            {
                await Task.Delay(delay * (0.5 + Jitter()), time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
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
