using System.Text.Json;
using ModelContextProtocol.Protocol;

namespace Dawn.Telemetry;

/// <summary>What a span needs to know of a JSON-RPC message, read without the rest.</summary>
/// <param name="Method">Null for answers.</param>
/// <param name="IsToolError">The result is a tool's failure (<c>isError</c>).</param>
internal readonly record struct MessageHead(RequestId? Id, string? Method, int? ErrorCode, string? ErrorMessage, bool IsToolError)
{
    /// <summary>Reads a message; what is none gives an empty head.</summary>
    public static MessageHead Read(ReadOnlySpan<byte> utf8)
    {
        try
        {
            var head = default(MessageHead);
            var reader = new Utf8JsonReader(utf8);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return default;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("id"u8))
                {
                    head = head with { Id = ReadId(ref reader) };
                }
                else if (reader.ValueTextEquals("method"u8))
                {
                    head = head with { Method = ReadText(ref reader) };
                }
                else if (reader.ValueTextEquals("error"u8) || reader.ValueTextEquals("result"u8))
                {
                    head = ReadOutcome(ref reader, head);
                }
                else
                {
                    reader.Skip();
                }
            }

            return head;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not JSON, or text that is no Unicode: whoever takes the message says so.
            return default;
        }
    }

    private static MessageHead ReadOutcome(ref Utf8JsonReader reader, MessageHead head)
    {
        var isError = reader.ValueTextEquals("error"u8);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return head;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (isError && reader.ValueTextEquals("code"u8))
            {
                reader.Read();
                head = head with { ErrorCode = reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var code) ? code : 0 };
                reader.Skip();
            }
            else if (isError && reader.ValueTextEquals("message"u8))
            {
                head = head with { ErrorMessage = ReadText(ref reader) };
            }
            else if (!isError && reader.ValueTextEquals("isError"u8))
            {
                reader.Read();
                head = head with { IsToolError = reader.TokenType == JsonTokenType.True };
                reader.Skip();
            }
            else
            {
                reader.Skip();
            }
        }

        return head;
    }

    private static string? ReadText(ref Utf8JsonReader reader)
    {
        reader.Read();
        var text = reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
        reader.Skip();
        return text;
    }

    private static RequestId? ReadId(ref Utf8JsonReader reader)
    {
        reader.Read();
        RequestId? id = reader.TokenType switch
        {
            JsonTokenType.String => new RequestId(reader.GetString()!),
            JsonTokenType.Number when reader.TryGetInt64(out var number) => new RequestId(number),
            _ => null,
        };
        reader.Skip();
        return id;
    }
}
