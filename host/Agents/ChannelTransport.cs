using System.Security.Claims;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dawn.Sessions;
using Dawn.Telemetry;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents;

/// <summary>JSON-RPC messages as bytes, in the SDK's own serialization.</summary>
internal static class JsonRpc
{
    private static readonly JsonTypeInfo<JsonRpcMessage> Info = (JsonTypeInfo<JsonRpcMessage>)McpJsonUtilities.DefaultOptions.GetTypeInfo(typeof(JsonRpcMessage));

    public static byte[] Serialize(JsonRpcMessage message) => JsonSerializer.SerializeToUtf8Bytes(message, Info);

    /// <exception cref="JsonException">Not a JSON-RPC message.</exception>
    public static JsonRpcMessage Deserialize(ReadOnlySpan<byte> utf8)
    {
        try
        {
            return JsonSerializer.Deserialize(utf8, Info) ?? throw new JsonException("null is not a JSON-RPC message.");
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or FormatException or NotSupportedException)
        {
            // What the converter throws for a value of the wrong kind, "method": 1 for one, depends on where it meets it.
            throw new JsonException("This is not a JSON-RPC message: " + e.Message, e);
        }
    }
}

/// <summary>A channel as the MCP SDK's transport, on either end.</summary>
internal sealed class ChannelTransport : TransportBase
{
    private readonly MeshChannel _channel;
    private readonly bool _ownsChannel;
    private readonly ClaimsPrincipal? _user;
    private readonly CancellationTokenSource _ended = new();
    private readonly Task _reading;

    /// <param name="user">At the agent's end: who calls, for tools that ask for a <see cref="ClaimsPrincipal"/>.</param>
    /// <param name="ownsChannel">True where disposing this closes the channel. At the agent's end its host does that, and says why.</param>
    public ChannelTransport(string name, MeshChannel channel, bool ownsChannel, ClaimsPrincipal? user = null, ILoggerFactory? loggers = null) : base(name, loggers)
    {
        (_channel, _ownsChannel, _user) = (channel, ownsChannel, user);
        SetConnected();
        _reading = Task.Run(ReadAsync);
    }

    public override async Task SendMessageAsync(JsonRpcMessage message, CancellationToken cancellationToken = default)
    {
        await _channel.SendAsync(JsonRpc.Serialize(message), cancellationToken);
    }

    public override async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        if (_ownsChannel)
        {
            await _channel.CloseAsync();
        }

        await _reading;
        SetDisconnected();
    }

    private async Task ReadAsync()
    {
        Exception? error = null;
        try
        {
            while (await _channel.ReceiveAsync(_ended.Token) is { } buffer)
            {
                JsonRpcMessage message;
                using (buffer)
                {
                    message = JsonRpc.Deserialize(buffer.Span);
                }

                var execution = _channel is TracedChannel traced && message is JsonRpcRequest request ? traced.ContextOf(request.Id) : null;
                if (_user is not null || execution is not null)
                {
                    message.Context = new() { User = _user, ExecutionContext = execution };
                }

                await WriteMessageAsync(message, _ended.Token);
            }
        }
        catch (OperationCanceledException) when (_ended.IsCancellationRequested)
        {
            // Disposed: the ordinary end.
        }
        catch (Exception e) when (e is MeshException or JsonException)
        {
            error = e;
            await _channel.CloseAsync(MeshError.Protocol, e.Message);
        }
        finally
        {
            SetDisconnected(error);
        }
    }
}

/// <summary>Gives a channel to <see cref="McpClient"/>.</summary>
internal sealed class ChannelClientTransport(string name, MeshChannel channel) : IClientTransport
{
    public string Name => name;

    public Task<ITransport> ConnectAsync(CancellationToken cancellationToken = default) => Task.FromResult<ITransport>(new ChannelTransport(name, channel, ownsChannel: true));
}
