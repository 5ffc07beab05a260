using Dawn.Sessions;

namespace Dawn.Gateway;

/// <summary>What WebSocket clients may cost.</summary>
internal sealed record WebSocketLimits
{
    /// <summary>Clients at once: programs of people and services, each of which may hold long messages both ways.</summary>
    public int Clients { get; init; } = 256;

    /// <summary>Bytes of one message; what can travel to an agent.</summary>
    public int Message { get; init; } = MeshChannel.MaxMessage;

    /// <summary>Bytes that wait to be sent to one client: a few of the longest answers at once.</summary>
    public long Unsent { get; init; } = 4L * MeshChannel.MaxMessage;

    /// <summary>How long one message may take, either way, once it has begun: 2 MiB a second for the longest.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A client that is silent is asked whether it lives (RFC 6455, 5.5.2); this also keeps what lies between from forgetting the connection.</summary>
    public TimeSpan Ping { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the answer to a ping may take.</summary>
    public TimeSpan Pong { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the closing handshake may take; less than a node has to stop.</summary>
    public TimeSpan Goodbye { get; init; } = TimeSpan.FromSeconds(1);
}
