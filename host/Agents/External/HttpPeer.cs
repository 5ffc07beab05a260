using System.Text.Json.Nodes;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>Dawn's own connection to a server behind a URL.</summary>
/// <param name="listChanged">Told when the server says that one of its lists changed.</param>
internal sealed class HttpPeer(ITransport transport, ExternalServerSettings settings, TimeProvider time, Action listChanged) : IJsonRpcPeer
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, TaskCompletionSource<JsonRpcMessageWithId>> _pending = [];
    private long _lastId;

    public async Task<JsonNode?> RequestAsync(string method, JsonNode? parameters, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<JsonRpcMessageWithId>(TaskCreationOptions.RunContinuationsAsynchronously);
        long id;
        lock (_gate)
        {
            id = ++_lastId;
            _pending.Add(id, answer);
        }

        try
        {
            await SendAsync(method, new JsonRpcRequest { Id = new RequestId(id), Method = method, Params = parameters }, answer.Task, cancellationToken);
            return await answer.Task switch
            {
                JsonRpcResponse response => response.Result,
                JsonRpcError error => throw new McpProtocolException(error.Error.Message, (McpErrorCode)error.Error.Code),
                var other => throw new ServerFailure($"it answered {method} with a {other.GetType().Name}"),
            };
        }
        finally
        {
            lock (_gate)
            {
                _pending.Remove(id);
            }
        }
    }

    public Task NotifyAsync(string method, CancellationToken cancellationToken) =>
        SendAsync(method, new JsonRpcNotification { Method = method }, Task.CompletedTask, cancellationToken);

    /// <summary>Reads what comes, until the connection ends.</summary>
    public async Task ReadAsync(CancellationToken cancellationToken)
    {
        await foreach (var message in transport.MessageReader.ReadAllAsync(cancellationToken))
        {
            switch (message)
            {
                case JsonRpcNotification { Method: NotificationMethods.ToolListChangedNotification or NotificationMethods.PromptListChangedNotification or NotificationMethods.ResourceListChangedNotification }:
                    listChanged();
                    break;
                case JsonRpcRequest request:
                    // Its POST waits for the server, which this loop must not.
                    _ = AnswerAsync(request, cancellationToken);
                    break;
                case JsonRpcMessageWithId answer when answer.Id.Id is long id:
                    TaskCompletionSource<JsonRpcMessageWithId>? pending;
                    lock (_gate)
                    {
                        pending = _pending.GetValueOrDefault(id);
                    }

                    pending?.TrySetResult(answer);
                    break;
            }
        }
    }

    /// <summary>What a failed request says of the settings.</summary>
    public static ServerFailure Explain(ExternalServerSettings settings, Exception e) => e switch
    {
        ServerFailure failure => failure,
        HttpRequestException { StatusCode: { } status } when (int)status is 401 or 403 => new($"{settings.Origin} answered {(int)status}; check {settings.Key("Headers")}", inner: e),
        HttpRequestException { StatusCode: { } status } => new($"{settings.Origin} answered {(int)status}; check {settings.Key("Url")}", inner: e),
        HttpRequestException => new($"{settings.Origin} can't be reached ({e.Message}); check {settings.Key("Url")}", inner: e),
        TimeoutException => new($"{settings.Origin}: {e.Message}; check {settings.Key("Url")}", inner: e),
        _ => new($"{settings.Origin}: {e.Message}", inner: e),
    };

    private async Task SendAsync(string method, JsonRpcMessage message, Task answered, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(ExternalAgent.AnswerTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await transport.SendMessageAsync(message, either.Token);
            await answered.WaitAsync(either.Token);
        }
        catch (OperationCanceledException e) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"it did not answer {method} within {ExternalAgent.AnswerTimeout.TotalSeconds:0} s", e);
        }
        catch (Exception e) when (e is not OperationCanceledException and not McpProtocolException)
        {
            throw Explain(settings, e);
        }
    }

    private async Task AnswerAsync(JsonRpcRequest request, CancellationToken cancellationToken)
    {
        try
        {
            JsonRpcMessage answer = request.Method == RequestMethods.Ping
                ? new JsonRpcResponse { Id = request.Id, Result = new JsonObject() }
                : JsonRpcErrors.Create(request.Id, JsonRpcErrors.MethodNotFound, "This client only looks at lists.");
            await SendAsync("an answer", answer, Task.CompletedTask, cancellationToken);
        }
        catch (Exception e) when (e is ServerFailure or TimeoutException or McpProtocolException or OperationCanceledException)
        {
            // A server that asks and then takes no answer; the next probe tells whether it is well.
        }
    }
}
