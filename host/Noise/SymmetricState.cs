using System.Security.Cryptography;
using System.Text;

namespace Dawn.Noise;

/// <summary>Chaining key, handshake hash and current cipher (Noise, revision 34, section 5.2), with SHA-256.</summary>
internal sealed class SymmetricState : IDisposable
{
    public const int HashSize = 32;

    private readonly IncrementalHash _sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _chainingKey = new byte[HashSize];
    private readonly byte[] _hash = new byte[HashSize];
    private readonly CipherState _cipher = new();

    public SymmetricState(string protocolName)
    {
        var name = Encoding.ASCII.GetBytes(protocolName);
        if (name.Length <= HashSize)
        {
            name.CopyTo(_hash, 0);
        }
        else
        {
            SHA256.HashData(name, _hash);
        }

        _hash.CopyTo(_chainingKey, 0);
    }

    public bool HasKey => _cipher.HasKey;

    public ReadOnlySpan<byte> Hash => _hash;

    public void MixKey(ReadOnlySpan<byte> material)
    {
        Span<byte> output = stackalloc byte[2 * HashSize];
        Derive(material, output);
        _cipher.InitializeKey(output[HashSize..]);
        CryptographicOperations.ZeroMemory(output);
    }

    public void MixHash(ReadOnlySpan<byte> data)
    {
        _sha256.AppendData(_hash);
        _sha256.AppendData(data);
        _sha256.GetHashAndReset(_hash);
    }

    public void MixKeyAndHash(ReadOnlySpan<byte> material)
    {
        Span<byte> output = stackalloc byte[3 * HashSize];
        Derive(material, output);
        MixHash(output[HashSize..(2 * HashSize)]);
        _cipher.InitializeKey(output[(2 * HashSize)..]);
        CryptographicOperations.ZeroMemory(output);
    }

    public byte[] EncryptAndHash(ReadOnlySpan<byte> plaintext)
    {
        var ciphertext = _cipher.Encrypt(_hash, plaintext);
        MixHash(ciphertext);
        return ciphertext;
    }

    /// <summary>Null for what doesn't authenticate.</summary>
    public byte[]? DecryptAndHash(ReadOnlySpan<byte> ciphertext)
    {
        var plaintext = _cipher.Decrypt(_hash, ciphertext);
        if (plaintext is not null)
        {
            MixHash(ciphertext);
        }

        return plaintext;
    }

    /// <summary>The transport keys: the first for what the initiator sends, the second for the responder.</summary>
    /// <param name="own">Makes the ciphers.</param>
    public (Aead Initiator, Aead Responder) Split(X25519Key? own = null)
    {
        Span<byte> output = stackalloc byte[2 * HashSize];
        Hkdf(default, output);
        try
        {
            var initiator = Create(own, output[..HashSize]);
            try
            {
                return (initiator, Create(own, output[HashSize..]));
            }
            catch
            {
                initiator.Dispose();
                throw;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(output);
        }
    }

    /// <summary>32 bytes that both ends know and nobody else does, apart from the transport keys: the output after them of the same HKDF (section 4.3).</summary>
    public byte[] ExportSecret()
    {
        Span<byte> output = stackalloc byte[3 * HashSize];
        Hkdf(default, output);
        var secret = output[(2 * HashSize)..].ToArray();
        CryptographicOperations.ZeroMemory(output);
        return secret;
    }

    public void Dispose()
    {
        _cipher.Dispose();
        _sha256.Dispose();
        CryptographicOperations.ZeroMemory(_chainingKey);
        CryptographicOperations.ZeroMemory(_hash);
    }

    // One-way patterns may have no static key at this end.
    private static Aead Create(X25519Key? own, ReadOnlySpan<byte> key) => own?.CreateCipher(key) ?? Aead.Create(key);

    // The first output is the next chaining key.
    private void Derive(ReadOnlySpan<byte> material, Span<byte> output)
    {
        Hkdf(material, output);
        output[..HashSize].CopyTo(_chainingKey);
    }

    // Noise's HKDF (section 4.3) is RFC 5869's with the chaining key as salt and no info. Its first step is called by its own name,
    // HMAC, since OpenSSL's HKDF refuses the empty material of Split().
    private void Hkdf(ReadOnlySpan<byte> material, Span<byte> output)
    {
        Span<byte> key = stackalloc byte[HashSize];
        HMACSHA256.HashData(_chainingKey, material, key);
        HKDF.Expand(HashAlgorithmName.SHA256, key, output, ReadOnlySpan<byte>.Empty);
        CryptographicOperations.ZeroMemory(key);
    }
}
