using System.Text.Json;
using Microsoft.Extensions.AI;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.Assistant;

/// <summary>What came along with a message, as models take it.</summary>
internal static class Attachments
{
    private const int Most = 16;
    private const int MaxBytes = 20 * 1024 * 1024;
    private const int MaxText = 100_000;

    /// <exception cref="McpException">Too many, too large, or of a kind that models don't take.</exception>
    public static IEnumerable<AIContent> Read(IReadOnlyList<JsonElement> blocks)
    {
        if (blocks.Count > Most)
        {
            throw new McpException($"At most {Most} files at once.");
        }

        var bytes = 0L;
        foreach (var block in blocks)
        {
            ContentBlock? content;
            try
            {
                content = block.Deserialize<ContentBlock>(McpJsonUtilities.DefaultOptions);
            }
            catch (JsonException e)
            {
                throw new McpException($"An attachment is no MCP content block: {e.Message}", e);
            }

            yield return content switch
            {
                TextContentBlock text => Quoted("text", text.Text),
                EmbeddedResourceBlock { Resource: TextResourceContents text } => Quoted(text.Uri, text.Text),
                EmbeddedResourceBlock { Resource: BlobResourceContents blob } when blob.MimeType is { } type && IsMedia(type) => Media(blob.DecodedData, type),
                ImageContentBlock image => Media(image.DecodedData, image.MimeType),
                AudioContentBlock audio => Media(audio.DecodedData, audio.MimeType),
                _ => throw new McpException($"Models take text, images and sound, and no '{(content as EmbeddedResourceBlock)?.Resource.MimeType ?? content?.Type}'."),
            };
        }

        DataContent Media(ReadOnlyMemory<byte> data, string type)
        {
            bytes += data.Length;
            return bytes <= MaxBytes ? new(data, type) : throw new McpException($"The files are larger than {MaxBytes / 1024 / 1024} MB together.");
        }
    }

    private static bool IsMedia(string type) => type.StartsWith("image/", StringComparison.OrdinalIgnoreCase) || type.StartsWith("audio/", StringComparison.OrdinalIgnoreCase);

    private static TextContent Quoted(string name, string text) =>
        text.Length <= MaxText ? new($"Attached, {name}:\n\n{text}") : throw new McpException($"'{name}' has {text.Length} characters; at most {MaxText} are read.");
}
