namespace Dawn.Sessions;

/// <summary>Which nonces of a direction were taken already (RFC 6479): a ring of words, so that moving forward clears words instead of shifting bits.</summary>
/// <remarks>Ask <see cref="IsFresh"/> before opening a segment, and <see cref="Take"/> only what has authenticated: else a forger could move the window.</remarks>
internal sealed class ReplayWindow
{
    /// <summary>Nonces behind the newest that still count: more than a session may have in flight, also when every frame is sent several times.</summary>
    public const int Size = 16_384;

    // One word more than the window has, since its ends need not meet the words' (RFC 6479, section 2).
    private const int Words = Size / 64 + 1;

    private readonly ulong[] _taken = new ulong[Words];

    // One past the highest nonce taken.
    private ulong _end;

    public bool IsFresh(ulong nonce)
    {
        if (nonce >= _end)
        {
            // The last nonce is reserved (Noise, section 5.1), and _end could not pass it.
            return nonce != ulong.MaxValue;
        }

        return _end - nonce <= Size && (_taken[(nonce >> 6) % Words] & (1UL << (int)(nonce & 63))) == 0;
    }

    public void Take(ulong nonce)
    {
        if (nonce >= _end)
        {
            var word = _end == 0 ? 0 : (_end - 1) >> 6;
            var ahead = Math.Min((nonce >> 6) - word, Words);
            for (var i = 1UL; i <= ahead; i++)
            {
                _taken[(word + i) % Words] = 0;
            }

            _end = nonce + 1;
        }

        _taken[(nonce >> 6) % Words] |= 1UL << (int)(nonce & 63);
    }
}
