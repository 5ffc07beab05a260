using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;

namespace Dawn.Gateway;

/// <summary>The gateway's end of one conversation with an agent: a channel, and which answer belongs to which request.</summary>
/// <remarks>Messages pass as they are; only ids are the gateway's own, because clients and agents both choose theirs freely.</remarks>
internal sealed partial class Leg : IAsyncDisposable
{
    // Requests in flight: far beyond what a client does, and what a flood may cost in memory.
    private const int MaxPending = 1024;

    // Requests of the agent being answered at once; more are refused.
    private const int MaxAgentRequests = 64;

    // A cancellation is a courtesy: whoever can't take it soon is cancelled by the end of the channel.
    private static readonly TimeSpan CourtesyTimeout = TimeSpan.FromSeconds(5);

    private readonly MeshChannel _channel;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Action _closed;
    private readonly CancellationTokenSource _ended = new();
    private readonly ConcurrentDictionary<long, PendingCall> _pending = new();
    private readonly ConcurrentDictionary<RequestId, AgentRequest> _answering = new();
    private readonly Task _reading;
    private long _lastId;
    private int _disposed;
    private bool _heard;
    private volatile MeshException? _broken;
    private volatile ILegPeer? _peer;

    public Leg(AgentAddress agent, MeshChannel channel, ILegPeer? peer, Action closed, TimeProvider time, ILogger logger)
    {
        (Agent, _channel, _peer, _closed, _time, _logger) = (agent, channel, peer, closed, time, logger);
        _reading = ReadAsync();
    }

    public AgentAddress Agent { get; }

    /// <summary>False once the channel ended.</summary>
    public bool IsAlive => _broken is null && !_ended.IsCancellationRequested;

    /// <summary>True where neither end waits for the other.</summary>
    public bool IsIdle => IsAlive && _pending.IsEmpty && _answering.IsEmpty;

    /// <summary>Who takes what the agent sends; null while the leg belongs to nobody.</summary>
    public ILegPeer? Peer
    {
        get => _peer;
        set => _peer = value;
    }

    /// <summary>Sends a request and waits for its answer, however long the agent takes while the leg lives.</summary>
    /// <returns>The agent's answer, under the leg's own id.</returns>
    /// <exception cref="RelayException">The leg broke; its outcome says whether the request may have been executed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the agent was told.</exception>
    public async Task<JsonRpcMessageWithId> CallAsync(string method, JsonNode? parameters, Exchange? exchange, CancellationToken cancellationToken)
    {
        if (_pending.Count >= MaxPending)
        {
            throw new RelayException(RelayException.Unavailable, $"{MaxPending} requests to {Agent} are unanswered already.", Outcome.NotExecuted);
        }

        var id = Interlocked.Increment(ref _lastId);
        var pending = new PendingCall(exchange);
        _pending[id] = pending;
        try
        {
            // A leg that broke before this line has failed what was pending then, and not this.
            if (_broken is { } broken)
            {
                throw broken;
            }

            await SendAsync(new JsonRpcRequest { Id = new(id), Method = method, Params = parameters }, pending).WaitAsync(cancellationToken);
            return await pending.Answer.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await CancelAsync(id, method, exchange);
            throw;
        }
        catch (MeshException e)
        {
            throw RelayException.From(e, OutcomeOf(pending, e));
        }
        finally
        {
            _pending.TryRemove(id, out _);
        }
    }

