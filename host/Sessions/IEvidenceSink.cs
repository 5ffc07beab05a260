using Dawn.Identity;

namespace Dawn.Sessions;

/// <summary>A checkpoint that has verified.</summary>
internal readonly ref struct VerifiedCheckpoint(Certificate sender, ReadOnlySpan<byte> signed, ReadOnlySpan<byte> signature, ReadOnlySpan<byte> leaves)
{
    /// <summary>The certificate that the sender showed.</summary>
    public Certificate Sender { get; } = sender;

    /// <summary>What was signed, without the label.</summary>
    public ReadOnlySpan<byte> Signed { get; } = signed;

    public ReadOnlySpan<byte> Signature { get; } = signature;

    /// <summary>32 bytes for each frame.</summary>
    public ReadOnlySpan<byte> Leaves { get; } = leaves;
}

/// <summary>Keeps what was signed, so that it can be shown to others. Thread-safe, and never makes a session wait.</summary>
internal interface IEvidenceSink
{
    /// <param name="frames">For each frame: its salt ‖ <c>u16</c> length ‖ the frame as it was sent.</param>
    void Keep(in VerifiedCheckpoint checkpoint, ReadOnlySpan<byte> frames);

    /// <summary>A checkpoint's frames were too many bytes to hold until its signature came.</summary>
    void Missed();
}
