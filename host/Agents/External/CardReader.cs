using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Dawn.Identity;
using ModelContextProtocol;
using ModelContextProtocol.Protocol;

namespace Dawn.Agents.External;

/// <summary>Makes an agent's card from its lists.</summary>
internal static class CardReader
{
    /// <summary>The longest title, in UTF-8 (docs/protocol.md, "Node record").</summary>
    public const int MaxTitle = 128;

    /// <summary>The longest name of a tool that a card carries; longer ones are found by asking the agent.</summary>
    public const int MaxToolName = 128;

    // More pages than any server has; a cursor that never ends must not keep us.
    private const int MaxPages = 64;

    private static readonly (string Method, string Key, string Capability)[] Lists =
    [
        (RequestMethods.ToolsList, "tools", "tools"),
        (RequestMethods.PromptsList, "prompts", "prompts"),
        (RequestMethods.ResourcesList, "resources", "resources"),
        (RequestMethods.ResourcesTemplatesList, "resourceTemplates", "resources"),
    ];

    public static async Task<AgentCard> ReadAsync(ExternalServerSettings settings, ServerHello hello, IJsonRpcPeer server, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var tools = ImmutableArray.CreateBuilder<string>();
        foreach (var (method, key, capability) in Lists)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(key + "\0"));
            if (!hello.Offers(capability))
            {
                continue;
            }

            string? cursor = null;
            for (var page = 0; page < MaxPages; page++)
            {
                var result = await AskAsync(server, method, hello.Parameters(cursor), cancellationToken);
                if (result?[key] is not JsonArray items)
                {
                    break;
                }

                foreach (var item in items)
                {
                    hash.AppendData(CanonicalJson.Bytes(item));
                    if (method == RequestMethods.ToolsList && tools.Count < AgentCard.MaxTools && item is JsonObject tool && TextOf(tool["name"]) is { Length: > 0 } name
                        && Encoding.UTF8.GetByteCount(name) <= MaxToolName)
                    {
                        tools.Add(name);
                    }
                }

                cursor = TextOf(result["nextCursor"]);
                if (cursor is null)
                {
                    break;
                }
            }
        }

        var info = hello.Result["serverInfo"] as JsonObject ?? (hello.Result["_meta"] as JsonObject)?[MetaKeys.ServerInfo] as JsonObject;
        var title = settings.Title ?? NonEmpty(TextOf(info?["title"])) ?? NonEmpty(TextOf(info?["name"])) ?? settings.Id;
        return new(settings.Id, BoundedText.Cut(title, MaxTitle), [.. hash.GetHashAndReset()], tools.ToImmutable());
    }

    private static async Task<JsonNode?> AskAsync(IJsonRpcPeer server, string method, JsonNode? parameters, CancellationToken cancellationToken)
    {
        try
        {
            return await server.RequestAsync(method, parameters, cancellationToken);
        }
        catch (McpProtocolException)
        {
            // A capability that it offers and doesn't have, templates most often: as good as an empty list.
            return null;
        }
    }

    private static string? TextOf(JsonNode? node) => node is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    private static string? NonEmpty(string? text) => string.IsNullOrWhiteSpace(text) ? null : text;
}
