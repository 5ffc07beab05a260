namespace Dawn.Identity;

/// <summary>How a node wants its traffic: the values of <c>Dawn:Security:Encryption</c> and of the wire.</summary>
internal enum EncryptionMode : byte
{
    Required = 0,
    /// <summary>Sealed unless the other end is <see cref="Off"/>.</summary>
    Optional = 1,
    Off = 2,
}

/// <summary>Which encryption two offers agree on (docs/protocol.md, "Encryption modes").</summary>
internal enum EncryptionAgreement
{
    Sealed,
    Clear,
    /// <summary>One end requires what the other refuses.</summary>
    None,
}

internal static class EncryptionModes
{
    public static EncryptionAgreement Agree(EncryptionMode a, EncryptionMode b) => (a, b) switch
    {
        (EncryptionMode.Off, EncryptionMode.Required) or (EncryptionMode.Required, EncryptionMode.Off) => EncryptionAgreement.None,
        (EncryptionMode.Off, _) or (_, EncryptionMode.Off) => EncryptionAgreement.Clear,
        _ => EncryptionAgreement.Sealed,
    };
}

/// <summary>What a member knows of its network. <see cref="Psk"/> is secret; the array lives as long as the node.</summary>
/// <param name="Name">For people; not secret and not proof of anything.</param>
/// <param name="Psk">32 bytes; both ends of every link and session prove that they hold it.</param>
/// <param name="Key">The public key under which certificates count.</param>
internal sealed record NetworkKeys(string Name, byte[] Psk, NodeId Key);

/// <summary>Who this node is, as links and sessions show it. Thread-safe; the certificate changes when it is renewed.</summary>
internal interface INodeIdentity
{
    NodeId Id { get; }

    NetworkKeys Network { get; }

    Certificate Certificate { get; }

    byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content);
}
