namespace Dawn.Membership;

/// <summary>After a change of this machine's network: dials at once what was being waited for, and tells where this node is now.</summary>
internal sealed partial class NetworkFollower(INetworkWatch network, PeerTable peers, Listeners listeners, TimeProvider time, ILogger<NetworkFollower> logger) : IHostedService, IDisposable
{
    // One change raises several events.
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(1);

    private ITimer? _settle;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _settle = time.CreateTimer(_ => Follow(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        network.Changed += OnChanged;
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        network.Changed -= OnChanged;
        _settle?.Dispose();
        return Task.CompletedTask;
    }

    public void Dispose() => _settle?.Dispose();

    private void OnChanged() => _settle?.Change(Settle, Timeout.InfiniteTimeSpan);

    private void Follow()
    {
        try
        {
            LogChanged();
            peers.ResetBackoffs();
            listeners.Refresh();
        }
        catch (Exception e)
        {
            // A timer's thread; the next change tries again.
            LogFailed(e);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The network of this machine changed: peers are dialled anew, and the record says where this node is now")]
    private partial void LogChanged();

    [LoggerMessage(Level = LogLevel.Warning, Message = "Following a change of the network failed")]
    private partial void LogFailed(Exception exception);
}
