using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Dawn.Sessions;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents;

/// <summary>
/// The agent's end of a channel without the tools that policy keeps from this caller: a call of one is answered here and never reaches the agent,
/// and lists of tools pass without them. Everything else passes byte by byte.
/// </summary>
/// <remarks>
/// JSON parsers differ over doubled keys and the case of keys, so a caller could show this filter one name and the agent another.
/// Messages that could be read in two ways are therefore refused.
/// </remarks>
internal sealed class ToolFilter : MeshChannel
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };
    private static readonly JsonTypeInfo<RequestId> IdInfo = (JsonTypeInfo<RequestId>)McpJsonUtilities.DefaultOptions.GetTypeInfo(typeof(RequestId));

    private readonly MeshChannel _inner;
    private readonly HashSet<string> _excluded;
    private readonly string _setting;
    private readonly SemaphoreSlim _sending = new(1, 1);

    private ToolFilter(MeshChannel inner, HashSet<string> excluded, string setting) => (_inner, _excluded, _setting) = (inner, excluded, setting);

    /// <summary>The channel itself where policy excludes no tool for the caller.</summary>
    public static MeshChannel Wrap(MeshChannel channel, AgentPolicy policy, Caller caller, string setting)
    {
        var excluded = policy.Tools.Where(tool => !tool.Value.Includes(caller)).Select(tool => tool.Key).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return excluded.Count == 0 ? channel : new ToolFilter(channel, excluded, setting);
    }

    public override async ValueTask<MessageBuffer?> ReceiveAsync(CancellationToken cancellationToken)
    {
        while (await _inner.ReceiveAsync(cancellationToken) is { } message)
        {
            byte[]? refusal;
            try
            {
                refusal = Refuse(message.Memory);
            }
            catch (Exception e) when (e is JsonException or MeshException)
            {
                message.Dispose();
                throw e as MeshException ?? new MeshException(MeshError.Protocol, "The caller sent something that is not one JSON-RPC message.", e);
            }

            if (refusal is null)
            {
                return message;
            }

            message.Dispose();
            await SendOneAsync(refusal, cancellationToken);
        }

        return null;
    }

    public override async ValueTask<long> SendAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken) =>
        await SendOneAsync(WithoutExcluded(message), cancellationToken);

    public override bool WasTransmitted(long messageNumber) => _inner.WasTransmitted(messageNumber);

    public override ValueTask CloseAsync(MeshError error = MeshError.None, string? reason = null) => _inner.CloseAsync(error, reason);

    private async ValueTask<long> SendOneAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            return await _inner.SendAsync(message, cancellationToken);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>The answer to a call of an excluded tool; null for everything that may pass.</summary>
    private byte[]? Refuse(ReadOnlyMemory<byte> utf8)
    {
        using var document = JsonDocument.Parse(utf8, Strict);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new MeshException(MeshError.Protocol, "The caller sent something that is not one JSON-RPC message.");
        }

        JsonElement method = default, parameters = default, id = default;
        foreach (var property in document.RootElement.EnumerateObject())
        {
            switch (property.Name)
            {
                case "method": method = property.Value; break;
                case "params": parameters = property.Value; break;
                case "id": id = property.Value; break;
                case var name when name.Equals("method", StringComparison.OrdinalIgnoreCase) || name.Equals("params", StringComparison.OrdinalIgnoreCase):
                    throw new MeshException(MeshError.Protocol, $"The caller sent a JSON-RPC message with the field '{name}'; fields are written in lower case.");
            }
        }

        if (method.ValueKind != JsonValueKind.String || !method.ValueEquals(RequestMethods.ToolsCall) || parameters.ValueKind != JsonValueKind.Object)
        {
            return null;
        }

        foreach (var property in parameters.EnumerateObject())
        {
            if (property.Name.Equals("name", StringComparison.OrdinalIgnoreCase) && property.Value.ValueKind == JsonValueKind.String
                && property.Value.GetString() is { } tool && _excluded.Contains(tool))
            {
                // Without a usable id there is nobody to answer: the filter ends the conversation.
                var request = id.ValueKind is JsonValueKind.String or JsonValueKind.Number
                    ? id.Deserialize(IdInfo)
                    : throw new MeshException(MeshError.Refused, $"The tool '{tool}' is not open to this caller; see {_setting}.");
                return JsonRpc.Serialize(JsonRpcErrors.Create(
                    request, JsonRpcErrors.Refused, $"The tool '{tool}' is not open to this caller; its node's owner can change that in {_setting}.", JsonRpcErrors.NotExecuted));
            }
        }

        return null;
    }

    private ReadOnlyMemory<byte> WithoutExcluded(ReadOnlyMemory<byte> message)
    {
        // Only a result with a list of named tools is touched; the search spares all other messages the parse.
        if (message.Span.IndexOf("\"tools\""u8) < 0 || JsonNode.Parse(message.Span) is not JsonObject root || root["result"] is not JsonObject result
            || result["tools"] is not JsonArray tools || !tools.All(tool => NameOf(tool) is not null))
        {
            return message;
        }

        var before = tools.Count;
        for (var i = tools.Count - 1; i >= 0; i--)
        {
            if (_excluded.Contains(NameOf(tools[i])!))
            {
                tools.RemoveAt(i);
            }
        }

        return tools.Count == before ? message : JsonSerializer.SerializeToUtf8Bytes(root, McpJsonUtilities.DefaultOptions.GetTypeInfo(typeof(JsonNode)));
    }

    private static string? NameOf(JsonNode? tool) => tool is JsonObject one && one["name"] is JsonValue value && value.TryGetValue(out string? name) ? name : null;
}
