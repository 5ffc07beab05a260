using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Dawn.Agents;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>One request of a client while it is being answered.</summary>
/// <param name="Reply">The stream that its answer and what belongs to it go out on; null where the client has one stream for everything.</param>
/// <param name="ProgressToken">What the client told the agent to report progress under.</param>
internal sealed record Exchange(RequestId Id, ITransport? Reply, JsonNode? ProgressToken)
{
    public static Exchange Of(JsonRpcRequest request, ITransport? reply) => new(request.Id, reply, request.Params.Meta("progressToken"));
}

/// <summary>The way back to one client: answers, notifications, and requests of agents with their answers.</summary>
internal sealed class ClientConnection
{
    // Requests that agents have waiting at one client: what people can be asked at once, generously.
    private const int MaxPending = 64;

    private readonly ConcurrentDictionary<RequestId, TaskCompletionSource<JsonRpcMessageWithId>> _pending = new();
    private long _next;

    /// <summary>Sends what belongs to no request; for a client that has one stream, everything.</summary>
    public required Func<JsonRpcMessage, CancellationToken, Task> Unsolicited { get; set; }

    public Task SendAsync(JsonRpcMessage message, ITransport? reply, CancellationToken cancellationToken) =>
        reply is null ? Unsolicited(message, cancellationToken) : reply.SendMessageAsync(message, cancellationToken);

    /// <summary>Asks the client something on behalf of an agent. The id is the gateway's own, since several agents may use the same.</summary>
    public async Task<JsonRpcMessageWithId> RequestAsync(JsonRpcRequest request, ITransport? reply, CancellationToken cancellationToken)
    {
        if (_pending.Count >= MaxPending)
        {
            throw new RelayException(RelayException.Unavailable, $"The client has {MaxPending} requests of agents unanswered already.");
        }

        var id = new RequestId($"dawn-{Interlocked.Increment(ref _next)}");
        var answer = new TaskCompletionSource<JsonRpcMessageWithId>(TaskCreationOptions.RunContinuationsAsynchronously);
        _pending[id] = answer;
        try
        {
            await SendAsync(new JsonRpcRequest { Id = id, Method = request.Method, Params = request.Params }, reply, cancellationToken);
            return await answer.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The client may still show a form to a person: tell it that nobody waits any more.
            // The stream of the call may have ended with it, hence on both: who has heard it ignores it the second time.
            await SendAsync(Cancelled(id), null, CancellationToken.None);
            if (reply is not null)
            {
                await SendAsync(Cancelled(id), reply, CancellationToken.None);
            }

            throw;
        }
        finally
        {
            _pending.TryRemove(id, out _);
        }
    }

    private static JsonRpcNotification Cancelled(RequestId id) => new() { Method = NotificationMethods.CancelledNotification, Params = new JsonObject { ["requestId"] = id.ToNode() } };

    public void Complete(JsonRpcMessageWithId answer)
    {
        if (_pending.TryRemove(answer.Id, out var waiting))
        {
            waiting.TrySetResult(answer);
        }
    }
}
