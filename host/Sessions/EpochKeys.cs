using Dawn.Noise;

namespace Dawn.Sessions;

/// <summary>The keys of one epoch of a session and what must never be shared between epochs: the nonces given out and the nonces taken.</summary>
/// <remarks>The cipher halves end separately: each is used by one loop, which may still be at work when the other has ended.</remarks>
internal sealed class EpochKeys(ushort number, (Aead Send, Aead Receive) keys)
{
    private ulong _nextNonce;

    /// <summary>Starts again from 0 after 65,535: only neighbouring epochs are ever told apart.</summary>
    public ushort Number => number;

    public Aead Send => keys.Send;

    public Aead Receive => keys.Receive;

    public ReplayWindow Taken { get; } = new();

    public EpochKeys Next((Aead Send, Aead Receive) next) => new(unchecked((ushort)(number + 1)), next);

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
