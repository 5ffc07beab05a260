using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Sessions;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Node;

/// <summary>One caller's conversation with the agent <c>node</c>.</summary>
/// <param name="refuse">Null for an owner; else why the admin tools are not for this caller. Asked each time: who is an owner may change.</param>
internal sealed partial class NodeConversation(INodeView view, NodeTools tools, NodeResources resources, Func<string?> refuse, TimeProvider time, ILogger logger)
{
    // A client needs one list of subscriptions, or two while it replaces one.
    private const int MaxListens = 8;

    // Facts may change hundreds of times a second while a network heals; a person reads no faster than this.
    private static readonly TimeSpan NotificationGap = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, McpServer> _subscribed = new(StringComparer.Ordinal);
    private readonly List<Listen> _listens = [];
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private int _changed;

    private bool IsOwner => refuse() is null;

    public async Task RunAsync(ITransport transport, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // Without the SDK's own log: it takes a caller's mistake, or a refusal, for an error of the server.
        await using var server = McpServer.Create(transport, Options());
        view.Changed += OnChanged;
        var notifying = NotifyAsync(ended.Token);
        try
        {
            await server.RunAsync(cancellationToken);
        }
        finally
        {
            view.Changed -= OnChanged;
            await ended.CancelAsync();
            await notifying;
        }
    }

    private McpServerOptions Options()
    {
        var options = new McpServerOptions
        {
            ServerInfo = new() { Name = AgentId.Node, Title = "Dawn node", Version = view.Identity.Version },
            ServerInstructions = "A node of a Dawn network: what it knows of its agents, peers and links" + (IsOwner ? ", and its administration." : "."),
            Capabilities = new() { Tools = new(), Resources = new() { Subscribe = true } },
            ToolCollection = [],
            Handlers = new()
            {
                ListResourcesHandler = (_, _) => new(new ListResourcesResult { Resources = [.. NodeResources.List(IsOwner)] }),
                ReadResourceHandler = (request, _) => new(resources.Read(Known(request.Params?.Uri))),
                SubscribeToResourcesHandler = Subscribe,
                UnsubscribeFromResourcesHandler = Unsubscribe,
                SubscriptionsListenHandler = ListenAsync,
            },
        };
        foreach (var tool in IsOwner ? tools.Reading.Concat(tools.Admin) : tools.Reading)
        {
            options.ToolCollection.Add(tool);
        }

        options.Filters.Request.CallToolFilters.Add(Guard);
        return options;
    }

    /// <summary>Refuses admin tools in words, though they are not even listed, and tells an owner in words why an action failed.</summary>
    private McpRequestHandler<CallToolRequestParams, CallToolResult> Guard(McpRequestHandler<CallToolRequestParams, CallToolResult> next) => async (request, cancellationToken) =>
    {
        var name = request.Params?.Name ?? "";
        if (tools.AdminNames.Contains(name) && refuse() is { } refusal)
        {
            return Error(refusal);
        }

        try
        {
            return await next(request, cancellationToken);
        }
        catch (Exception e) when (Cause(e) is MeshException or LinkDialException or ArgumentException or InvalidOperationException or IOException or TimeoutException or JsonException)
        {
            return Error(Cause(e).Message.ReplaceLineEndings(" "));
        }
        catch (Exception e) when (e is not (McpException or OperationCanceledException))
        {
            LogFailed(e, name);
            return Error($"{name} failed with {Cause(e).GetType().Name}; 'dawn logs' of the node tells more.");
        }
    };

    private static Exception Cause(Exception e) => e is TargetInvocationException { InnerException: { } inner } ? inner : e;

    private static CallToolResult Error(string text) => new() { IsError = true, Content = [new TextContentBlock { Text = text }] };

    /// <exception cref="McpProtocolException">There is no such resource, or not for this caller.</exception>
    private string Known(string? uri)
    {
        if (uri is not null && NodeResources.FactsOf(uri, IsOwner) != NodeFacts.None)
        {
            return uri;
        }

        throw uri is not null && NodeResources.IsAdmin(uri) && refuse() is { } refusal
            ? new McpProtocolException(refusal, McpErrorCode.InvalidRequest)
            : new McpProtocolException($"The node has no resource '{uri}'; resources/list names those it has.", McpErrorCode.ResourceNotFound);
    }

