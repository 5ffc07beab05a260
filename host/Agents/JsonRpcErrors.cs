using System.Text.Json.Nodes;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents;

/// <summary>
/// Errors that Dawn itself answers in an agent's place. Their <c>data.dawn</c> says what became of the call: <c>not-executed</c>
/// (the agent never saw it) or <c>outcome-unknown</c> (it may have been executed; only the caller may decide to ask again).
/// </summary>
internal static class JsonRpcErrors
{
    /// <summary>The agent went away, or a limit was reached; from JSON-RPC's range for servers.</summary>
    public const int Unavailable = -32000;

    /// <summary>Policy refuses this caller this tool. Not -32001 or -32002, which clients take for a time-out and a missing resource.</summary>
    public const int Refused = -32003;

    public const int ParseError = -32700;

    public const int InvalidRequest = -32600;

    public const int InvalidParams = -32602;

    public const int MethodNotFound = -32601;

    public const string NotExecuted = "not-executed";

    public const string OutcomeUnknown = "outcome-unknown";

    public static JsonRpcError Create(RequestId id, int code, string message, string? outcome = null) => new()
    {
        Id = id,
        Error = new() { Code = code, Message = message, Data = outcome is null ? null : new JsonObject { ["dawn"] = outcome } },
    };
}

/// <summary>Text cut to a number of bytes in UTF-8, whole characters only.</summary>
internal static class BoundedText
{
    /// <summary>The longest reason that a close frame carries (docs/protocol.md, <c>text8</c>).</summary>
    public const int MaxReason = 255;

    public static string Cut(string text, int maxBytes)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(text) <= maxBytes)
        {
            return text;
        }

        var bytes = 0;
        var length = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            // Three bytes are kept for the ellipsis.
            if (bytes + rune.Utf8SequenceLength > maxBytes - 3)
            {
                break;
            }

            bytes += rune.Utf8SequenceLength;
            length += rune.Utf16SequenceLength;
        }

        return text[..length] + "…";
    }
}
