using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ModelContextProtocol;
using ModelContextProtocol.Server;

namespace Dawn.Agents;

/// <summary>The card of an agent whose lists are in collections.</summary>
internal static class AssemblyCard
{
    // Bounds of a node record: docs/protocol.md, "Node record".
    private const int MaxTextBytes = 128;

    public static AgentCard Of(string id, string? title, McpServerOptions options)
    {
        var tools = (options.ToolCollection?.ToArray() ?? []).Select(t => t.ProtocolTool).OrderBy(t => t.Name, StringComparer.Ordinal).ToList();
        var prompts = (options.PromptCollection?.ToArray() ?? []).Select(p => p.ProtocolPrompt).OrderBy(p => p.Name, StringComparer.Ordinal);
        var resources = (options.ResourceCollection?.ToArray() ?? []).Select(r => r.ProtocolResourceTemplate).OrderBy(r => r.UriTemplate, StringComparer.Ordinal);

        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(digest, "tools", tools);
        Append(digest, "prompts", prompts);
        Append(digest, "resources", resources);
        var names = tools.Select(t => t.Name).Where(n => Encoding.UTF8.GetByteCount(n) <= MaxTextBytes).Take(AgentCard.MaxTools);
        return new(id, Shorten(title ?? options.ServerInfo?.Title ?? id), [.. digest.GetHashAndReset()], [.. names]);
    }

    private static void Append<T>(IncrementalHash digest, string list, IEnumerable<T> items)
    {
        digest.AppendData(Encoding.UTF8.GetBytes(list + "\n"));
        foreach (var item in items)
        {
            var buffer = new ArrayBufferWriter<byte>();
            using (var writer = new Utf8JsonWriter(buffer))
            {
                WriteCanonical(writer, JsonSerializer.SerializeToElement(item, McpJsonUtilities.DefaultOptions));
            }

            digest.AppendData(buffer.WrittenSpan);
            digest.AppendData("\n"u8);
        }
    }

    // Members sorted by name: the digest is of what is said, not of the order in which a library says it.
    private static void WriteCanonical(Utf8JsonWriter writer, JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Object)
        {
            writer.WriteStartObject();
            foreach (var property in element.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal))
            {
                writer.WritePropertyName(property.Name);
                WriteCanonical(writer, property.Value);
            }

            writer.WriteEndObject();
        }
        else if (element.ValueKind == JsonValueKind.Array)
        {
            writer.WriteStartArray();
            foreach (var item in element.EnumerateArray())
            {
                WriteCanonical(writer, item);
            }

            writer.WriteEndArray();
        }
        else
        {
            element.WriteTo(writer);
        }
    }

    private static string Shorten(string title)
    {
        var runes = new StringBuilder();
        var bytes = 0;
        foreach (var rune in title.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > MaxTextBytes)
            {
                break;
            }

            runes.Append(rune);
        }

        return runes.ToString();
    }
}
