using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dawn.Configuration;
using Dawn.Gateway;
using Dawn.Sessions;
using ModelContextProtocol.Protocol;

namespace Dawn.Commands;

/// <summary>The agent answered with a JSON-RPC error.</summary>
/// <param name="outcome">What became of the request, where the node knows (docs/gateway.md): <c>not-executed</c> or <c>outcome-unknown</c>.</param>
internal sealed class RpcException(int code, string message, string? outcome = null) : Exception(message)
{
    public int Code { get; } = code;

    public string? Outcome { get; } = outcome;
}

/// <summary>MCP from the client's side, as little of it as the verbs need.</summary>
/// <remarks>
/// Not the SDK's client: results stay exactly as the agent wrote them, and a verb that runs in a loop doesn't pay for loading the SDK.
/// It begins with <c>initialize</c> of 2025-11-25, and falls back to the requests of 2026-07-28 for agents that know no other.
/// </remarks>
internal sealed class Conversation : IAsyncDisposable
{
    private const string Version = "2025-11-25";
    private const string LaterVersion = "2026-07-28";
    private const int MethodNotFound = -32601;
    private const int UnsupportedVersion = -32022;

    private readonly ControlClient _client;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<long, TaskCompletionSource<JsonElement>> _pending = new();
    private readonly CancellationTokenSource _ended = new();
    private Task _reading = Task.CompletedTask;
    private Exception? _failure;
    private bool _isLater;
    private long _lastId;
    private long _sent;

    private Conversation(ControlClient client, TimeProvider time) => (_client, _time) = (client, time);

    /// <summary>Raised for each notification, in order, on the reading loop.</summary>
    public event Action<string, JsonElement>? Notified;

    /// <summary>Messages sent so far.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    public string Opened => _client.Opened;

    /// <summary>Ends with the conversation, whoever ends it.</summary>
    public Task Ended => _reading;

    public static async Task<Conversation> OpenAsync(string dataDirectory, string address, string caller, TimeProvider time, CancellationToken cancellationToken)
    {
        var conversation = new Conversation(await ControlClient.OpenAsync(dataDirectory, address, caller, cancellationToken), time);
        conversation._reading = Task.Run(conversation.ReadAsync, CancellationToken.None);
        try
        {
            await conversation.InitializeAsync(cancellationToken);
            return conversation;
        }
        catch
        {
            await conversation.DisposeAsync();
            throw;
        }
    }

    /// <exception cref="RpcException">The agent refused the request.</exception>
    /// <exception cref="ControlException">The conversation broke before the answer came.</exception>
    public async Task<JsonElement> RequestAsync(string method, JsonObject parameters, CancellationToken cancellationToken)
    {
        var id = Interlocked.Increment(ref _lastId);
        var answer = _pending[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            if (_isLater)
            {
                parameters["_meta"] = new JsonObject { [MetaKeys.ProtocolVersion] = LaterVersion, [MetaKeys.ClientInfo] = ClientInfo(), [MetaKeys.ClientCapabilities] = new JsonObject() };
            }

            await SendAsync(new() { ["jsonrpc"] = "2.0", ["id"] = id, ["method"] = method, ["params"] = parameters }, cancellationToken);
            if (Volatile.Read(ref _failure) is { } failure)
            {
                // The loop may have ended before it could see this request; an answer that came first stands.
                answer.TrySetException(failure);
            }

            return await answer.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            await CancelAsync(id);
            throw;
        }
        finally
        {
            _pending.TryRemove(id, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        await _client.DisposeAsync();
        await _reading;
    }

    private static JsonObject ClientInfo() => new() { ["name"] = "dawn", ["version"] = DawnVersion.Text };

    private async Task InitializeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RequestAsync("initialize", new() { ["protocolVersion"] = Version, ["capabilities"] = new JsonObject(), ["clientInfo"] = ClientInfo() }, cancellationToken);
            await SendAsync(new() { ["jsonrpc"] = "2.0", ["method"] = "notifications/initialized" }, cancellationToken);
        }
        catch (RpcException e) when (e.Code is MethodNotFound or UnsupportedVersion)
        {
            _isLater = true;
        }
    }

