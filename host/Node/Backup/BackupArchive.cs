using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dawn.Gateway;
using Dawn.Identity;
using NSec.Cryptography;

namespace Dawn.Node.Backup;

/// <summary>What makes a node this node: its files, at one moment. Secret.</summary>
internal sealed record BackupContent(string Node, string? Network, DateTimeOffset Created, string Version, IReadOnlyDictionary<string, byte[]> Files)
{
    // What a record would print by itself is secret.
    public override string ToString() => $"the backup of node {Node} of {Created:u}";
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(BackupContent))]
internal sealed partial class BackupJson : JsonSerializerContext;

/// <summary>The form of a backup file: one line that says how it is kept, then the content, hashed or sealed.</summary>
/// <remarks>
/// <c>dawn-backup-1 plain {SHA-256}</c>, or <c>dawn-backup-1 sealed {salt} {nonce}</c> with the content under XChaCha20-Poly1305 (the line is its associated data)
/// and a key by Argon2id from the passphrase. The cost is the format's, not the file's: a forged file can't ask for gigabytes.
/// </remarks>
internal static class BackupArchive
{
    /// <summary>A node's files have some kilobytes; settings, some dozen.</summary>
    public const int MaxSize = 16 * 1024 * 1024;

    private const string Magic = "dawn-backup-1";
    private const int MaxLine = 200;
    private const int MaxFiles = 64;
    private const int SaltSize = 16;

    // Four times what a network's passphrase costs: a stolen backup is guessed at offline, and nobody waits for it often. About half a second.
    private static readonly Argon2Parameters Cost = new() { DegreeOfParallelism = 1, MemorySize = 256 * 1024, NumberOfPasses = 3 };

    private static AeadAlgorithm Cipher => AeadAlgorithm.XChaCha20Poly1305;

    /// <param name="passphrase">Null leaves the content readable by whoever has the file.</param>
    public static byte[] Write(BackupContent content, string? passphrase, Entropy entropy)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(content, BackupJson.Default.BackupContent);
        if (json.Length > MaxSize / 2)
        {
            throw new InvalidDataException($"The files of the data directory have more than {MaxSize >> 21} MiB together; is something else among them?");
        }

        if (passphrase is null)
        {
            return [.. Encoding.ASCII.GetBytes($"{Magic} plain {Convert.ToHexStringLower(SHA256.HashData(json))}\n"), .. json];
        }

        var (salt, nonce) = (entropy.Bytes(SaltSize), entropy.Bytes(Cipher.NonceSize));
        var line = Encoding.ASCII.GetBytes($"{Magic} sealed {Convert.ToHexStringLower(salt)} {Convert.ToHexStringLower(nonce)}\n");
        using var key = Derive(passphrase, salt);
        byte[] file = [.. line, .. Cipher.Encrypt(key, nonce, line, json)];
        CryptographicOperations.ZeroMemory(json);
        return file;
    }

    /// <summary>True for a file that needs a passphrase.</summary>
    public static bool IsSealed(ReadOnlySpan<byte> file) => FirstLine(file).StartsWith($"{Magic} sealed ", StringComparison.Ordinal);

    /// <exception cref="InvalidDataException">It is no backup, is damaged, or the passphrase is another.</exception>
    public static BackupContent Read(ReadOnlySpan<byte> file, string? passphrase)
    {
        var line = FirstLine(file);
        var body = file[(line.Length + 1)..];
        var json = line.Split(' ') switch
        {
            [Magic, "plain", var hash] => CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(hash), Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(body))))
                ? body.ToArray()
                : throw new InvalidDataException("it is damaged: its content is not what its first line says"),
            [Magic, "sealed", var salt, var nonce] when salt.Length == 2 * SaltSize && nonce.Length == 2 * Cipher.NonceSize => Open(file[..(line.Length + 1)], body, Hex(salt), Hex(nonce), passphrase),
            _ => throw new InvalidDataException("it is of a form that this version does not know"),
        };
        try
        {
            var content = JsonSerializer.Deserialize(json, BackupJson.Default.BackupContent) ?? throw new JsonException("It is empty.");
            foreach (var name in content.Files.Keys.Where(name => !IsAllowed(name)))
            {
                throw new InvalidDataException($"it holds a file '{Commands.Terminal.OneLine(name)}', which is none of a node's");
            }

            return content.Files.Count is > 0 and <= MaxFiles && content.Files.ContainsKey(KeyStore.FileName) ? content : throw new InvalidDataException("it holds no node");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"its content can't be read: {e.Message}", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(json);
        }
    }

    /// <summary>
    /// The files that are kept: names alone, so that no archive can name a place. Caches, sockets, the lock and loaded plugins are made anew.
    /// </summary>
    public static bool IsAllowed(string name) =>
        name is KeyStore.FileName or NetworkStore.FileName or OwnerToken.FileName or OwnCertificate.FileName or "tickets.json" or SequenceFile or "appsettings.json"
        // A network that was left, which people may go back to.
        || (name.StartsWith("network.", StringComparison.Ordinal) && name.EndsWith(".json", StringComparison.Ordinal) && name.Length <= 120
            && name.AsSpan().IndexOfAny('/', '\\', '\0') < 0 && !name.Any(char.IsControl));

    /// <summary>Keeps the number of the last record that this node signed.</summary>
    public const string SequenceFile = "record.sequence";

    private static byte[] Open(ReadOnlySpan<byte> line, ReadOnlySpan<byte> body, byte[] salt, byte[] nonce, string? passphrase)
    {
        using var key = Derive(passphrase ?? throw new InvalidDataException("it is sealed; give its passphrase with --passphrase-file"), salt);
        return Cipher.Decrypt(key, nonce, line, body) ?? throw new InvalidDataException("the passphrase is another, or it is damaged");
    }

    private static Key Derive(string passphrase, byte[] salt) =>
        PasswordBasedKeyDerivationAlgorithm.Argon2id(Cost).DeriveKey(passphrase.Normalize(NormalizationForm.FormC), salt, Cipher);

    private static byte[] Hex(string text)
    {
        try
        {
            return Convert.FromHexString(text);
        }
        catch (FormatException e)
        {
            throw new InvalidDataException("its first line is damaged", e);
        }
    }

    private static string FirstLine(ReadOnlySpan<byte> file)
    {
        var end = file[..Math.Min(file.Length, MaxLine)].IndexOf((byte)'\n');
        return end > 0 && file.StartsWith(Encoding.ASCII.GetBytes(Magic)) ? Encoding.ASCII.GetString(file[..end]) : throw new InvalidDataException("it is no backup of a node");
    }
}
