namespace Dawn.Identity;

/// <summary>The token that makes a local HTTP caller this node's owner: <c>owner.token</c> in the data directory, mode 0600. Whoever can read it could read the node's key as well.</summary>
internal static class OwnerToken
{
    public const string FileName = "owner.token";

    private const int Size = 32;

    /// <summary>Reads the token anew at each call, so that a replaced file counts at once; makes it where there is none.</summary>
    public static Func<string?> LoadOrCreate(DataDirectory directory, Entropy entropy)
    {
        if (directory.ReadText(FileName) is null)
        {
            directory.WriteText(FileName, Base32.Encode(entropy.Bytes(Size)) + "\n");
        }

        return () => directory.ReadText(FileName)?.Trim() is { Length: > 0 } token ? token : null;
    }
}
