using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Dawn.Agents;
using Dawn.Configuration;
using ModelContextProtocol.Protocol;

namespace Dawn.Telemetry;

/// <summary>Spans of MCP requests, by OpenTelemetry's conventions for MCP, and the W3C trace context in <c>params._meta</c> (SEP-414).</summary>
/// <remarks>While nobody listens to <see cref="Source"/>, nothing is begun, read or written.</remarks>
internal static class Tracing
{
    public const string SourceName = "Dawn";

    private const string TraceParent = "traceparent";
    private const string TraceState = "tracestate";

    // Names come from clients and agents; what they call themselves and their errors must fit into a collector.
    private const int MaxName = 128;
    private const int MaxText = 256;

    public static ActivitySource Source { get; } = new(SourceName, DawnVersion.Text);

    /// <summary>Begins the span of a client's request and makes it current, so that all that is done for the request belongs to it.</summary>
    /// <param name="isHttp">Else the client is at the node's own socket.</param>
    /// <returns>Null where nobody wants one.</returns>
    public static Activity? StartGatewayRequest(JsonRpcRequest request, bool isHttp)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        try
        {
            var sent = ContextOf(request.Params);
            var around = Activity.Current;
            var (parent, link) = sent switch
            {
                _ when !IsObserved(around) => (sent == default ? SentTo(around) : sent, null),
                _ when sent == default || sent.TraceId == around!.TraceId => (around!.Context, null),
                // The message says whose call this is, and HTTP only who carried it.
                _ => (sent, (ActivityLink?)new ActivityLink(around.Context)),
            };
            var activity = Start(ActivityKind.Server, request.Id, request.Method, request.Params, parent, link);
            activity?.SetTag("network.transport", isHttp ? "tcp" : "pipe");
            if (isHttp)
            {
                activity?.SetTag("network.protocol.name", "http");
            }

            return activity;
        }
        catch (ArgumentException)
        {
            // A key that is there twice: the request gets an error, and no span.
            return null;
        }
    }

    /// <summary>Begins a span. Without a parent it begins a trace, whatever else is current.</summary>
    public static Activity? Start(ActivityKind kind, RequestId id, string method, JsonNode? parameters, ActivityContext parent, ActivityLink? link = null)
    {
        var tool = method == RequestMethods.ToolsCall ? Name(parameters) : null;
        var prompt = method == RequestMethods.PromptsGet ? Name(parameters) : null;
        method = BoundedText.Cut(method, MaxName);
        if (parent == default)
        {
            Activity.Current = null;
        }

        var activity = Source.StartActivity((tool ?? prompt) is { } target ? $"{method} {target}" : method, kind, parent, links: link is { } one ? [one] : null);
        if (activity is not { IsAllDataRequested: true })
        {
            return activity;
        }

        activity.SetTag("mcp.method.name", method);
        activity.SetTag("jsonrpc.request.id", BoundedText.Cut(id.ToString(), MaxName));
        if (tool is not null)
        {
            activity.SetTag("gen_ai.tool.name", tool).SetTag("gen_ai.operation.name", "execute_tool");
        }

        if (prompt is not null)
        {
            activity.SetTag("gen_ai.prompt.name", prompt);
        }

        if (method is RequestMethods.ResourcesRead or RequestMethods.ResourcesSubscribe or RequestMethods.ResourcesUnsubscribe && parameters.Text("uri") is { } uri)
        {
            activity.SetTag("mcp.resource.uri", BoundedText.Cut(uri, MaxText));
        }

        if (parameters.Meta(MetaKeys.ProtocolVersion).AsText() is { } version)
        {
            activity.SetTag("mcp.protocol.version", BoundedText.Cut(version, MaxName));
        }

        return activity;
    }

    /// <summary>What the answer says of the request's success.</summary>
    public static void SetOutcome(this Activity activity, JsonRpcMessageWithId answer)
    {
        try
        {
            switch (answer)
            {
                case JsonRpcError { Error: { } error }:
                    activity.SetRpcError(error.Code, error.Message);
                    break;
                case JsonRpcResponse { Result: JsonObject result } when result["isError"] is JsonValue value && value.TryGetValue(out bool isError) && isError:
                    activity.SetFailed("tool_error");
                    break;
            }
        }
        catch (ArgumentException)
        {
            // A key that is there twice: the client decides what it makes of such an answer.
        }
    }

    public static void SetRpcError(this Activity activity, int code, string? message)
    {
        var text = code.ToString(CultureInfo.InvariantCulture);
        activity.SetTag("rpc.response.status_code", text);
        activity.SetFailed(text, message);
    }

    /// <param name="type">One of few: <c>tool_error</c>, <c>cancelled</c>, an error's code.</param>
    public static void SetFailed(this Activity activity, string type, string? message = null)
    {
        activity.SetTag("error.type", type);
        activity.SetStatus(ActivityStatusCode.Error, message is null ? null : BoundedText.Cut(message, MaxText));
    }

    /// <summary>True for a span that somebody records, or has decided not to. ASP.NET Core makes one for each request for the log's sake alone.</summary>
    public static bool IsObserved(Activity? activity) => activity is { Source.Name.Length: > 0 };

    /// <summary>The context that a message carries; none where it is missing or malformed.</summary>
    public static ActivityContext ContextOf(JsonNode? parameters) =>
        parameters.Meta(TraceParent).AsText() is { } parent && ActivityContext.TryParse(parent, parameters.Meta(TraceState).AsText(), isRemote: true, out var context) ? context : default;

    /// <summary>Writes a context into a message.</summary>
    /// <returns>False where the message has no place for it, or has one that is malformed: that is its receiver's to judge.</returns>
    public static bool TryWrite(JsonObject message, ActivityContext context)
    {
        if ((message["params"] ??= new JsonObject()) is not JsonObject parameters || (parameters["_meta"] ??= new JsonObject()) is not JsonObject meta
            || (meta.ContainsKey(TraceParent) && ContextOf(parameters) == default))
        {
            return false;
        }

        meta[TraceParent] = $"00-{context.TraceId}-{context.SpanId}-{(byte)context.TraceFlags:x2}";
        meta.Remove(TraceState);
        if (!string.IsNullOrEmpty(context.TraceState))
        {
            meta[TraceState] = context.TraceState;
        }

        return true;
    }

    // What came in HTTP's own header, from a client that writes none into its messages.
    private static ActivityContext SentTo(Activity? request) =>
        request?.ParentId is { } parent && ActivityContext.TryParse(parent, request.TraceStateString, isRemote: true, out var context) ? context : default;

    private static string? Name(JsonNode? parameters) => parameters.Text("name") is { } name ? BoundedText.Cut(name, MaxName) : null;
}
