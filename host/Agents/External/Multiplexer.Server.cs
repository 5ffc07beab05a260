using System.Text.Json.Nodes;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>The direction from the server to its callers.</summary>
internal sealed partial class Multiplexer
{
    // The newer era deprecates these and the SDK marks their constants; servers of the older era live by them.
    private const string Sampling = "sampling/createMessage";
    private const string Roots = "roots/list";
    private const string RootsChanged = "notifications/roots/list_changed";
    private const string LogMessage = "notifications/message";

    /// <summary>What a server may ask of a caller, and the capability that the caller must have declared.</summary>
    private static readonly Dictionary<string, string> Askable = new(StringComparer.Ordinal)
    {
        [Sampling] = "sampling",
        [RequestMethods.ElicitationCreate] = "elicitation",
        [Roots] = "roots",
    };

    private static readonly (string Capability, string Method)[] ListChanges =
    [
        ("tools", NotificationMethods.ToolListChangedNotification),
        ("prompts", NotificationMethods.PromptListChangedNotification),
        ("resources", NotificationMethods.ResourceListChangedNotification),
    ];

    public void Answered(Pending request, JsonRpcMessageWithId answer)
    {
        var caller = request.Caller!;
        lock (_gate)
        {
            if (!caller.InFlight.Remove(request.CallerId))
            {
                return;
            }

            if (request is { Method: RequestMethods.ResourcesSubscribe, Uri: { } uri } && answer is JsonRpcResponse && caller.Subscriptions.Count < Conversation.MaxSubscriptions)
            {
                caller.Subscriptions.Add(uri);
            }
        }

        if (answer is JsonRpcError error)
        {
            // Clients of the newer era try server/discover first and fall back at -32601; older servers say other things of methods they don't know.
            caller.Tell(request.Method == RequestMethods.ServerDiscover && _hello is { IsPerRequest: false }
                ? JsonRpcErrors.Create(request.CallerId, JsonRpcErrors.MethodNotFound, error.Error.Message)
                : new JsonRpcError { Id = request.CallerId, Error = error.Error });
            return;
        }

        var result = ((JsonRpcResponse)answer).Result;
        if (request.Method == RequestMethods.SubscriptionsListen && (result as JsonObject)?["_meta"] is JsonObject meta && meta.ContainsKey(MetaKeys.SubscriptionId))
        {
            meta[MetaKeys.SubscriptionId] = request.CallerId.ToNode();
        }

        caller.Tell(new JsonRpcResponse { Id = request.CallerId, Result = result });
    }

    public void Asked(Upstream upstream, JsonRpcRequest request)
    {
        Conversation? asked;
        long id = 0;
        lock (_gate)
        {
            asked = CandidateFor(request.Method);
            if (asked is not null)
            {
                id = ++_lastQuestion;
                _questions.Add(id, new(upstream, request.Id, asked, ((request.Params as JsonObject)?["_meta"] as JsonObject)?["progressToken"]?.DeepClone()));
            }
        }

        if (asked is null)
        {
            upstream.TryPost(JsonRpcErrors.Create(request.Id, JsonRpcErrors.MethodNotFound, $"No client that has a request in flight can be asked for {request.Method}."));
            return;
        }

        asked.Tell(new JsonRpcRequest { Id = new RequestId(id), Method = request.Method, Params = request.Params });
    }

    public void Notified(Upstream upstream, JsonRpcNotification notification)
    {
        var parameters = notification.Params as JsonObject;
        if ((parameters?["_meta"] as JsonObject)?[MetaKeys.SubscriptionId] is { } subscription)
        {
            // The newer era's notifications belong to one listener's request each.
            if (NumberOf(subscription) is { } listening && upstream.Find(listening) is { Method: RequestMethods.SubscriptionsListen, Caller: { } listener } request)
            {
                parameters["_meta"]![MetaKeys.SubscriptionId] = request.CallerId.ToNode();
                listener.Tell(notification);
            }

            return;
        }

        switch (notification.Method)
        {
            case NotificationMethods.ProgressNotification:
                if (NumberOf(parameters?["progressToken"]) is { } token && upstream.Find(token) is { Caller: { } caller, ProgressToken: { } original })
                {
                    parameters!["progressToken"] = original.DeepClone();
                    caller.Tell(JsonRpc.Serialize(notification), isDroppable: true);
                }

                break;
            case NotificationMethods.CancelledNotification:
                Withdraw(upstream, parameters);
                break;
            case NotificationMethods.ToolListChangedNotification or NotificationMethods.PromptListChangedNotification or NotificationMethods.ResourceListChangedNotification:
                Broadcast(notification);
                ListChanged?.Invoke();
                break;
            case NotificationMethods.ResourceUpdatedNotification:
                var updated = parameters?["uri"] is JsonValue value && value.TryGetValue(out string? uri) ? uri : "";
                TellAll(notification, one => one.Subscriptions.Contains(updated));
                break;
            default:
                // Logs, and methods Dawn doesn't know: they most likely concern whoever is being served.
                bool anyInFlight;
                lock (_gate)
                {
                    anyInFlight = _conversations.Any(one => one.InFlight.Count > 0);
                }

                TellAll(notification, one => anyInFlight ? one.InFlight.Count > 0 : one.IsInitialized, isDroppable: notification.Method == LogMessage);
                break;
        }
    }

