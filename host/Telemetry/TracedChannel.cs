using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Dawn.Agents;
using Dawn.Identity;
using Dawn.Sessions;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Telemetry;

/// <summary>
/// A conversation whose requests of the caller have a span each, at the caller's end or at the agent's, and carry its context on to whoever comes next.
/// Everything else passes byte by byte.
/// </summary>
/// <remarks>One decides for a whole conversation: who begins to listen later sees those that begin later.</remarks>
internal sealed class TracedChannel : MeshChannel
{
    // As many as a leg has requests in flight; a request beyond them goes without a span.
    private const int MaxOpen = 1024;

    private static readonly JsonTypeInfo<JsonNode> NodeInfo = (JsonTypeInfo<JsonNode>)McpJsonUtilities.DefaultOptions.GetTypeInfo(typeof(JsonNode));

    private readonly MeshChannel _inner;
    private readonly ActivityKind _kind;
    private readonly KeyValuePair<string, object?>[] _tags;
    private readonly ConcurrentDictionary<RequestId, Activity> _open = new();
    private volatile bool _ended;

    private TracedChannel(MeshChannel inner, ActivityKind kind, params KeyValuePair<string, object?>[] tags) => (_inner, _kind, _tags) = (inner, kind, tags);

    /// <summary>The caller's end; the channel itself where nobody listens.</summary>
    public static MeshChannel OfCaller(MeshChannel channel, AgentAddress agent) => Tracing.Source.HasListeners()
        ? new TracedChannel(channel, ActivityKind.Client, new("dawn.agent.node", agent.Node.ToString()), new("dawn.agent.id", agent.Agent))
        : channel;

    /// <summary>The agent's end; the channel itself where nobody listens.</summary>
    public static MeshChannel OfAgent(MeshChannel channel, string agent, Caller caller) => Tracing.Source.HasListeners()
        ? new TracedChannel(
            channel, ActivityKind.Server, new("dawn.agent.id", agent), new("dawn.caller.node", caller.Node.ToString()), new("dawn.caller.id", caller.Agent), new("network.protocol.name", "dawn"))
        : channel;

    /// <summary>What a request is to be executed in, so that what its agent does belongs to its span; null for one without.</summary>
    public ExecutionContext? ContextOf(RequestId request)
    {
        if (!_open.TryGetValue(request, out var span))
        {
            return null;
        }

        var before = Activity.Current;
        Activity.Current = span;
        try
        {
            return ExecutionContext.Capture();
        }
        finally
        {
            Activity.Current = before;
        }
    }

    public override async ValueTask<long> SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        if (_kind == ActivityKind.Server)
        {
            try
            {
                return await _inner.SendAsync(message, cancellationToken);
            }
            finally
            {
                EndAnswered(message.Span);
            }
        }

        var (sent, begun) = Begin(message);
        try
        {
            return await _inner.SendAsync(sent, cancellationToken);
        }
        catch (Exception e) when (begun is not null)
        {
            End(begun.Value, span => SetLost(span, e));
            throw;
        }
    }

    public override async ValueTask<MessageBuffer?> ReceiveAsync(CancellationToken cancellationToken)
    {
        MessageBuffer? received;
        try
        {
            received = await _inner.ReceiveAsync(cancellationToken);
        }
        catch (MeshException e)
        {
            EndAll(e);
            throw;
        }

        if (received is not { } buffer)
        {
            EndAll(null);
            return null;
        }

        if (_kind == ActivityKind.Client)
        {
            EndAnswered(buffer.Span);
            return buffer;
        }

        var (message, begun) = Begin(buffer.Memory);
        if (begun is null || message.Equals(buffer.Memory))
        {
            return buffer;
        }

        buffer.Dispose();
        return MessageBuffer.CopyOf(message.Span);
    }

    public override bool WasTransmitted(long messageNumber) => _inner.WasTransmitted(messageNumber);

    public override async ValueTask CloseAsync(MeshError error = MeshError.None, string? reason = null)
    {
        try
        {
            await _inner.CloseAsync(error, reason);
        }
        finally
        {
            EndAll(error == MeshError.None ? null : new(error, reason ?? ""));
        }
    }

    /// <summary>Begins the span of a request; ends that of a cancelled one.</summary>
    /// <returns>The message, with the span's context where it has one.</returns>
    private (ReadOnlyMemory<byte> Message, RequestId? Begun) Begin(ReadOnlyMemory<byte> message)
    {
        var head = MessageHead.Read(message.Span);
        if (head.Method is null || (head.Id is null && head.Method != NotificationMethods.CancelledNotification) || _open.Count >= MaxOpen)
        {
            return (message, null);
        }

        var before = Activity.Current;
        Activity? span = null;
        try
        {
            if (JsonNode.Parse(message.Span) is not JsonObject root)
            {
                return (message, null);
            }

            if (head.Id is not { } id)
            {
                if ((root["params"] as JsonObject)?["requestId"].AsRequestId() is { } cancelled)
                {
                    End(cancelled, one => one.SetFailed("cancelled"));
                }

                return (message, null);
            }

            var isCaller = _kind == ActivityKind.Client;
            var parent = isCaller && Tracing.IsObserved(before) ? before!.Context : Tracing.ContextOf(root["params"]);
            if (isCaller && parent == default)
            {
                // What nobody asked for, such as the gateway's own look at an agent's lists, begins no trace.
                return (message, null);
            }

            span = Tracing.Start(_kind, id, head.Method, root["params"], parent);
            foreach (var (key, value) in _tags)
            {
                span?.SetTag(key, value);
            }

            // A trace that is not sampled here is not to begin anew at the next node.
            var context = span?.Context ?? parent;
            var written = context != default && Tracing.TryWrite(root, context) ? JsonSerializer.SerializeToUtf8Bytes(root, NodeInfo) : null;
            if (span is not null && !_open.TryAdd(id, span))
            {
                // An id that is in use already; whoever takes the message refuses it.
                span.Dispose();
            }

            if (_ended)
            {
                EndAll(null);
            }

            return (written is { Length: <= MaxMessage } ? written : message, id);
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException)
        {
            // Nested too deep, a key twice: it passes as it is, and whoever takes it judges it.
            span?.Dispose();
            return (message, null);
        }
        finally
        {
            // The span is the request's, and not of what else happens to run here.
            Activity.Current = before;
        }
    }

    private void EndAnswered(ReadOnlySpan<byte> message)
    {
        if (_open.IsEmpty || MessageHead.Read(message) is not { Id: { } id, Method: null } head)
        {
            return;
        }

        End(id, span =>
        {
            if (head.ErrorCode is { } code)
            {
                span.SetRpcError(code, head.ErrorMessage);
            }
            else if (head.IsToolError)
            {
                span.SetFailed("tool_error");
            }
        });
    }

    private void EndAll(MeshException? cause)
    {
        _ended = true;
        foreach (var (id, _) in _open)
        {
            End(id, span => SetLost(span, cause));
        }
    }

    private void End(RequestId id, Action<Activity> setOutcome)
    {
        if (_open.TryRemove(id, out var span))
        {
            var before = Activity.Current;
            setOutcome(span);
            span.Dispose();
            // Ending a span makes current what was when it began.
            Activity.Current = before;
        }
    }

    private static void SetLost(Activity span, Exception? cause) => span.SetFailed(
        cause is MeshException { Error: not MeshError.None } mesh ? mesh.Error.ToString() : "closed", cause?.Message ?? "The conversation ended without an answer.");
}
