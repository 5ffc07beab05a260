using Dawn.Commands;
using Dawn.Identity;

namespace Dawn.Node;

/// <summary><c>dawn id</c>: reads a data directory's identity, whether or not its node runs.</summary>
internal static class IdVerb
{
    public static StoredIdentity? Read(string directory)
    {
        if (!Directory.Exists(directory))
        {
            return null;
        }

        try
        {
            using var opened = DataDirectory.Open(directory);
            using var key = KeyStore.TryLoad(opened);
            return key is null ? null : new StoredIdentity(key.Id.ToString(), NetworkStore.Load(opened)?.Name);
        }
        catch (StartException e)
        {
            throw new CommandException(e.Message);
        }
    }
}
