using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Telemetry;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>One client of the gateway: takes its messages, whatever they came on, answers each request once, and cancels what the client gives up.</summary>
internal abstract partial class ClientRelay(ClientConnection client, GatewayMetrics metrics, TimeProvider time, ILogger logger) : ILegPeer, IAsyncDisposable
{
    // Requests of one client in flight: each may hold a message of its own size.
    private const int MaxRunning = 512;

    private readonly ConcurrentDictionary<RequestId, CancellationTokenSource> _running = new();
    private readonly CancellationTokenSource _ended = new();
    private int _disposed;

    public ClientConnection Client => client;

    /// <summary>Takes one message and returns when it is dealt with, so callers don't wait for it before they hand over the next.</summary>
    /// <param name="reply">The stream that belongs to the message; null where the client has one for everything.</param>
    /// <param name="aborted">Cancelled when the client has gone away from this very request.</param>
    public async Task HandleAsync(JsonRpcMessage message, ITransport? reply, CancellationToken aborted)
    {
        switch (message)
        {
            case JsonRpcRequest request:
                await AnswerAsync(request, reply, aborted);
                break;

            case JsonRpcNotification { Method: NotificationMethods.CancelledNotification } cancelled:
                if (cancelled.Params is JsonObject parameters && McpJson.IsSound(parameters) && parameters["requestId"].AsRequestId() is { } id && _running.TryGetValue(id, out var running))
                {
                    await CancelAsync(running);
                }

                break;

            case JsonRpcNotification notification:
                try
                {
                    await TakeAsync(notification, _ended.Token);
                }
                catch (Exception e) when (e is RelayException or OperationCanceledException or ObjectDisposedException or ArgumentException or InvalidOperationException)
                {
                    // Notifications have no answer that could say so; the last two are what odd JSON throws.
                    LogNotificationLost(notification.Method, e);
                }

                break;

            case JsonRpcMessageWithId answer:
                client.Complete(answer);
                break;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            await _ended.CancelAsync();
            await CloseAsync();
        }
    }

    public abstract Task OnNotificationAsync(Leg leg, JsonRpcNotification notification, Exchange? exchange, CancellationToken cancellationToken);

    public abstract Task<JsonRpcMessageWithId> OnRequestAsync(Leg leg, JsonRpcRequest request, Exchange? exchange, CancellationToken cancellationToken);

    /// <summary>Answers a request; the answer's id is of no matter.</summary>
    /// <exception cref="RelayException">The answer is this error.</exception>
    protected abstract Task<JsonRpcMessageWithId> RespondAsync(JsonRpcRequest request, Exchange exchange, CancellationToken cancellationToken);

    protected abstract Task TakeAsync(JsonRpcNotification notification, CancellationToken cancellationToken);

    protected abstract ValueTask CloseAsync();

    private async Task AnswerAsync(JsonRpcRequest request, ITransport? reply, CancellationToken aborted)
    {
        var started = time.GetTimestamp();
        using var span = Tracing.StartGatewayRequest(request, isHttp: reply is not null);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(aborted, _ended.Token);
        JsonRpcMessageWithId answer;
        if (_running.Count >= MaxRunning)
        {
            answer = RelayException.Error(request.Id, RelayException.Unavailable, $"{MaxRunning} requests of this client are unanswered already.", Outcome.NotExecuted);
        }
        else if (!_running.TryAdd(request.Id, cancellation))
        {
            answer = RelayException.Error(request.Id, RelayException.InvalidRequest, $"A request with the id {request.Id} is unanswered already.", Outcome.NotExecuted);
        }
        else
        {
            try
            {
                answer = await RespondAsync(request, Exchange.Of(request, reply), cancellation.Token) switch
                {
                    JsonRpcResponse response => new JsonRpcResponse { Id = request.Id, Result = response.Result },
                    JsonRpcError error => new JsonRpcError { Id = request.Id, Error = error.Error },
                    var other => throw new InvalidOperationException($"{other.GetType().Name} is no answer."),
                };
            }
            catch (OperationCanceledException) when (cancellation.IsCancellationRequested && !_ended.IsCancellationRequested)
            {
                // A cancelled request has no answer; its stream ends without one.
                metrics.Request(request.Method, "cancelled", time.GetElapsedTime(started));
                span?.SetFailed("cancelled");
                if (reply is not null)
                {
                    await reply.DisposeAsync();
                }

                return;
            }
            catch (RelayException e)
            {
                LogFailed(request.Method, e.Message);
                answer = e.ToError(request.Id);
            }
            catch (Exception e) when (_ended.IsCancellationRequested)
            {
                answer = new RelayException(RelayException.Unavailable, "The gateway ended this conversation.", Outcome.Unknown, e).ToError(request.Id);
            }
            catch (ArgumentException e)
            {
                // A key that is there twice: JSON that client, gateway and agent may each read in another way.
                answer = new RelayException(RelayException.InvalidRequest, $"The message can't be passed on: {e.Message}", Outcome.Unknown, e).ToError(request.Id);
            }
            catch (Exception e)
            {
                // The client's own boundary: whatever went wrong, it gets an answer, and the log the reason.
                LogBroken(request.Method, e);
                answer = new RelayException(RelayException.Unavailable, e.Message, Outcome.Unknown, e).ToError(request.Id);
            }
            finally
            {
                _running.TryRemove(request.Id, out _);
            }
        }

        metrics.Request(request.Method, answer is JsonRpcError ? "error" : "done", time.GetElapsedTime(started));
        span?.SetOutcome(answer);
        try
        {
            await client.SendAsync(answer, reply, aborted);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // Whoever asked has gone.
            LogNotificationLost(request.Method, e);
        }
    }

    private static async Task CancelAsync(CancellationTokenSource running)
    {
        try
        {
            await running.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It was answered just now.
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Method} failed: {Cause}")]
    private partial void LogFailed(string method, string cause);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} broke the gateway's expectations")]
    private partial void LogBroken(string method, Exception exception);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Method} reached nobody")]
    private partial void LogNotificationLost(string method, Exception exception);
}
