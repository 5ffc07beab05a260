namespace Dawn.Noise;

/// <summary>What a handshake message carries or mixes (Noise, revision 34, section 7.1).</summary>
internal enum NoiseToken : byte
{
    /// <summary>The sender's ephemeral key.</summary>
    E,

    /// <summary>The sender's static key.</summary>
    S,

    /// <summary>Diffie–Hellman between two ephemerals.</summary>
    EE,

    /// <summary>Between the initiator's ephemeral and the responder's static.</summary>
    ES,

    /// <summary>Between the initiator's static and the responder's ephemeral.</summary>
    SE,

    /// <summary>Between two statics.</summary>
    SS,

    /// <summary>The pre-shared key.</summary>
    Psk,
}

/// <summary>A handshake pattern; the messages alternate, beginning with the initiator's.</summary>
/// <param name="Name">As in the protocol's name, with modifiers.</param>
/// <param name="InitiatorStaticKnown">The responder knows the initiator's static key beforehand (<c>→ s</c> as a pre-message).</param>
/// <param name="ResponderStaticKnown">The initiator knows the responder's (<c>← s</c>).</param>
internal sealed record HandshakePattern(string Name, bool InitiatorStaticKnown, bool ResponderStaticKnown, NoiseToken[][] Messages)
{
    /// <summary>
    /// XX: nothing is known beforehand, identities are hidden. The PSK counts at the start, so that a stranger's first message fails
    /// before any Diffie–Hellman, and at the end, so that nobody is trusted who lost it meanwhile.
    /// </summary>
    public static HandshakePattern XXpsk0psk3 { get; } = new("XXpsk0+psk3", false, false,
    [
        [NoiseToken.Psk, NoiseToken.E],
        [NoiseToken.E, NoiseToken.EE, NoiseToken.S, NoiseToken.ES],
        [NoiseToken.S, NoiseToken.SE, NoiseToken.Psk],
    ]);

    public string ProtocolName => $"Noise_{Name}_25519_AESGCM_SHA256";

    /// <summary>With a PSK every ephemeral is mixed into the key as well (section 9.2).</summary>
    public bool HasPsk { get; } = Messages.Any(message => message.Contains(NoiseToken.Psk));
}
