using System.Security.Cryptography;
using Dawn.Identity;
using NSec.Cryptography;

namespace Dawn.Noise;

/// <summary>An X25519 key pair (RFC 7748). Thread-safe.</summary>
internal class X25519Key : IDisposable
{
    public const int Size = 32;

    private readonly Key _key;
    private readonly byte[] _public;

    public X25519Key(Entropy entropy)
    {
        Span<byte> seed = stackalloc byte[Size];
        try
        {
            entropy.Fill(seed);
            (_key, _public) = Import(seed);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <param name="privateKey">32 bytes; the caller zeroes its own copy.</param>
    public X25519Key(ReadOnlySpan<byte> privateKey) => (_key, _public) = Import(privateKey);

    public ReadOnlySpan<byte> Public => _public;

    /// <summary>Agrees on a secret of 32 bytes; false for public keys that lead to all zeros (RFC 7748, section 6.1).</summary>
    public virtual bool TryAgree(ReadOnlySpan<byte> remote, Span<byte> secret)
    {
        if (remote.Length != Size || !PublicKey.TryImport(KeyAgreementAlgorithm.X25519, remote, KeyBlobFormat.RawPublicKey, out var key) || key is null)
        {
            return false;
        }

        using var shared = KeyAgreementAlgorithm.X25519.Agree(_key, key, new SharedSecretCreationParameters { ExportPolicy = KeyExportPolicies.AllowPlaintextExport });
        return shared is not null && shared.TryExport(SharedSecretBlobFormat.RawSharedSecret, secret, out var size) && size == Size;
    }

    /// <summary>Makes a cipher of what a handshake with this key led to.</summary>
    public virtual Aead CreateCipher(ReadOnlySpan<byte> key) => Aead.Create(key);

    public void Dispose()
    {
        _key.Dispose();
        GC.SuppressFinalize(this);
    }

    private static (Key, byte[]) Import(ReadOnlySpan<byte> privateKey)
    {
        var key = Key.Import(KeyAgreementAlgorithm.X25519, privateKey, KeyBlobFormat.RawPrivateKey);
        return (key, key.PublicKey.Export(KeyBlobFormat.RawPublicKey));
    }
}

/// <summary>The X25519 key that this process shows in its handshakes: made at start, never stored, so that a stolen one dies with the process.</summary>
/// <remarks>All links and sessions of a process come from it: whoever watches it, as tests do, sees every agreement under it and every cipher that follows.</remarks>
internal class StaticKey(Entropy entropy) : X25519Key(entropy);
