using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

/// <summary>The resources that one conversation watches by <c>resources/subscribe</c>, as protocols up to 2025-11-25 do.</summary>
internal sealed class Subscriptions(Changes changes, TimeProvider time)
{
    // One resource here changes; more are remembered only as far as a client plausibly needs.
    private const int MaxUris = 64;

    // A client that takes nothing for so long has gone away: no other sign of that reaches an agent.
    private static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly HashSet<string> _uris = [];
    private IDisposable? _watch;

    public EmptyResult Add(McpServer server, string uri)
    {
        lock (_lock)
        {
            if (_uris.Count == MaxUris && !_uris.Contains(uri))
            {
                throw new McpProtocolException($"A conversation watches at most {MaxUris} resources; unsubscribe from some.", McpErrorCode.InvalidParams);
            }

            _watch ??= changes.Watch(change =>
            {
                if (change.Uri is not null && Contains(change.Uri))
                {
                    _ = NotifyAsync(server, change.Uri);
                }
            }) ?? throw new McpProtocolException("Too many clients watch already; try again later.", McpErrorCode.InternalError);
            _uris.Add(uri);
            return new();
        }
    }

    public EmptyResult Remove(string uri)
    {
        lock (_lock)
        {
            _uris.Remove(uri);
            if (_uris.Count == 0)
            {
                Unwatch();
            }

            return new();
        }
    }

    private bool Contains(string uri)
    {
        lock (_lock)
        {
            return _uris.Contains(uri);
        }
    }

    private async Task NotifyAsync(McpServer server, string uri)
    {
        try
        {
            using var timeout = new CancellationTokenSource(SendTimeout, time);
            await server.SendNotificationAsync(
                NotificationMethods.ResourceUpdatedNotification, new ResourceUpdatedNotificationParams { Uri = uri }, cancellationToken: timeout.Token);
        }
        catch (Exception)
        {
            // Whatever the transport says, nobody hears this conversation any more, and nobody waits for this task.
            lock (_lock)
            {
                Unwatch();
            }
        }
    }

    private void Unwatch()
    {
        _watch?.Dispose();
        _watch = null;
    }
}
