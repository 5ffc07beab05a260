using System.Text.Json;
using System.Text.Json.Nodes;
using Dawn.Sessions;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>One caller's conversation with a server behind a URL, over a connection of its own: messages pass as they are.</summary>
internal sealed class HttpSplice(MeshChannel channel, ITransport transport, ExternalServerSettings settings, TimeProvider time)
{
    // A notification or an answer is taken by a server at once.
    private static readonly TimeSpan PostTimeout = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan FarewellTimeout = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly Dictionary<RequestId, CancellationTokenSource> _inFlight = [];
    private readonly SemaphoreSlim _telling = new(1, 1);
    private bool _isInitialized;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var down = PassDownAsync(ended);
        MeshException? lost = null;
        try
        {
            while (await channel.ReceiveAsync(ended.Token) is { } buffer)
            {
                JsonRpcMessage message;
                using (buffer)
                {
                    message = JsonRpc.Deserialize(buffer.Span);
                }

                await PassUpAsync(message, ended.Token);
            }
        }
        catch (JsonException e)
        {
            throw new MeshException(MeshError.Protocol, "The caller sent something that is not one JSON-RPC message.", e);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            lost = new(MeshError.Lost, $"{settings.Origin} ended the session; open a new conversation.");
        }
        finally
        {
            await CancelAllAsync();
            await ended.CancelAsync();
            await down.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (lost is not null)
        {
            throw lost;
        }
    }

    private async Task PassDownAsync(CancellationTokenSource ended)
    {
        try
        {
            await foreach (var message in transport.MessageReader.ReadAllAsync(ended.Token))
            {
                await TellAsync(message, ended.Token);
            }
        }
        finally
        {
            // The server's end, or the caller's: the other direction is over too.
            await ended.CancelAsync();
        }
    }

    private async Task PassUpAsync(JsonRpcMessage message, CancellationToken cancellationToken)
    {
        switch (message)
        {
            case JsonRpcRequest { Method: RequestMethods.Initialize } request:
                // Awaited: what follows needs the session that the answer's headers name.
                _isInitialized = true;
                await AskAsync(request, cancellationToken);
                break;
            case JsonRpcRequest request:
                // A request's POST lasts until its answer.
                _ = AskAsync(request, cancellationToken);
                break;
            case JsonRpcNotification { Method: NotificationMethods.CancelledNotification } cancelled when !_isInitialized:
                // Over HTTP the newer era cancels by ending the request's stream.
                Withdraw(cancelled);
                break;
            case JsonRpcNotification { Method: NotificationMethods.CancelledNotification } cancelled:
                await PostAsync(cancelled, PostTimeout, cancellationToken);
                Withdraw(cancelled);
                break;
            default:
                await PostAsync(message, PostTimeout, cancellationToken);
                break;
        }
    }

    private async Task AskAsync(JsonRpcRequest request, CancellationToken cancellationToken)
    {
        using var withdrawn = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        string? refusal;
        lock (_gate)
        {
            refusal = _inFlight.Count >= Conversation.MaxInFlight ? $"You have {Conversation.MaxInFlight} requests in flight, the most a conversation may have."
                : !_inFlight.TryAdd(request.Id, withdrawn) ? $"A request with the id {request.Id} is in flight already." : null;
        }

        JsonRpcError? error = null;
        if (refusal is not null)
        {
            error = JsonRpcErrors.Create(request.Id, JsonRpcErrors.Unavailable, refusal, JsonRpcErrors.NotExecuted);
        }
        else
        {
            try
            {
                await transport.SendMessageAsync(request, withdrawn.Token);
            }
            catch (OperationCanceledException)
            {
                // The caller went away or wants no answer any more.
            }
            catch (McpProtocolException e)
            {
                error = JsonRpcErrors.Create(request.Id, (int)e.ErrorCode, e.Message);
            }
            catch (Exception e)
            {
                var neverArrived = e is HttpRequestException { StatusCode: >= System.Net.HttpStatusCode.BadRequest and < System.Net.HttpStatusCode.InternalServerError }
                    or HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError };
                error = JsonRpcErrors.Create(
                    request.Id, JsonRpcErrors.Unavailable, HttpPeer.Explain(settings, e).Message, neverArrived ? JsonRpcErrors.NotExecuted : JsonRpcErrors.OutcomeUnknown);
            }

            lock (_gate)
            {
                _inFlight.Remove(request.Id);
            }
        }

        if (error is not null)
        {
            try
            {
                await TellAsync(error, cancellationToken);
            }
            catch (Exception e) when (e is MeshException or OperationCanceledException)
            {
                // The caller is gone, and nobody left to tell.
            }
        }
    }

    private async Task PostAsync(JsonRpcMessage message, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await transport.SendMessageAsync(message, either.Token);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // JSON-RPC has no answer to a notification or an answer; the caller learns of a broken server by its next request.
        }
    }

    private void Withdraw(JsonRpcNotification cancelled)
    {
        var id = (cancelled.Params as JsonObject)?["requestId"].AsRequestId();
        lock (_gate)
        {
            if (id is { } known && _inFlight.TryGetValue(known, out var request))
            {
                request.CancelAsync();
            }
        }
    }

    private async Task CancelAllAsync()
    {
        RequestId[] outstanding;
        lock (_gate)
        {
            outstanding = [.. _inFlight.Keys];
        }

        if (_isInitialized && outstanding.Length > 0)
        {
            await Task.WhenAll(outstanding.Select(id => PostAsync(
                new JsonRpcNotification
                {
                    Method = NotificationMethods.CancelledNotification,
                    Params = new JsonObject { ["requestId"] = id.ToNode(), ["reason"] = "The caller went away." },
                },
                FarewellTimeout,
                CancellationToken.None)));
        }
    }

    private async Task TellAsync(JsonRpcMessage message, CancellationToken cancellationToken)
    {
        var utf8 = JsonRpc.Serialize(message);
        await _telling.WaitAsync(cancellationToken);
        try
        {
            await channel.SendAsync(utf8, cancellationToken);
        }
        finally
        {
            _telling.Release();
        }
    }
}
