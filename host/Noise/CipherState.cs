namespace Dawn.Noise;

/// <summary>A key of a handshake and its counter (Noise, revision 34, section 5.1). Without a key it passes bytes through.</summary>
internal sealed class CipherState : IDisposable
{
    private Aead? _aead;
    private ulong _nonce;

    public bool HasKey => _aead is not null;

    public void InitializeKey(ReadOnlySpan<byte> key)
    {
        _aead?.Dispose();
        _aead = Aead.CreateBrief(key);
        _nonce = 0;
    }

    public byte[] Encrypt(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plaintext)
    {
        if (_aead is null)
        {
            return plaintext.ToArray();
        }

        var ciphertext = new byte[plaintext.Length + Aead.TagSize];
        _aead.Seal(_nonce, associated, plaintext, ciphertext);
        _nonce++;
        return ciphertext;
    }

    /// <summary>Null for what doesn't authenticate; the counter then stays.</summary>
    public byte[]? Decrypt(ReadOnlySpan<byte> associated, ReadOnlySpan<byte> ciphertext)
    {
        if (_aead is null)
        {
            return ciphertext.ToArray();
        }

        if (ciphertext.Length < Aead.TagSize)
        {
            return null;
        }

        var plaintext = new byte[ciphertext.Length - Aead.TagSize];
        if (!_aead.TryOpen(_nonce, associated, ciphertext, plaintext))
        {
            return null;
        }

        _nonce++;
        return plaintext;
    }

    public void Dispose()
    {
        _aead?.Dispose();
        _aead = null;
    }
}
