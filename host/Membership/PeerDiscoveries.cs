using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Plugins;

namespace Dawn.Membership;

/// <summary>Runs the discoveries of the loaded plugins: tells where this node listens, and dials what they find.</summary>
internal sealed partial class PeerDiscoveries(
    Func<IReadOnlyList<IPeerDiscovery>> discoveries, PluginHost? plugins, Func<IReadOnlyList<Uri>> addresses, Listeners? listeners, INodeIdentity self, PeerTable peers, LinkKeeper keeper,
    Random random, TimeProvider time, ILogger<PeerDiscoveries> logger) : IHostedService, IDisposable
{
    /// <summary>Addresses that are dialled for all discoveries together; what is found beyond is left out until others are gone.</summary>
    public const int MaxAddresses = 64;

    // A Wi-Fi that is just coming up, a socket that is taken: soon enough for people, and no line a second in the log.
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private readonly Dictionary<IPeerDiscovery, CancellationTokenSource> _running = [];
    private readonly Dictionary<Uri, CancellationTokenSource> _found = [];
    private readonly CancellationTokenSource _stop = new();
    private CancellationTokenSource _moved = new();

    /// <summary>What all nodes of a network call it among strangers: 13 base32 characters that tell nothing of its secret.</summary>
    public static string TagOf(NetworkKeys network)
    {
        Span<byte> tag = stackalloc byte[8];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, network.Psk, tag, [], "dawn/1 discovery"u8);
        return Base32.Encode(tag);
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (plugins is not null)
        {
            plugins.Changed += Follow;
        }

        if (listeners is not null)
        {
            listeners.Changed += OnMoved;
        }

        Follow();
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (plugins is not null)
        {
            plugins.Changed -= Follow;
        }

        if (listeners is not null)
        {
            listeners.Changed -= OnMoved;
        }

        await _stop.CancelAsync();
    }

    public void Dispose()
    {
        _stop.Dispose();
        _moved.Dispose();
    }

    /// <summary>The addresses are others now: what is told is told anew.</summary>
    public void OnMoved()
    {
        CancellationTokenSource before;
        lock (_lock)
        {
            (before, _moved) = (_moved, new());
        }

        before.Cancel();
        before.Dispose();
    }

    // A plugin that was replaced brings another object; nothing of the old one may be held.
    private void Follow()
    {
        var loaded = discoveries();
        List<CancellationTokenSource> gone = [];
        lock (_lock)
        {
            foreach (var (discovery, stop) in _running.Where(r => !loaded.Contains(r.Key)).ToList())
            {
                _running.Remove(discovery);
                gone.Add(stop);
            }

            foreach (var discovery in loaded.Where(d => !_running.ContainsKey(d)))
            {
                var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                _running.Add(discovery, stop);
                _ = RepeatAsync(discovery, "tells nobody where this node is", AdvertiseAsync, stop.Token);
                _ = RepeatAsync(discovery, "finds nobody", DiscoverAsync, stop.Token);
            }
        }

        gone.ForEach(stop => stop.Cancel());
    }

    private async Task RepeatAsync(IPeerDiscovery discovery, string effect, Func<IPeerDiscovery, CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        await Task.Yield();
        string? said = null;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await work(discovery, cancellationToken);
                said = null;
            }
            catch (Exception) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Discoveries are plugins: whatever one throws ends this attempt, and the same cause is said once.
                if (said != e.Message)
                {
                    LogFailed(discovery.Name, effect, said = e.Message);
                }
            }

            try
            {
                await Task.Delay(RetryAfter, time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task AdvertiseAsync(IPeerDiscovery discovery, CancellationToken cancellationToken)
    {
        while (true)
        {
            CancellationToken moved;
            lock (_lock)
            {
                moved = _moved.Token;
            }

            using var either = CancellationTokenSource.CreateLinkedTokenSource(moved, cancellationToken);
            try
            {
                if (addresses() is { Count: > 0 } here)
                {
                    await discovery.AdvertiseAsync(new(TagOf(self.Network), here), either.Token);
                }

                // It ended by itself, or there is nothing to tell.
                await Task.Delay(Timeout.InfiniteTimeSpan, time, either.Token);
            }
            catch (OperationCanceledException) when (moved.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                // Other addresses: once more.
            }
        }
    }

    private async Task DiscoverAsync(IPeerDiscovery discovery, CancellationToken cancellationToken)
    {
        await foreach (var peer in discovery.DiscoverAsync(TagOf(self.Network), cancellationToken))
        {
            if (peer.IsGone)
            {
                Forget(peer.Address);
            }
            else if (NodeRecord.IsAddress(peer.Address) && !addresses().Contains(peer.Address) && Remember(peer.Address) is { } wanted)
            {
                peers.Expect(peer.Address, discovery.Name);
                _ = DialAsync(peer.Address, wanted);
            }
        }
    }

    private CancellationToken? Remember(Uri address)
    {
        lock (_lock)
        {
            if (_found.Count >= MaxAddresses || _found.ContainsKey(address))
            {
                return null;
            }

            var stop = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            _found.Add(address, stop);
            return stop.Token;
        }
    }

    private void Forget(Uri address)
    {
        CancellationTokenSource? stop;
        lock (_lock)
        {
            _found.Remove(address, out stop);
        }

        // Whoever takes it out disposes it.
        stop?.Cancel();
        stop?.Dispose();
    }

    // Until somebody answers: from then on its record says where it is, and views and keeper see to the link.
    private async Task DialAsync(Uri address, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var delay = FirstDelay;
        try
        {
            while (!IsLinked(address))
            {
                try
                {
                    await keeper.DialAsync(address, null, cancellationToken);
                    break;
                }
                catch (LinkDialException e) when (e.Fault == DialFault.Self)
                {
                    break;
                }
                catch (LinkDialException e)
                {
                    LogNotReached(address, e.Message);
                }

                await Task.Delay(delay * (0.5 + Jitter()), time, cancellationToken);
                delay = delay * 2 < MaxDelay ? delay * 2 : MaxDelay;
            }
        }
        catch (OperationCanceledException)
        {
            // It is gone, or the node stops.
        }
        catch (Exception e)
        {
            // What isn't foreseen costs this address, and may come again when it is found again.
            LogNotReached(address, e.Message);
        }
        finally
        {
            Forget(address);
        }
    }

    private bool IsLinked(Uri address) => peers.Snapshot.Any(peer => peer.IsConnected && peer.Addresses.Contains(address));

    private double Jitter()
    {
        lock (random)
        {
            return random.NextDouble() / 2;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Discovery {Discovery} {Effect}: {Cause} It is tried again")]
    private partial void LogFailed(string discovery, string effect, string cause);

    [LoggerMessage(Level = LogLevel.Debug, Message = "No link with {Address}, which was discovered: {Cause}")]
    private partial void LogNotReached(Uri address, string cause);
}
