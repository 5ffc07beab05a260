using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>
/// Many callers' conversations with one server, which takes them for one client. Requests are relayed as they are but for their ids and
/// progress tokens; the conversations outlive the server's restarts.
/// </summary>
internal sealed partial class Multiplexer : IUpstreamEvents
{
    private readonly Lock _gate = new();
    private readonly List<Conversation> _conversations = [];
    private readonly Dictionary<long, Question> _questions = [];
    private Upstream? _upstream;
    private ServerHello? _hello;
    private string _problem = "it is starting";
    private long _clock;
    private long _lastQuestion;

    /// <summary>Raised when the server says that one of its lists changed.</summary>
    public event Action? ListChanged;

    /// <summary>From now on this life of the server answers.</summary>
    public void Attach(Upstream upstream, ServerHello hello)
    {
        string[] subscribed;
        lock (_gate)
        {
            (_upstream, _hello) = (upstream, hello);
            subscribed = [.. _conversations.SelectMany(one => one.Subscriptions).Distinct()];
        }

        // Whoever talked to an earlier life can't know what this one offers, and this one not who subscribed to what.
        foreach (var (capability, method) in ListChanges)
        {
            if (hello.Offers(capability))
            {
                Broadcast(new JsonRpcNotification { Method = method });
            }
        }

        foreach (var uri in subscribed)
        {
            var request = new Pending(RequestMethods.ResourcesSubscribe, null, default, null);
            if (upstream.TryRegister(request))
            {
                upstream.TryPost(new JsonRpcRequest { Id = new RequestId(request.Id), Method = request.Method, Params = new JsonObject { ["uri"] = uri } });
            }
        }
    }

    /// <summary>That life is over: whoever awaits an answer is told what can be known of it.</summary>
    public void Detach(Upstream upstream, string problem)
    {
        lock (_gate)
        {
            _problem = problem;
            if (_upstream == upstream)
            {
                _upstream = null;
            }
        }

        foreach (var request in upstream.End())
        {
            var conversation = request.Caller!;
            lock (_gate)
            {
                if (!conversation.InFlight.Remove(request.CallerId))
                {
                    continue;
                }
            }

            conversation.Tell(JsonRpcErrors.Create(
                request.CallerId, JsonRpcErrors.Unavailable,
                $"The agent went away in mid-call: {problem}", request.IsSent ? JsonRpcErrors.OutcomeUnknown : JsonRpcErrors.NotExecuted));
        }

        KeyValuePair<long, Question>[] questions;
        lock (_gate)
        {
            questions = [.. _questions.Where(question => question.Value.Upstream == upstream)];
            foreach (var (id, _) in questions)
            {
                _questions.Remove(id);
            }
        }

        foreach (var (id, question) in questions)
        {
            question.Asked.Tell(new JsonRpcNotification
            {
                Method = NotificationMethods.CancelledNotification,
                Params = new JsonObject { ["requestId"] = id, ["reason"] = "The agent that asked went away." },
            });
        }
    }

    /// <summary>Serves a caller until it closes its channel.</summary>
    public async Task ServeAsync(MeshChannel channel, Caller caller, CancellationToken cancellationToken)
    {
        var conversation = new Conversation(channel, caller);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, conversation.Failed);
        lock (_gate)
        {
            _conversations.Add(conversation);
        }

