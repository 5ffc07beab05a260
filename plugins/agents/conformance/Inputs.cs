using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;
using static ModelContextProtocol.Protocol.ElicitRequestParams;

namespace Dawn.Agents.Conformance;

/// <summary>Multi-round-trip requests (SEP-2322): what a tool asks of the client, and the answers that a retry brings.</summary>
internal static class Inputs
{
    public static CreateMessageRequestParams Sampling(string prompt, int maxTokens) => new()
    {
        Messages = [new() { Role = Role.User, Content = [new TextContentBlock { Text = prompt }] }],
        MaxTokens = maxTokens,
    };

    public static InputRequest Sample(string prompt, int maxTokens) => InputRequest.ForSampling(Sampling(prompt, maxTokens));

    public static InputRequest Roots() => InputRequest.ForRootsList(new ListRootsRequestParams());

    /// <summary>Asks the user for one text.</summary>
    public static InputRequest Text(string message, string property) => Elicit(message, property, new StringSchema());

    /// <summary>Asks the user for a yes.</summary>
    public static InputRequest Confirmation(string message, string property) => Elicit(message, property, new BooleanSchema());

    /// <summary>Ends this round: the client answers the requests and calls again.</summary>
    /// <exception cref="MissingRequiredClientCapabilityException">The client has not said that it can answer all of them: it must not be asked.</exception>
    [DoesNotReturn]
    public static void Require(McpServer server, IDictionary<string, InputRequest> requests, string? state = null)
    {
        foreach (var request in requests.Values)
        {
            RequireCapability(server, request.Method);
        }

        throw new InputRequiredException(requests, state);
    }

    public static void RequireCapability(McpServer server, string method)
    {
        if (!Offers(server, method))
        {
            throw new MissingRequiredClientCapabilityException(method switch
            {
                RequestMethods.SamplingCreateMessage => new() { Sampling = new() },
                RequestMethods.ElicitationCreate => new() { Elicitation = new() },
                _ => new() { Roots = new() },
            });
        }
    }

    public static bool Offers(McpServer server, string method) => server.ClientCapabilities is { } client && method switch
    {
        RequestMethods.SamplingCreateMessage => client.Sampling is not null,
        RequestMethods.ElicitationCreate => client.Elicitation is not null,
        RequestMethods.RootsList => client.Roots is not null,
        _ => false,
    };

    /// <summary>The answer under a key; false where it is missing or of another shape, and the tool asks again. Keys that nobody asked for are ignored.</summary>
    public static bool TryGet<T>(RequestParams? request, string key, JsonTypeInfo<T> type, [NotNullWhen(true)] out T? answer)
        where T : class
    {
        answer = null;
        if (request?.InputResponses is not { } responses || !responses.TryGetValue(key, out var response))
        {
            return false;
        }

        try
        {
            answer = response.Deserialize(type);
        }
        catch (JsonException)
        {
            // A number where an object belongs and the like.
        }

        return answer is not null;
    }

    /// <summary>What the user wrote; false where the answer is missing or incomplete.</summary>
    /// <exception cref="McpException">The user said no.</exception>
    public static bool TryGetText(RequestParams? request, string key, string property, [NotNullWhen(true)] out string? text)
    {
        text = TryGetValue(request, key, property) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
        return text is not null;
    }

    /// <inheritdoc cref="TryGetText"/>
    public static bool TryGetConfirmation(RequestParams? request, string key, string property) =>
        TryGetValue(request, key, property) is { ValueKind: JsonValueKind.True };

    public static string TextOf(CreateMessageResult answer) => string.Concat(answer.Content.OfType<TextContentBlock>().Select(block => block.Text));

    private static JsonElement? TryGetValue(RequestParams? request, string key, string property)
    {
        if (!TryGet(request, key, InputResponse.ElicitResultJsonTypeInfo, out var answer))
        {
            return null;
        }

        if (!answer.IsAccepted)
        {
            throw new McpException($"The user did not answer: {answer.Action}.");
        }

        return answer.Content is { } content && content.TryGetValue(property, out var value) ? value : null;
    }

    private static InputRequest Elicit(string message, string property, PrimitiveSchemaDefinition schema) => InputRequest.ForElicitation(new()
    {
        Message = message,
        RequestedSchema = new() { Properties = { [property] = schema }, Required = [property] },
    });
}
