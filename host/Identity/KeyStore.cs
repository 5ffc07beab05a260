using System.Security.Cryptography;

namespace Dawn.Identity;

/// <summary>The node's Ed25519 key in its data directory: <c>identity.key</c>, made at the first start, mode 0600.</summary>
internal static class KeyStore
{
    public const string FileName = "identity.key";

    // Names the format, and lets people recognize the file for what it is.
    private const string Header = "dawn-identity-1 ";

    private const int SeedSize = 32;

    /// <summary>Reads the key; null where the directory has none.</summary>
    /// <exception cref="StartException">The file is damaged, or others may read it.</exception>
    public static SigningKey? TryLoad(DataDirectory directory)
    {
        if (directory.ReadText(FileName) is not { } text)
        {
            return null;
        }

        var path = directory.File(FileName);
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)) is not UnixFileMode.None)
        {
            throw new StartException($"Others may read this node's private key {path}. Run: chmod 600 '{path}'");
        }

        var seed = new byte[SeedSize];
        try
        {
            return text.StartsWith(Header, StringComparison.Ordinal) && Base32.TryDecode(text.AsSpan(Header.Length).TrimEnd(), seed)
                ? new SigningKey(seed)
                : throw new StartException($"{path} is damaged: it is no Dawn key. Restore it from a backup, or move it away to start as a new node.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <summary>Reads the key, or makes one at the first start.</summary>
    /// <param name="usedBy">The node that this directory served before, if any: its key must not be missing.</param>
    public static SigningKey LoadOrCreate(DataDirectory directory, NodeId? usedBy, Entropy entropy)
    {
        if (TryLoad(directory) is { } key)
        {
            return usedBy is not { } node || node == key.Id
                ? key
                : throw new StartException($"{directory.File(FileName)} is the key of node {key.Id.ToShortString()}, but this data directory belongs to {node.ToShortString()}. Put the right key back, or use another --data.");
        }

        if (usedBy is { } lost)
        {
            throw new StartException($"{directory.File(FileName)} is missing, and without it this is no longer node {lost.ToShortString()}. Restore it from a backup, or remove {directory.File(NetworkStore.FileName)} to start as a new node.");
        }

        var seed = entropy.Bytes(SeedSize);
        try
        {
            directory.WriteText(FileName, Header + Base32.Encode(seed) + "\n");
            return new SigningKey(seed);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }
}