        var sending = conversation.SendAsync(ended.Token);
        try
        {
            while (await channel.ReceiveAsync(ended.Token) is { } buffer)
            {
                JsonRpcMessage message;
                using (buffer)
                {
                    message = JsonRpc.Deserialize(buffer.Span);
                }

                await FromCallerAsync(conversation, message, ended.Token);
            }
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            throw new MeshException(MeshError.Protocol, "The caller sent something that is not one JSON-RPC message: " + e.Message, e);
        }
        catch (OperationCanceledException) when (conversation.Failure is not null)
        {
            throw conversation.Failure;
        }
        finally
        {
            Leave(conversation);
            conversation.Complete();
            await ended.CancelAsync();
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async ValueTask FromCallerAsync(Conversation from, JsonRpcMessage message, CancellationToken cancellationToken)
    {
        switch (message)
        {
            case JsonRpcRequest { Method: RequestMethods.Initialize } request:
                Initialize(from, request);
                break;
            case JsonRpcRequest { Method: RequestMethods.Ping } request:
                from.Tell(new JsonRpcResponse { Id = request.Id, Result = new JsonObject() });
                break;
            case JsonRpcRequest request:
                await RelayAsync(from, request, cancellationToken);
                break;
            case JsonRpcNotification { Method: NotificationMethods.InitializedNotification }:
                break;
            case JsonRpcNotification { Method: NotificationMethods.CancelledNotification } cancelled:
                await CancelAsync(from, cancelled, cancellationToken);
                break;
            case JsonRpcNotification notification when MayPass(from, notification):
                await PostAsync(notification, cancellationToken);
                break;
            case JsonRpcMessageWithId answer and not JsonRpcRequest:
                await AnswerAsync(from, answer, cancellationToken);
                break;
        }
    }

    private void Initialize(Conversation from, JsonRpcRequest request)
    {
        JsonNode? result;
        lock (_gate)
        {
            result = _upstream is not null && _hello is { IsPerRequest: false } hello ? hello.Result.DeepClone() : null;
            from.IsInitialized = result is not null;
            from.Capabilities.Clear();
            if ((request.Params as JsonObject)?["capabilities"] is JsonObject capabilities)
            {
                from.Capabilities.UnionWith(capabilities.Select(one => one.Key).Where(Askable.ContainsValue));
            }
        }

        from.Tell(result is not null
            ? new JsonRpcResponse { Id = request.Id, Result = result }
            : _upstream is null
                ? NotRunning(request.Id)
                : JsonRpcErrors.Create(request.Id, JsonRpcErrors.MethodNotFound, "This agent knows no initialize; it speaks MCP 2026-07-28, where requests carry their version."));
    }

    private async ValueTask RelayAsync(Conversation from, JsonRpcRequest request, CancellationToken cancellationToken)
    {
        var parameters = request.Params as JsonObject;
        var meta = parameters?["_meta"] as JsonObject;
        var uri = request.Method is RequestMethods.ResourcesSubscribe or RequestMethods.ResourcesUnsubscribe
            && parameters?["uri"] is JsonValue value && value.TryGetValue(out string? text) ? text : null;
        var pending = new Pending(request.Method, from, request.Id, meta?["progressToken"]?.DeepClone()) { Uri = uri };
        Upstream? upstream;
        JsonRpcMessage? answer = null;
        lock (_gate)
        {
            upstream = _upstream;
            if (upstream is null)
            {
                answer = NotRunning(request.Id);
            }
            else if (from.InFlight.Count >= Conversation.MaxInFlight)
            {
                answer = JsonRpcErrors.Create(request.Id, JsonRpcErrors.Unavailable, $"You have {Conversation.MaxInFlight} requests in flight, the most a conversation may have.", JsonRpcErrors.NotExecuted);
            }
            else if (from.InFlight.ContainsKey(request.Id))
            {
                answer = JsonRpcErrors.Create(request.Id, JsonRpcErrors.InvalidRequest, $"A request with the id {request.Id} is in flight already.", JsonRpcErrors.NotExecuted);
            }
            else if (uri is not null && AnswerSubscription(from, request, uri) is { } known)
            {
                answer = known;
            }
            else if (!upstream.TryRegister(pending))
            {
                answer = NotRunning(request.Id);
            }
            else
            {
                from.InFlight.Add(request.Id, pending.Id);
                from.LastRequest = ++_clock;
            }
        }

        if (answer is not null)
        {
            from.Tell(answer);
            return;
        }

        if (pending.ProgressToken is not null)
        {
            meta!["progressToken"] = pending.Id;
        }

        try
        {
            await upstream!.PostAsync(new JsonRpcRequest { Id = new RequestId(pending.Id), Method = request.Method, Params = request.Params }, pending, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            // The server ended meanwhile, and whoever ended it has answered this request too.
        }
    }

    private async ValueTask CancelAsync(Conversation from, JsonRpcNotification cancelled, CancellationToken cancellationToken)
    {
        if (cancelled.Params is not JsonObject parameters || parameters["requestId"].AsRequestId() is not { } id)
        {
            return;
        }

        long known;
        Upstream? upstream;
        lock (_gate)
        {
            upstream = _upstream;
            if (!from.InFlight.Remove(id, out known))
            {
                return;
            }
        }

        // MCP has neither side wait for an answer any more; one that comes all the same finds nobody.
        if (upstream?.Forget(known) == true)
        {
            parameters["requestId"] = known;
            await PostAsync(cancelled, cancellationToken);
        }
    }

    private async ValueTask AnswerAsync(Conversation from, JsonRpcMessageWithId answer, CancellationToken cancellationToken)
    {
        Question? question;
        lock (_gate)
        {
            if (answer.Id.Id is not long id || !_questions.TryGetValue(id, out question) || question.Asked != from)
            {
                return;
            }

            _questions.Remove(id);
        }

        JsonRpcMessage restored = answer is JsonRpcError error
            ? new JsonRpcError { Id = question.ServerId, Error = error.Error }
            : new JsonRpcResponse { Id = question.ServerId, Result = ((JsonRpcResponse)answer).Result };
        try
        {
            await question.Upstream.PostAsync(restored, null, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            // The server that asked is gone.
        }
    }

    private async ValueTask PostAsync(JsonRpcMessage message, CancellationToken cancellationToken)
    {
        Upstream? upstream;
        lock (_gate)
        {
            upstream = _upstream;
        }

        try
        {
            if (upstream is not null)
            {
                await upstream.PostAsync(message, null, cancellationToken);
            }
        }
        catch (ChannelClosedException)
        {
            // Notifications to a server that is gone concern nobody.
        }
    }

    private void Leave(Conversation conversation)
    {
        Upstream? upstream;
        long[] outstanding;
        string[] orphaned;
        Question[] unanswered;
        lock (_gate)
        {
            _conversations.Remove(conversation);
            upstream = _upstream;
            outstanding = [.. conversation.InFlight.Values];
            conversation.InFlight.Clear();
            orphaned = [.. conversation.Subscriptions.Where(uri => !_conversations.Any(other => other.Subscriptions.Contains(uri)))];
            var asked = _questions.Where(question => question.Value.Asked == conversation).ToArray();
            unanswered = [.. asked.Select(question => question.Value)];
            foreach (var (id, _) in asked)
            {
                _questions.Remove(id);
            }
        }

        foreach (var id in outstanding)
        {
            upstream?.Abandon(id, "The caller went away.");
        }

        foreach (var question in unanswered)
        {
            question.Upstream.TryPost(JsonRpcErrors.Create(question.ServerId, JsonRpcErrors.Unavailable, "The client that was asked went away."));
        }

        foreach (var uri in orphaned)
        {
            var request = new Pending(RequestMethods.ResourcesUnsubscribe, null, default, null);
            if (upstream?.TryRegister(request) == true)
            {
                upstream.TryPost(new JsonRpcRequest { Id = new RequestId(request.Id), Method = request.Method, Params = new JsonObject { ["uri"] = uri } });
            }
        }
    }

    private JsonRpcError NotRunning(RequestId id) =>
        JsonRpcErrors.Create(id, JsonRpcErrors.Unavailable, $"The agent is not running: {_problem}", JsonRpcErrors.NotExecuted);

    /// <summary>What the server asked a caller.</summary>
    private sealed record Question(Upstream Upstream, RequestId ServerId, Conversation Asked, JsonNode? ProgressToken);
}
