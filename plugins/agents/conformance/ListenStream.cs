using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents.Conformance;

/// <summary>
/// Answers <c>subscriptions/listen</c>, the one way to watch from 2026-07-28 on (SEP-2575): acknowledges what it will send, then sends it, each marked
/// with the id of the request, until the request is cancelled. The SDK's own answer knows nothing of resources.
/// </summary>
internal static class ListenStream
{
    // Every notification only says "look again": of those that a slow client has not taken, the oldest may go.
    private const int MaxPending = 16;

    public static async ValueTask<EmptyResult> ServeAsync(RequestContext<SubscriptionsListenRequestParams> request, Changes changes, CancellationToken cancellationToken)
    {
        var wanted = request.Params.Notifications;
        var granted = new SubscriptionsListenNotifications
        {
            ToolsListChanged = wanted?.ToolsListChanged is true ? true : null,
            PromptsListChanged = wanted?.PromptsListChanged is true ? true : null,
            ResourceSubscriptions = wanted?.ResourceSubscriptions?.Contains(ConformanceResources.Watched) is true ? [ConformanceResources.Watched] : null,
        };
        var pending = Channel.CreateBounded<Change>(new BoundedChannelOptions(MaxPending) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        using var watch = changes.Watch(change =>
        {
            if (Grants(granted, change))
            {
                pending.Writer.TryWrite(change);
            }
        }) ?? throw new McpProtocolException("Too many clients listen already; try again later.", McpErrorCode.InternalError);

        // First what will come: a change between the two waits in the channel.
        await SendAsync(NotificationMethods.SubscriptionsAcknowledgedNotification, new JsonObject { ["notifications"] = JsonSerializer.SerializeToNode(granted, McpJsonUtilities.DefaultOptions) });
        await foreach (var change in pending.Reader.ReadAllAsync(cancellationToken))
        {
            await SendAsync(change.Method, change.Uri is null ? [] : new JsonObject { ["uri"] = change.Uri });
        }

        return new();

        Task SendAsync(string method, JsonObject parameters)
        {
            parameters["_meta"] = new JsonObject
            {
                ["io.modelcontextprotocol/subscriptionId"] = JsonSerializer.SerializeToNode(request.JsonRpcRequest.Id, McpJsonUtilities.DefaultOptions),
            };
            return request.Server.SendMessageAsync(new JsonRpcNotification { Method = method, Params = parameters }, cancellationToken);
        }
    }

    private static bool Grants(SubscriptionsListenNotifications granted, Change change) => change.Method switch
    {
        NotificationMethods.ToolListChangedNotification => granted.ToolsListChanged is true,
        NotificationMethods.PromptListChangedNotification => granted.PromptsListChanged is true,
        _ => granted.ResourceSubscriptions is not null,
    };
}
