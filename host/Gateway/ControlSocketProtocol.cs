using System.Text.Json;
using System.Text.Json.Serialization;
using Dawn.Sessions;

namespace Dawn.Gateway;

/// <summary>The first line from a client of the control socket.</summary>
/// <param name="Dawn">The version of this protocol, 1.</param>
/// <param name="Open">An address as people write it; empty for the aggregate of all agents.</param>
/// <param name="As"><c>owner</c> or <c>gateway</c>: as whom the client wants to call.</param>
internal sealed record ControlRequest(int Dawn, string? Open, string? As);

/// <summary>The node's answer, one line: either <see cref="Opened"/>, or <see cref="Error"/> and <see cref="Code"/>.</summary>
internal sealed record ControlAnswer(string? Opened = null, string? Error = null, string? Code = null);

/// <summary>The node's last line where a conversation breaks instead of ending: it begins with <c>{"dawn":1,"error":</c>, as no JSON-RPC message does.</summary>
/// <param name="Transmitted">So many of the client's messages, from the first, may have reached the agent; those after them surely did not.</param>
internal sealed record ControlEnd(int Dawn, string Error, string Code, long Transmitted)
{
    private static ReadOnlySpan<byte> Prefix => "{\"dawn\":1,\"error\":"u8;

    /// <summary>True for a line that a client would take for the node's last; no agent may send one.</summary>
    public static bool Resembles(ReadOnlySpan<byte> line) => line.StartsWith(Prefix);

    public static bool TryRead(ReadOnlySpan<byte> line, out ControlEnd? end)
    {
        end = null;
        if (!Resembles(line))
        {
            return false;
        }

        try
        {
            end = JsonSerializer.Deserialize(line, ControlJson.Default.ControlEnd);
            return end is not null;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}

/// <summary>Stable words for what went wrong.</summary>
internal static class ControlCode
{
    public const string BadRequest = "bad-request";
    public const string Limit = "limit";

    public static string Of(MeshError error) => JsonNamingPolicy.KebabCaseLower.ConvertName(error.ToString());
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlAnswer))]
[JsonSerializable(typeof(ControlEnd))]
internal sealed partial class ControlJson : JsonSerializerContext;
