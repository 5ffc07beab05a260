using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>The client's side of a leg: takes what the agent sends by itself.</summary>
internal interface ILegPeer
{
    /// <summary>A notification; the leg reads on when the task ends, so that order holds and a slow client slows its own agent alone.</summary>
    Task OnNotificationAsync(Leg leg, JsonRpcNotification notification, Exchange? exchange, CancellationToken cancellationToken);

    /// <summary>A request of the agent (sampling, elicitation, roots). An exception answers it with an error.</summary>
    Task<JsonRpcMessageWithId> OnRequestAsync(Leg leg, JsonRpcRequest request, Exchange? exchange, CancellationToken cancellationToken);
}
