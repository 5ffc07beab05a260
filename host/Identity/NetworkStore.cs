using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dawn.Identity;

/// <summary>What a data directory remembers of its network. Secret.</summary>
/// <param name="Root">32 bytes in hexadecimal for members; null for guests.</param>
/// <param name="Certificate">Base64; null where the root certifies this node anew at each start.</param>
/// <param name="Bootstrap">Where the network was entered.</param>
internal sealed record StoredNetwork(string Name, string Node, string? Root, string Psk, string Key, string? Certificate, IReadOnlyList<string> Bootstrap)
{
    // What a record would print by itself is secret.
    public override string ToString() => $"the network '{Name}'";
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, WriteIndented = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(StoredNetwork))]
internal sealed partial class NetworkJson : JsonSerializerContext;

/// <summary>The file <c>network.json</c> of a data directory, and the cache of a passphrase's slow derivation.</summary>
internal static class NetworkStore
{
    public const string FileName = "network.json";

    private const string PassphraseCache = "passphrase.cache";

    /// <exception cref="StartException">The file is damaged.</exception>
    public static StoredNetwork? Load(DataDirectory directory)
    {
        if (directory.ReadText(FileName) is not { } text)
        {
            return null;
        }

        try
        {
            var stored = JsonSerializer.Deserialize(text, NetworkJson.Default.StoredNetwork) ?? throw new JsonException("It is empty.");
            return NodeId.TryParse(stored.Key, out _) && NodeId.TryParse(stored.Node, out _) && NetworkSecret.TryParseRoot(stored.Psk, out _)
                && (stored.Root is null ? IsBase64(stored.Certificate) : NetworkSecret.TryParseRoot(stored.Root, out _))
                ? stored
                : throw new JsonException("A key is not of the right form.");
        }
        catch (JsonException e)
        {
            throw new StartException($"{directory.File(FileName)} is damaged: {e.Message} Restore it from a backup, or remove it to make or join a network anew.", e);
        }
    }

    public static void Save(DataDirectory directory, StoredNetwork network) =>
        directory.WriteText(FileName, JsonSerializer.Serialize(network, NetworkJson.Default.StoredNetwork) + "\n");

    /// <summary>The root of a configured secret; a passphrase's is derived once and then read from the cache.</summary>
    public static byte[] RootOf(DataDirectory directory, string secret, string networkName)
    {
        if (NetworkSecret.TryParseRoot(secret, out var root))
        {
            return root;
        }

        // The tag is keyed by the cached root, so it says which passphrase the entry is for without being easier to guess than the root beside it.
        if (directory.ReadText(PassphraseCache)?.Trim().Split(' ') is [var cached, var tag]
            && NetworkSecret.TryParseRoot(cached, out root)
            && CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(tag), Encoding.ASCII.GetBytes(Tag(root, secret, networkName))))
        {
            return root;
        }

        root = NetworkSecret.FromPassphrase(secret, networkName);
        directory.WriteText(PassphraseCache, $"{Convert.ToHexStringLower(root)} {Tag(root, secret, networkName)}\n");
        return root;
    }

    private static bool IsBase64(string? text) => text is not null && Convert.TryFromBase64String(text, new byte[text.Length], out _);

    private static string Tag(byte[] root, string secret, string networkName) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(root, Signatures.Labelled(Encoding.UTF8.GetBytes(networkName), Encoding.UTF8.GetBytes(secret))));
}