    private ValueTask<EmptyResult> Subscribe(RequestContext<SubscribeRequestParams> request, CancellationToken cancellationToken)
    {
        var uri = Known(request.Params?.Uri);
        lock (_lock)
        {
            _subscribed[uri] = request.Server;
        }

        return new(new EmptyResult());
    }

    private ValueTask<EmptyResult> Unsubscribe(RequestContext<UnsubscribeRequestParams> request, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _subscribed.Remove(request.Params?.Uri ?? "");
        }

        return new(new EmptyResult());
    }

    /// <summary><c>subscriptions/listen</c> of 2026-07-28: acknowledges what it will tell of, then tells until it is cancelled.</summary>
    private async ValueTask<EmptyResult> ListenAsync(RequestContext<SubscriptionsListenRequestParams> request, CancellationToken cancellationToken)
    {
        var wanted = request.Params?.Notifications?.ResourceSubscriptions ?? [];
        var id = request.JsonRpcRequest.Id.ToNode();
        var listen = new Listen([.. wanted.Where(u => NodeResources.FactsOf(u, IsOwner) != NodeFacts.None).Distinct()], request.Server, id!);
        lock (_lock)
        {
            if (_listens.Count >= MaxListens)
            {
                throw new McpProtocolException($"A conversation has at most {MaxListens} listening requests; cancel one first.", McpErrorCode.InvalidRequest);
            }

            _listens.Add(listen);
        }

        try
        {
            await listen.SendAsync(NotificationMethods.SubscriptionsAcknowledgedNotification, new()
            {
                // Its lists never change while a conversation lasts, so only updates are granted.
                ["notifications"] = new JsonObject { ["resourceSubscriptions"] = new JsonArray([.. listen.Uris.Select(u => JsonValue.Create(u))]) },
            }, cancellationToken);
            await Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken);
            return new();
        }
        finally
        {
            lock (_lock)
            {
                _listens.Remove(listen);
            }
        }
    }

    private void OnChanged(NodeFacts facts)
    {
        Interlocked.Or(ref _changed, (int)facts);
        _wake.Writer.TryWrite(true);
    }

    private async Task NotifyAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var _ in _wake.Reader.ReadAllAsync(cancellationToken))
            {
                var facts = (NodeFacts)Interlocked.Exchange(ref _changed, 0);
                List<(string Uri, McpServer Server)> subscribed;
                List<Listen> listens;
                lock (_lock)
                {
                    subscribed = [.. _subscribed.Select(s => (s.Key, s.Value))];
                    listens = [.. _listens];
                }

                foreach (var (uri, server) in subscribed.Where(s => facts.HasFlag(NodeResources.FactsOf(s.Uri, IsOwner))))
                {
                    await server.SendMessageAsync(new JsonRpcNotification { Method = NotificationMethods.ResourceUpdatedNotification, Params = new JsonObject { ["uri"] = uri } }, cancellationToken);
                }

                foreach (var listen in listens)
                {
                    foreach (var uri in listen.Uris.Where(u => facts.HasFlag(NodeResources.FactsOf(u, IsOwner))))
                    {
                        await listen.SendAsync(NotificationMethods.ResourceUpdatedNotification, new() { ["uri"] = uri }, cancellationToken);
                    }
                }

                await Task.Delay(NotificationGap, time, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // The conversation is over.
        }
        catch (Exception e) when (e is MeshException or InvalidOperationException or IOException or ObjectDisposedException)
        {
            LogUnnotified(e.Message);
        }
    }

    [LoggerMessage(LogLevel.Error, "The tool {Tool} of the node failed")]
    private partial void LogFailed(Exception e, string tool);

    [LoggerMessage(LogLevel.Debug, "A subscriber can't be told of changes any more: {Reason}")]
    private partial void LogUnnotified(string reason);

    private sealed record Listen(IReadOnlyList<string> Uris, McpServer Server, JsonNode Id)
    {
        public Task SendAsync(string method, JsonObject parameters, CancellationToken cancellationToken)
        {
            parameters["_meta"] = new JsonObject { [MetaKeys.SubscriptionId] = Id.DeepClone() };
            return Server.SendMessageAsync(new JsonRpcNotification { Method = method, Params = parameters }, cancellationToken);
        }
    }
}