    private async Task SendAsync(JsonObject message, CancellationToken cancellationToken)
    {
        try
        {
            var line = JsonSerializer.SerializeToUtf8Bytes(message, ConversationJson.Default.JsonObject);
            Interlocked.Increment(ref _sent);
            await _client.Lines.WriteAsync(line, cancellationToken);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The reading loop knows why, unless the node died without a word.
            await _reading.WaitAsync(TimeSpan.FromSeconds(1), _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw _failure ?? new ControlException(ControlException.Closed, "The node closed the conversation.");
        }
    }

    private async Task CancelAsync(long id)
    {
        try
        {
            using var timer = new CancellationTokenSource(TimeSpan.FromMilliseconds(500), _time);
            await SendAsync(new() { ["jsonrpc"] = "2.0", ["method"] = "notifications/cancelled", ["params"] = new JsonObject { ["requestId"] = id } }, timer.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or ControlException)
        {
            // A courtesy to the agent; the end of the conversation tells it the same.
        }
    }

    private async Task ReadAsync()
    {
        Exception failure = new ControlException(ControlException.Closed, "The agent ended the conversation before it answered.");
        try
        {
            while (await _client.Lines.ReadAsync(MeshChannel.MaxMessage, _ended.Token) is { } line)
            {
                if (ControlEnd.TryRead(line.Span, out var end))
                {
                    failure = new ControlException(end!.Code, end.Error, end.Transmitted);
                    break;
                }

                await TakeAsync(Parse(line.Span));
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            failure = new ControlException(ControlException.Closed, $"The node closed the conversation: {e.Message}");
        }
        catch (Exception e) when (e is InvalidDataException or JsonException or InvalidOperationException or FormatException)
        {
            failure = new ControlException(ControlCode.Of(MeshError.Protocol), $"The agent sent something that is not JSON-RPC: {e.Message}");
        }

        Volatile.Write(ref _failure, failure);
        foreach (var pending in _pending.Values)
        {
            pending.TrySetException(failure);
        }
    }

    private static JsonElement Parse(ReadOnlySpan<byte> line)
    {
        var reader = new Utf8JsonReader(line);
        return JsonElement.ParseValue(ref reader);
    }

    private async Task TakeAsync(JsonElement message)
    {
        var hasId = message.TryGetProperty("id", out var id);
        if (message.TryGetProperty("method", out var method))
        {
            if (hasId)
            {
                await AnswerAsync(id, method.GetString()!);
            }
            else
            {
                Notified?.Invoke(method.GetString()!, message.TryGetProperty("params", out var parameters) ? parameters : default);
            }
        }
        else if (hasId && id.ValueKind == JsonValueKind.Number && _pending.TryGetValue(id.GetInt64(), out var answer))
        {
            if (message.TryGetProperty("error", out var error))
            {
                answer.TrySetException(new RpcException(
                    error.TryGetProperty("code", out var code) ? code.GetInt32() : 0, error.TryGetProperty("message", out var text) ? text.GetString() ?? "" : error.GetRawText(),
                    error.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Object ? data.Text("dawn") : null));
            }
            else
            {
                answer.TrySetResult(message.TryGetProperty("result", out var result) ? result : default);
            }
        }
    }

    /// <summary>Requests of the agent: a verb answers pings, and has no model, person or roots to offer.</summary>
    private async Task AnswerAsync(JsonElement id, string method)
    {
        var answer = new JsonObject { ["jsonrpc"] = "2.0", ["id"] = JsonNode.Parse(id.GetRawText()) };
        if (method == "ping")
        {
            answer["result"] = new JsonObject();
        }
        else
        {
            answer["error"] = new JsonObject { ["code"] = MethodNotFound, ["message"] = $"The 'dawn' program does not answer {method}; use an MCP client through 'dawn mcp'." };
        }

        Interlocked.Increment(ref _sent);
        await _client.Lines.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(answer, ConversationJson.Default.JsonObject), _ended.Token);
    }
}
