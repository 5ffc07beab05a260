using System.Security.Cryptography;
using Dawn.Noise;

namespace Dawn.Sessions;

/// <summary>
/// The salts of one direction's leaves, which both ends can compute and nobody else: a leaf that is shown to a third party gives away nothing of the others,
/// however easily their frames could be guessed.
/// </summary>
/// <remarks>One thread at a time. AES-GCM as a key stream: 64 salts cost a microsecond, and each (key, nonce) only ever seals the same zeros.</remarks>
internal sealed class Salts(ReadOnlySpan<byte> key) : IDisposable
{
    /// <summary>Bytes of a salt.</summary>
    public const int Size = 16;

    private const ulong PerBlock = 64;

    private static readonly byte[] Zeros = new byte[PerBlock * Size];

    private readonly Aead _aead = Aead.CreateBrief(key);
    private byte[]? _block;
    private ulong _number;

    /// <summary>The key of one direction's salts.</summary>
    /// <param name="secret">From the session's first handshake.</param>
    public static byte[] Key(ReadOnlySpan<byte> secret, bool fromInitiator)
    {
        var key = new byte[Aead.KeySize];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, key, default, fromInitiator ? "dawn/1 salt\0\u0001"u8 : "dawn/1 salt\0\u0002"u8);
        return key;
    }

    /// <summary>Good until the next call.</summary>
    public ReadOnlySpan<byte> Of(ulong sequence)
    {
        var number = sequence / PerBlock;
        if (_block is null || number != _number)
        {
            _block ??= new byte[Zeros.Length + Aead.TagSize];
            _aead.Seal(number, default, Zeros, _block);
            _number = number;
        }

        return _block.AsSpan((int)(sequence % PerBlock) * Size, Size);
    }

    public void Dispose()
    {
        _aead.Dispose();
        CryptographicOperations.ZeroMemory(_block);
    }
}
