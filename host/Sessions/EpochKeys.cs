using Dawn.Noise;

namespace Dawn.Sessions;

/// <summary>The keys of one epoch of a session and what must never be shared between epochs: the nonces given out and the nonces taken.</summary>
/// <remarks>The cipher halves end separately: each is used by one loop, which may still be at work when the other has ended.</remarks>
internal sealed class EpochKeys(ushort number, Aead send, Aead receive)
{
    private ulong _nextNonce;

    public ushort Number => number;

    public Aead Send => send;

    public Aead Receive => receive;

    public ReplayWindow Taken { get; } = new();

    /// <summary>The next nonce for sending; false when they are used up (the last is reserved: Noise, section 5.1), which ends the session. Call under the session's lock.</summary>
    public bool TryTakeNonce(out ulong nonce)
    {
        nonce = _nextNonce;
        if (nonce == ulong.MaxValue)
        {
            return false;
        }

        _nextNonce++;
        return true;
    }
}
