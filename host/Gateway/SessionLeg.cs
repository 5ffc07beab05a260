using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>
/// One client's conversation of the <c>initialize</c> era with one agent. When its leg breaks, the calls in flight fail, and the next
/// request gets a new leg on which the client's own handshake, log level and subscriptions are repeated; calls never are.
/// </summary>
/// <param name="initialize">The client's parameters, where the handshake with the client is done already; else the first request is the client's own <c>initialize</c>.</param>
internal sealed class SessionLeg(LegDialer dialer, AgentAddress agent, string callerAgent, ILegPeer peer, JsonNode? initialize) : IAsyncDisposable
{
    // As many as a client may watch; beyond it they work until the leg breaks.
    private const int MaxSubscriptions = 1024;

    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly HashSet<string> _subscriptions = [];
    private JsonNode? _initialize = initialize;
    private JsonNode? _logLevel;
    private Leg? _leg;
    private bool _disposed;

    public AgentAddress Agent => agent;

    public async Task<JsonRpcMessageWithId> CallAsync(string method, JsonNode? parameters, Exchange? exchange, CancellationToken cancellationToken)
    {
        var leg = await GetAsync(cancellationToken);
        var answer = await leg.CallAsync(method, parameters, exchange, cancellationToken);
        if (answer is JsonRpcResponse)
        {
            Remember(method, parameters);
        }

        return answer;
    }

    /// <summary>Passes a notification on; without a leg nobody is interested.</summary>
    public Task NotifyAsync(string method, JsonNode? parameters, CancellationToken cancellationToken) =>
        Volatile.Read(ref _leg) is { IsAlive: true } leg ? leg.NotifyAsync(method, parameters, cancellationToken) : Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _opening.WaitAsync();
        try
        {
            _disposed = true;
            if (_leg is { } leg)
            {
                await leg.DisposeAsync();
            }
        }
        finally
        {
            _opening.Release();
        }
    }

    private async Task<Leg> GetAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _leg) is { IsAlive: true } alive)
        {
            return alive;
        }

        await _opening.WaitAsync(cancellationToken);
        try
        {
            if (_leg is { IsAlive: true } other)
            {
                return other;
            }

            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_leg is { } broken)
            {
                await broken.DisposeAsync();
            }

            var leg = await dialer.OpenAsync(agent, callerAgent, peer, cancellationToken);
            try
            {
                await RepeatAsync(leg, cancellationToken);
            }
            catch
            {
                await leg.DisposeAsync();
                throw;
            }

            Volatile.Write(ref _leg, leg);
            return leg;
        }
        finally
        {
            _opening.Release();
        }
    }

    private async Task RepeatAsync(Leg leg, CancellationToken cancellationToken)
    {
        if (_initialize is null)
        {
            return;
        }

        await dialer.InitializeAsync(leg, _initialize.DeepClone(), cancellationToken);
        if (_logLevel is not null)
        {
            await dialer.HandshakeAsync(leg, McpJson.LoggingSetLevel, _logLevel.DeepClone(), cancellationToken);
        }

        string[] subscriptions;
        lock (_subscriptions)
        {
            subscriptions = [.. _subscriptions];
        }

        foreach (var uri in subscriptions)
        {
            await dialer.HandshakeAsync(leg, RequestMethods.ResourcesSubscribe, new JsonObject { ["uri"] = uri }, cancellationToken);
        }
    }

    private void Remember(string method, JsonNode? parameters)
    {
        switch (method)
        {
            case RequestMethods.Initialize:
                _initialize = parameters?.DeepClone();
                break;
            case McpJson.LoggingSetLevel:
                _logLevel = parameters?.DeepClone();
                break;
            case RequestMethods.ResourcesSubscribe or RequestMethods.ResourcesUnsubscribe when parameters.Text("uri") is { } uri:
                lock (_subscriptions)
                {
                    if (method == RequestMethods.ResourcesUnsubscribe)
                    {
                        _subscriptions.Remove(uri);
                    }
                    else if (_subscriptions.Count < MaxSubscriptions)
                    {
                        _subscriptions.Add(uri);
                    }
                }

                break;
        }
    }
}
