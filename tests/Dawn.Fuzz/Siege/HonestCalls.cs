using ModelContextProtocol.Client;

namespace Dawn.Fuzz.Siege;

/// <summary>Ordinary clients of one node's gateway, which call an agent of the other over the mesh, several calls in flight, until they are stopped.</summary>
internal sealed class HonestCalls : IAsyncDisposable
{
    private const int InFlight = 8;

    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stop = new();
    private readonly McpClient _client;
    private readonly Task[] _callers;
    private long _done;
    private long _failed;

    private HonestCalls(McpClient client)
    {
        _client = client;
        _callers = [.. Enumerable.Range(0, InFlight).Select(_ => CallAsync())];
    }

    public (long Done, long Failed) Count => (Interlocked.Read(ref _done), Interlocked.Read(ref _failed));

    public static async Task<HonestCalls> StartAsync(SiegeNode gateway, SiegeNode host)
    {
        // The nodes find each other by B's bootstrap list; until then the address is unknown.
        for (var patience = 100; ; patience--)
        {
            try
            {
                var client = await McpClient.CreateAsync(new HttpClientTransport(new() { Endpoint = new Uri($"{gateway.Mcp}/{host.Id}:first"), TransportMode = HttpTransportMode.StreamableHttp }));
                await client.CallToolAsync("echo", Arguments);
                return new(client);
            }
            catch (Exception) when (patience > 0)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_callers);
        await _client.DisposeAsync();
    }

    private static Dictionary<string, object?> Arguments => new() { ["message"] = "siege" };

    private async Task CallAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                timeout.CancelAfter(CallTimeout);
                await _client.CallToolAsync("echo", Arguments, cancellationToken: timeout.Token);
                Interlocked.Increment(ref _done);
            }
            catch (Exception) when (!_stop.IsCancellationRequested)
            {
                // Counted and told: a call that fails is not one that was kept.
                Interlocked.Increment(ref _failed);
                await Task.Delay(TimeSpan.FromMilliseconds(50));
            }
            catch (Exception)
            {
                // Stopped in the middle of a call.
            }
        }
    }
}
