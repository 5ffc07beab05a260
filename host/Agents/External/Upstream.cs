using System.Text.Json.Nodes;
using System.Threading.Channels;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>What an <see cref="Upstream"/> passes on.</summary>
internal interface IUpstreamEvents
{
    /// <summary>A caller's request was answered.</summary>
    void Answered(Pending request, JsonRpcMessageWithId answer);

    /// <summary>The server asks a client something.</summary>
    void Asked(Upstream upstream, JsonRpcRequest request);

    void Notified(Upstream upstream, JsonRpcNotification notification);
}

/// <summary>A request that the server has yet to answer.</summary>
/// <param name="Caller">Who asked; null for Dawn itself.</param>
/// <param name="CallerId">The id that it used.</param>
/// <param name="ProgressToken">The token that it used.</param>
internal sealed record Pending(string Method, Conversation? Caller, RequestId CallerId, JsonNode? ProgressToken)
{
    /// <summary>The id, and the progress token, that the server knows it by.</summary>
    public long Id { get; set; }

    /// <summary>The URI that a subscription, or its end, is about.</summary>
    public string? Uri { get; init; }

    /// <summary>For Dawn's own requests.</summary>
    public TaskCompletionSource<JsonRpcMessageWithId>? Answer { get; init; }

    /// <summary>True from just before its first byte leaves: only then may it have been executed.</summary>
    public bool IsSent { get; set; }

    /// <summary>True once nobody waits any more; what is not sent yet stays unsent.</summary>
    public bool IsAbandoned { get; set; }
}

/// <summary>One life of a server behind two streams: ids of its own for what it is asked, and one queue of what it is told.</summary>
internal sealed class Upstream(JsonLines lines, IUpstreamEvents events, TimeProvider time) : IJsonRpcPeer, IAsyncDisposable
{
    // A queue this long is a server that doesn't read; whoever wants to tell it more waits.
    private const int QueueLength = 64;

    // How long its loops may take to notice the end of their streams.
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(1);

    private readonly Channel<(byte[] Message, Pending? Request)> _queue =
        Channel.CreateBounded<(byte[], Pending?)>(new BoundedChannelOptions(QueueLength) { SingleReader = true });

    private readonly Lock _gate = new();
    private readonly Dictionary<long, Pending> _pending = [];
    private readonly CancellationTokenSource _ended = new();
    private long _lastId;
    private bool _isOver;

    public long Garbage => lines.GarbageLines;

    /// <summary>Ends, without an exception, when the server's output does.</summary>
    public Task Completion { get; private set; } = Task.CompletedTask;

    public void Start() => Completion = Task.WhenAny(Task.Run(ReadAsync), Task.Run(WriteAsync));

    /// <summary>Gives the request its id. False once this life is over.</summary>
    public bool TryRegister(Pending request)
    {
        lock (_gate)
        {
            if (_isOver)
            {
                return false;
            }

            request.Id = ++_lastId;
            _pending.Add(request.Id, request);
            return true;
        }
    }

    public Pending? Find(long id)
    {
        lock (_gate)
        {
            return _pending.GetValueOrDefault(id);
        }
    }

    /// <summary>Forgets a request that nobody waits for any more.</summary>
    /// <returns>True where the server has it already, and should be told.</returns>
    public bool Forget(long id)
    {
        lock (_gate)
        {
            return _pending.Remove(id, out var request) && (request.IsAbandoned = true) && request.IsSent;
        }
    }

    /// <summary>Forgets a request, and tells the server where it has it already.</summary>
    public void Abandon(long id, string reason)
    {
        if (Forget(id))
        {
            TryPost(new JsonRpcNotification
            {
                Method = NotificationMethods.CancelledNotification,
                Params = new JsonObject { ["requestId"] = id, ["reason"] = reason },
            });
        }
    }

    /// <summary>Queues a message and waits for room: a server that doesn't read holds up whoever has something to tell it.</summary>
    /// <exception cref="ChannelClosedException">This life is over.</exception>
    public ValueTask PostAsync(JsonRpcMessage message, Pending? request, CancellationToken cancellationToken) =>
        _queue.Writer.WriteAsync((JsonRpc.Serialize(message), request), cancellationToken);