    public async Task NotifyAsync(string method, JsonNode? parameters, CancellationToken cancellationToken)
    {
        try
        {
            await SendAsync(new JsonRpcNotification { Method = method, Params = parameters }, null).WaitAsync(cancellationToken);
        }
        catch (MeshException e)
        {
            throw RelayException.From(e, Outcome.Unknown);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _ended.CancelAsync();
        await _channel.CloseAsync();
        await _reading;
        _closed();
    }

    // A message goes out whole or not at all, so nothing but the end of the leg interrupts it.
    private async Task SendAsync(JsonRpcMessage message, PendingCall? pending)
    {
        var utf8 = JsonRpc.Serialize(message);
        if (utf8.Length > MeshChannel.MaxMessage)
        {
            throw new RelayException(RelayException.InvalidRequest, $"The message has {utf8.Length} bytes; at most {MeshChannel.MaxMessage} can travel.", Outcome.NotExecuted);
        }

        try
        {
            var number = await _channel.SendAsync(utf8, _ended.Token);
            if (pending is not null)
            {
                pending.Number = number;
            }
        }
        catch (OperationCanceledException e)
        {
            throw _broken ?? new MeshException(MeshError.None, "The conversation with the agent was closed.", e);
        }
    }

    private async Task CancelAsync(long id, string method, Exchange? exchange)
    {
        // What the agent asked for this call's sake need not be answered any more, though not every agent says so.
        foreach (var (_, answering) in _answering)
        {
            if (exchange is not null && ReferenceEquals(answering.Exchange, exchange))
            {
                await answering.CancelAsync();
            }
        }

        // "The initialize request MUST NOT be cancelled" (MCP 2025-11-25, Cancellation).
        if (method == RequestMethods.Initialize || !IsAlive)
        {
            return;
        }

        using var courtesy = new CancellationTokenSource(CourtesyTimeout, _time);
        try
        {
            await NotifyAsync(NotificationMethods.CancelledNotification, new JsonObject { ["requestId"] = id }, courtesy.Token);
        }
        catch (Exception e) when (e is RelayException or OperationCanceledException)
        {
            // The agent is gone, or doesn't read: it learns from the end of the channel.
        }
    }

    private Outcome OutcomeOf(PendingCall pending, MeshException e) =>
        pending.Number is not { } number || !_channel.WasTransmitted(number) || (!_heard && e.Error is MeshError.UnknownAgent or MeshError.Refused or MeshError.AgentUnavailable)
            ? Outcome.NotExecuted
            : Outcome.Unknown;

    private async Task ReadAsync()
    {
        // The constructor must not run an agent's messages.
        await Task.Yield();
        var cause = new MeshException(MeshError.None, $"{Agent} closed the conversation.");
        try
        {
            while (await _channel.ReceiveAsync(_ended.Token) is { } buffer)
            {
                JsonRpcMessage message;
                using (buffer)
                {
                    message = JsonRpc.Deserialize(buffer.Span);
                }

                _heard = true;
                await TakeAsync(message);
            }
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            cause = new(MeshError.None, "The conversation with the agent was closed.");
        }
        catch (MeshException e)
        {
            cause = e;
        }
        catch (Exception e)
        {
            // Doubled keys and the like show only when a field is looked at. Whatever it is, nobody may wait on a leg that reads no more.
            cause = new(MeshError.Protocol, $"{Agent} sent something that is not MCP: {e.Message}", e);
            await _channel.CloseAsync(MeshError.Protocol, e.Message);
        }

        _broken = cause;
        LogEnded(Agent, cause.Message);
        await _ended.CancelAsync();
        foreach (var (_, pending) in _pending)
        {
            pending.Answer.TrySetException(cause);
        }
    }

    private async Task TakeAsync(JsonRpcMessage message)
    {
        switch (message)
        {
            case JsonRpcRequest request:
                var answering = new AgentRequest(ExchangeOf(null), CancellationTokenSource.CreateLinkedTokenSource(_ended.Token));
                if (_answering.Count >= MaxAgentRequests || !_answering.TryAdd(request.Id, answering))
                {
                    answering.Cancellation.Dispose();
                    await SendAsync(RelayException.Error(request.Id, RelayException.Unavailable, "The client has too many requests unanswered already, or one of this id."), null);
                    return;
                }

                _ = AnswerAsync(request, answering);
                return;

            case JsonRpcMessageWithId answer:
                if (answer.Id.Id is long id && _pending.TryGetValue(id, out var waiting))
                {
                    RestoreSubscription((answer as JsonRpcResponse)?.Result, id, waiting.Exchange);
                    waiting.Answer.TrySetResult(answer);
                }

                return;

            case JsonRpcNotification { Method: NotificationMethods.CancelledNotification } cancelled when AnsweringOf(cancelled.Params) is { } withdrawn:
                // The client knows the request under another id, and is told by whoever waits for its answer.
                withdrawn.IsWithdrawn = true;
                await withdrawn.CancelAsync();
                return;

            case JsonRpcNotification notification:
                var exchange = ExchangeOf(notification.Params);
                if (_peer is { } peer)
                {
                    try
                    {
                        await peer.OnNotificationAsync(this, notification, exchange, _ended.Token);
                    }
                    catch (Exception e) when (e is not OperationCanceledException || !_ended.IsCancellationRequested)
                    {
                        // The client may be gone; the conversation with the agent goes on.
                        LogNotificationLost(Agent, notification.Method, e);
                    }
                }

                return;
        }
    }

    private async Task AnswerAsync(JsonRpcRequest request, AgentRequest answering)
    {
        var cancelled = answering.Cancellation.Token;
        JsonRpcMessageWithId answer;
        try
        {
            if (_peer is not { } peer)
            {
                throw new RelayException(RelayException.Unavailable, "There is no client to ask.");
            }

            answer = await peer.OnRequestAsync(this, request, answering.Exchange, cancelled) switch
            {
                JsonRpcResponse response => new JsonRpcResponse { Id = request.Id, Result = response.Result },
                JsonRpcError error => new JsonRpcError { Id = request.Id, Error = error.Error },
                var other => throw new InvalidOperationException($"{other.GetType().Name} is no answer."),
            };
        }
        catch (RelayException e)
        {
            answer = e.ToError(request.Id);
        }
        catch (Exception e)
        {
            answer = RelayException.Error(request.Id, RelayException.Unavailable, $"The client can't be asked: {e.Message}");
        }

        _answering.TryRemove(request.Id, out _);
        try
        {
            // A request that its sender cancelled has no answer.
            if (!answering.IsWithdrawn)
            {
                await SendAsync(answer, null);
            }
        }
        catch (Exception e) when (e is MeshException or RelayException)
        {
            LogNotificationLost(Agent, request.Method, e);
        }
        finally
        {
            answering.Cancellation.Dispose();
        }
    }

    private AgentRequest? AnsweringOf(JsonNode? parameters) =>
        _answering.FirstOrDefault(answering => (parameters as JsonObject)?["requestId"].Matches(answering.Key) ?? false).Value;

    // By what the message says it belongs to; else to the newest request, whose stream the client surely reads.
    private Exchange? ExchangeOf(JsonNode? parameters)
    {
        var token = (parameters as JsonObject)?["progressToken"];
        var subscription = parameters.Meta(MetaKeys.SubscriptionId);
        (long Id, Exchange Exchange)? newest = null;
        foreach (var (id, pending) in _pending)
        {
            if (pending.Exchange is not { } exchange)
            {
                continue;
            }

            if (subscription.Matches(new RequestId(id)))
            {
                RestoreSubscription(parameters, id, exchange);
                return exchange;
            }

            if (token is not null && JsonNode.DeepEquals(token, exchange.ProgressToken))
            {
                return exchange;
            }

            newest = newest is { } other && other.Id > id ? other : (id, exchange);
        }

        return newest?.Exchange;
    }

    // A subscription is named by the id of its request (MCP 2026-07-28), which the client knows under its own.
    private static void RestoreSubscription(JsonNode? node, long id, Exchange? exchange)
    {
        if (exchange is not null && node is JsonObject o && o["_meta"] is JsonObject meta && meta[MetaKeys.SubscriptionId].Matches(new RequestId(id)))
        {
            meta[MetaKeys.SubscriptionId] = exchange.Id.ToNode();
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The conversation with {Agent} ended: {Cause}")]
    private partial void LogEnded(AgentAddress agent, string cause);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Method} of {Agent} reached nobody")]
    private partial void LogNotificationLost(AgentAddress agent, string method, Exception exception);
}
