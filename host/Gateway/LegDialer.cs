using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Sessions;
using Dawn.Telemetry;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>Opens legs, within bounds of time, and counts them.</summary>
internal sealed class LegDialer(IAgentDialer dialer, GatewayMetrics metrics, TimeProvider time, ILogger<LegDialer> logger)
{
    // Longer than a session's handshake may take (docs/protocol.md: 10 s), so that its own words reach the client.
    public static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(15);

    /// <summary>An agent has this long to answer a handshake that the gateway makes itself.</summary>
    public static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(10);

    private int _open;

    /// <summary>Legs open now.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <exception cref="RelayException">There is no way to the agent; nothing was executed.</exception>
    public async Task<Leg> OpenAsync(AgentAddress agent, string callerAgent, ILegPeer? peer, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(OpenTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            var channel = await dialer.DialAsync(agent, callerAgent, either.Token).AsTask().WaitAsync(either.Token);
            Interlocked.Increment(ref _open);
            metrics.LegOpened();
            return new Leg(agent, TracedChannel.OfCaller(channel, agent), peer, Closed, time, logger);
        }
        catch (MeshException e)
        {
            throw RelayException.From(e, Outcome.NotExecuted);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RelayException(RelayException.Unavailable, $"No way to {agent} within {OpenTimeout.TotalSeconds:0} s.", Outcome.NotExecuted, e);
        }
    }

    /// <summary>Makes a call of the gateway's own, which the client's call waits for: bounded, and never itself the client's.</summary>
    /// <exception cref="RelayException">No answer, or an error: what the client wanted was not executed.</exception>
    public async Task<JsonNode?> HandshakeAsync(Leg leg, string method, JsonNode? parameters, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(HandshakeTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await leg.CallAsync(method, parameters, null, either.Token) switch
            {
                JsonRpcResponse response => response.Result,
                JsonRpcError error => throw new RelayException(error.Error.Code, $"{leg.Agent} refused {method}: {error.Error.Message}", Outcome.NotExecuted),
                _ => null,
            };
        }
        catch (RelayException e) when (e.Outcome == Outcome.Unknown)
        {
            throw new RelayException(RelayException.Unavailable, e.Message, Outcome.NotExecuted, e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new RelayException(RelayException.Unavailable, $"{leg.Agent} did not answer {method} within {HandshakeTimeout.TotalSeconds:0} s.", Outcome.NotExecuted, e);
        }
    }

    /// <summary>Opens the <c>initialize</c> era on a leg.</summary>
    public async Task<JsonNode?> InitializeAsync(Leg leg, JsonNode? parameters, CancellationToken cancellationToken)
    {
        var result = await HandshakeAsync(leg, RequestMethods.Initialize, parameters, cancellationToken);
        await leg.NotifyAsync(NotificationMethods.InitializedNotification, null, cancellationToken);
        return result;
    }

    /// <summary>What the gateway says of itself where it is the client; it can't sample or elicit.</summary>
    public static JsonObject OwnInitialize() => new()
    {
        ["protocolVersion"] = McpJson.InitializeVersion,
        ["capabilities"] = new JsonObject(),
        ["clientInfo"] = McpJson.Implementation(),
    };

    private void Closed()
    {
        Interlocked.Decrement(ref _open);
        metrics.LegClosed();
    }
}
