using System.Text.Json;
using System.Text.Json.Nodes;
using Dawn.Sessions;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>An answer that the gateway gives itself, in place of an agent.</summary>
internal sealed class RelayException(int code, string message, Outcome? outcome = null, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>JSON-RPC's range for servers, for whatever goes wrong between client and agent.</summary>
    public const int Unavailable = -32000;

    public const int InvalidRequest = (int)McpErrorCode.InvalidRequest;
    public const int InvalidParams = (int)McpErrorCode.InvalidParams;
    public const int MethodNotFound = (int)McpErrorCode.MethodNotFound;

    /// <summary>For requests whose execution matters: whether the agent may have executed it.</summary>
    public Outcome? Outcome { get; } = outcome;

    public JsonRpcError ToError(RequestId id) => Error(id, code, Message, Outcome);

    public static JsonRpcError Error(RequestId id, int code, string message, Outcome? outcome = null) => new()
    {
        Id = id,
        Error = new() { Code = code, Message = message, Data = outcome is { } known ? DataOf(known) : null },
    };

    public static RelayException From(MeshException e, Outcome outcome) => new(Unavailable, e.Message, outcome, e);

    // What callers of the mesh are promised: at most once, and to be told which.
    private static JsonElement DataOf(Outcome outcome) => JsonSerializer.SerializeToElement<JsonNode>(
        new JsonObject { ["dawn"] = outcome == Gateway.Outcome.NotExecuted ? "not-executed" : "outcome-unknown" }, McpJsonUtilities.DefaultOptions);
}

/// <summary>What is known of a call that got no answer.</summary>
internal enum Outcome
{
    /// <summary>The agent surely did not execute it.</summary>
    NotExecuted,

    /// <summary>The agent may have executed it. Nothing resends it by itself.</summary>
    Unknown,
}