    /// <summary>Queues a message if there is room; for the reading side, which must never wait for the writing side.</summary>
    public bool TryPost(JsonRpcMessage message) => _queue.Writer.TryWrite((JsonRpc.Serialize(message), null));

    public async Task<JsonNode?> RequestAsync(string method, JsonNode? parameters, CancellationToken cancellationToken)
    {
        var request = new Pending(method, null, default, null) { Answer = new(TaskCreationOptions.RunContinuationsAsynchronously) };
        if (!TryRegister(request))
        {
            throw new ServerFailure("it ended");
        }

        using var timeout = new CancellationTokenSource(ExternalAgent.AnswerTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await PostAsync(new JsonRpcRequest { Id = new RequestId(request.Id), Method = method, Params = parameters }, request, either.Token);
            return await request.Answer.Task.WaitAsync(either.Token) switch
            {
                JsonRpcResponse response => response.Result,
                JsonRpcError error => throw new McpProtocolException(error.Error.Message, (McpErrorCode)error.Error.Code),
                var other => throw new ServerFailure($"it answered {method} with a {other.GetType().Name}"),
            };
        }
        catch (ChannelClosedException e)
        {
            throw new ServerFailure("it ended", inner: e);
        }
        catch (OperationCanceledException e) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            Abandon(request.Id, "timed out");
            throw new TimeoutException($"it did not answer {method} within {ExternalAgent.AnswerTimeout.TotalSeconds:0} s", e);
        }
    }

    public async Task NotifyAsync(string method, CancellationToken cancellationToken)
    {
        try
        {
            await PostAsync(new JsonRpcNotification { Method = method }, null, cancellationToken);
        }
        catch (ChannelClosedException e)
        {
            throw new ServerFailure("it ended", inner: e);
        }
    }

    /// <summary>Ends this life: nothing more is taken.</summary>
    /// <returns>The callers' requests that stay without an answer.</returns>
    public IReadOnlyList<Pending> End()
    {
        List<Pending> left;
        lock (_gate)
        {
            _isOver = true;
            left = [.. _pending.Values];
            _pending.Clear();
        }

        _queue.Writer.TryComplete();
        foreach (var own in left.Where(request => request.Answer is not null))
        {
            own.Answer!.TrySetException(new ServerFailure("it ended"));
        }

        return [.. left.Where(request => request.Caller is not null)];
    }

    public async ValueTask DisposeAsync()
    {
        End();
        await _ended.CancelAsync();
        try
        {
            await Completion.WaitAsync(EndTimeout, time);
        }
        catch (TimeoutException)
        {
            // A read of a pipe can't be interrupted on every system; it ends with the process at its other end.
        }
    }

    private async Task ReadAsync()
    {
        try
        {
            while (await lines.ReceiveAsync(_ended.Token) is { } message)
            {
                try
                {
                    Take(message);
                }
                catch (Exception e) when (e is ArgumentException or InvalidOperationException)
                {
                    // Doubled keys and the like show only when a field is looked at: such a message is as good as garbage.
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The end of the stream, by another name.
        }
    }

    private async Task WriteAsync()
    {
        try
        {
            await foreach (var (message, request) in _queue.Reader.ReadAllAsync(_ended.Token))
            {
                lock (_gate)
                {
                    if (_isOver)
                    {
                        // What is still queued has been reported as not executed.
                        return;
                    }

                    if (request is { IsAbandoned: true })
                    {
                        continue;
                    }

                    request?.IsSent = true;
                }

                await lines.SendAsync(message, _ended.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The server closed its input: it is ending.
        }
    }

    private void Take(JsonRpcMessage message)
    {
        switch (message)
        {
            case JsonRpcRequest { Method: RequestMethods.Ping } ping:
                TryPost(new JsonRpcResponse { Id = ping.Id, Result = new JsonObject() });
                break;
            case JsonRpcRequest request:
                events.Asked(this, request);
                break;
            case JsonRpcNotification notification:
                events.Notified(this, notification);
                break;
            case JsonRpcMessageWithId answer when answer.Id.Id is long id:
                Pending? pending;
                lock (_gate)
                {
                    _pending.Remove(id, out pending);
                }

                if (pending?.Answer is { } own)
                {
                    own.TrySetResult(answer);
                }
                else if (pending?.Caller is not null)
                {
                    events.Answered(pending, answer);
                }

                break;
        }
    }
}
