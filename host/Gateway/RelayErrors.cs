using Dawn.Agents;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>An answer that the gateway gives itself, in place of an agent.</summary>
internal sealed class RelayException(int code, string message, Outcome? outcome = null, Exception? inner = null) : Exception(message, inner)
{
    public const int Unavailable = JsonRpcErrors.Unavailable;
    public const int InvalidRequest = JsonRpcErrors.InvalidRequest;
    public const int InvalidParams = JsonRpcErrors.InvalidParams;
    public const int MethodNotFound = JsonRpcErrors.MethodNotFound;

    /// <summary>For requests whose execution matters: whether the agent may have executed it.</summary>
    public Outcome? Outcome { get; } = outcome;

    public JsonRpcError ToError(RequestId id) => Error(id, code, Message, Outcome);

    public static JsonRpcError Error(RequestId id, int code, string message, Outcome? outcome = null) => JsonRpcErrors.Create(id, code, message, outcome switch
    {
        Gateway.Outcome.NotExecuted => JsonRpcErrors.NotExecuted,
        Gateway.Outcome.Unknown => JsonRpcErrors.OutcomeUnknown,
        _ => null,
    });

    public static RelayException From(MeshException e, Outcome outcome) => new(Unavailable, e.Message, outcome, e);
}

/// <summary>What is known of a call that got no answer.</summary>
internal enum Outcome
{
    /// <summary>The agent surely did not execute it.</summary>
    NotExecuted,

    /// <summary>The agent may have executed it. Nothing resends it by itself.</summary>
    Unknown,
}