    private void Broadcast(JsonRpcNotification notification) => TellAll(notification, one => one.IsInitialized);

    private void TellAll(JsonRpcNotification notification, Func<Conversation, bool> concerns, bool isDroppable = false)
    {
        Conversation[] all;
        lock (_gate)
        {
            all = [.. _conversations.Where(concerns)];
        }

        if (all.Length > 0)
        {
            var message = JsonRpc.Serialize(notification);
            foreach (var one in all)
            {
                one.Tell(message, isDroppable);
            }
        }
    }

    /// <summary>
    /// Whom the server means: it takes all callers for one client and can't say. That is the caller being served, where several are, the one who
    /// asked last; whoever has nothing in flight is never asked. Called under the lock.
    /// </summary>
    /// <remarks>Roots say what a server may touch, and a shared server has one set of them: only callers of this very node may give them.</remarks>
    private Conversation? CandidateFor(string method) =>
        !Askable.TryGetValue(method, out var capability) ? null :
        _conversations
            .Where(one => one.InFlight.Count > 0 && one.Capabilities.Contains(capability) && (method != Roots || one.Caller.IsLocal))
            .Where(one => _questions.Values.Count(question => question.Asked == one) < Conversation.MaxAsked)
            .MaxBy(one => one.LastRequest);

    private bool MayPass(Conversation from, JsonRpcNotification notification)
    {
        switch (notification.Method)
        {
            case RootsChanged:
                return from.Caller.IsLocal;
            case NotificationMethods.ProgressNotification:
                var token = (notification.Params as JsonObject)?["progressToken"];
                lock (_gate)
                {
                    return _questions.Values.Any(question => question.Asked == from && JsonNode.DeepEquals(question.ProgressToken, token));
                }

            default:
                return true;
        }
    }

    /// <summary>The server doesn't want the answer to its question any more.</summary>
    private void Withdraw(Upstream upstream, JsonObject? parameters)
    {
        if ((parameters?["requestId"]).AsRequestId() is not { } serverId)
        {
            return;
        }

        Conversation asked;
        long id;
        lock (_gate)
        {
            var found = _questions.FirstOrDefault(question => question.Value.Upstream == upstream && question.Value.ServerId.Equals(serverId));
            if (found.Value is null)
            {
                return;
            }

            (id, asked) = (found.Key, found.Value.Asked);
            _questions.Remove(id);
        }

        parameters!["requestId"] = id;
        asked.Tell(new JsonRpcNotification { Method = NotificationMethods.CancelledNotification, Params = parameters });
    }

    /// <summary>
    /// Counts subscriptions: the answer where the server need not be asked since others subscribe to the same; null where it must. Called under the lock.
    /// </summary>
    private JsonRpcMessage? AnswerSubscription(Conversation from, JsonRpcRequest request, string uri)
    {
        var others = _conversations.Any(one => one != from && one.Subscriptions.Contains(uri));
        if (request.Method == RequestMethods.ResourcesUnsubscribe)
        {
            // Taken off at once: who subscribes while the server is being told must tell it anew.
            from.Subscriptions.Remove(uri);
        }
        else if (from.Subscriptions.Count >= Conversation.MaxSubscriptions)
        {
            return JsonRpcErrors.Create(request.Id, JsonRpcErrors.Unavailable, $"You have {Conversation.MaxSubscriptions} subscriptions, the most a conversation may have.", JsonRpcErrors.NotExecuted);
        }
        else if (others)
        {
            from.Subscriptions.Add(uri);
        }

        return others ? new JsonRpcResponse { Id = request.Id, Result = new JsonObject() } : null;
    }

    private static long? NumberOf(JsonNode? node) =>
        node is not JsonValue value ? null :
        value.TryGetValue(out long number) ? number :
        value.TryGetValue(out string? text) && long.TryParse(text, out var parsed) ? parsed : null;
}
