using System.Buffers.Binary;
using System.Security.Cryptography;
using NSec.Cryptography;

namespace Dawn.Noise;

/// <summary>AES-256-GCM under one key, nonces as Noise forms them: 4 zero bytes ‖ big-endian counter (revision 34, section 12.3).</summary>
/// <remarks>One thread at a time. Whoever seals owns the counter: no nonce may seal twice.</remarks>
internal abstract class Aead : IDisposable
{
    public const int KeySize = 32;

    public const int TagSize = 16;

    // An NSec key is four memory mappings in guarded pages; with the usual vm.max_map_count a process runs out near 16,000 keys,
    // and the runtime needs mappings too. Beyond the limit keys live in the BCL: slower for small messages, else the same.
    private const int MaxLocked = 2_000;

    private const int NonceSize = 12;

    private static int _locked;

    /// <summary>For a key that lives as long as a link or a session: the back end that is faster for small messages, as long as there is room for it.</summary>
    public static Aead Create(ReadOnlySpan<byte> key)
    {
        CheckKey(key);
        if (!Aes256Gcm.IsSupported)
        {
            return new Platform(key);
        }

        if (Interlocked.Increment(ref _locked) > MaxLocked)
        {
            Interlocked.Decrement(ref _locked);
            return new Platform(key);
        }

        try
        {
            return new Locked(key);
        }
        catch
        {
            Interlocked.Decrement(ref _locked);
            throw;
        }
    }

    /// <summary>For a key that seals or opens once or twice, as those of a handshake: twenty times cheaper to make.</summary>
    public static Aead CreateBrief(ReadOnlySpan<byte> key)
    {
        CheckKey(key);
        return new Platform(key);
    }

    /// <param name="ciphertext">As long as the plaintext and <see cref="TagSize"/> more; may not overlap it.</param>
    public void Seal(ulong nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext)
    {
        if (nonce == ulong.MaxValue)
        {
            throw new CryptographicException("The key has sealed all it may.");  // reserved by Noise, section 5.1
        }

        if (ciphertext.Length != plaintext.Length + TagSize)
        {
            throw new ArgumentException($"The ciphertext must be {TagSize} bytes longer than the plaintext.", nameof(ciphertext));
        }

        Span<byte> bytes = stackalloc byte[NonceSize];
        BinaryPrimitives.WriteUInt64BigEndian(bytes[4..], nonce);
        SealCore(bytes, associated, plaintext, ciphertext);
    }

    /// <summary>False for whatever was not sealed under this key, this nonce and this associated data; then the plaintext is zeros.</summary>
    /// <param name="plaintext">As long as the ciphertext less <see cref="TagSize"/>; may start where the ciphertext does.</param>
    public bool TryOpen(ulong nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        if (ciphertext.Length < TagSize || nonce == ulong.MaxValue)
        {
            return false;
        }

        if (plaintext.Length != ciphertext.Length - TagSize)
        {
            throw new ArgumentException($"The plaintext must be {TagSize} bytes shorter than the ciphertext.", nameof(plaintext));
        }

        Span<byte> bytes = stackalloc byte[NonceSize];
        BinaryPrimitives.WriteUInt64BigEndian(bytes[4..], nonce);
        return OpenCore(bytes, associated, ciphertext, plaintext);
    }

    public abstract void Dispose();

    protected abstract void SealCore(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext);

    protected abstract bool OpenCore(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext);

    private static void CheckKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeySize)
        {
            throw new ArgumentException($"A key has {KeySize} bytes, not {key.Length}.", nameof(key));
        }
    }

    // libsodium: the key in locked memory.
    private sealed class Locked(ReadOnlySpan<byte> key) : Aead
    {
        private readonly Key _key = Key.Import(AeadAlgorithm.Aes256Gcm, key, KeyBlobFormat.RawSymmetricKey);
        private int _disposed;

        protected override void SealCore(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext) =>
            AeadAlgorithm.Aes256Gcm.Encrypt(_key, nonce, associated, plaintext, ciphertext);

        protected override bool OpenCore(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext) =>
            AeadAlgorithm.Aes256Gcm.Decrypt(_key, nonce, associated, ciphertext, plaintext);

        public override void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                _key.Dispose();
                Interlocked.Decrement(ref _locked);
                GC.SuppressFinalize(this);
            }
        }

        // The key's memory comes back when it is forgotten; its place in the count must too, or the fast back end is lost for good.
        ~Locked()
        {
            // Without a key its maker has counted it back already.
            if (_key is not null && Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                Interlocked.Decrement(ref _locked);
            }
        }
    }

    private sealed class Platform(ReadOnlySpan<byte> key) : Aead
    {
        private readonly AesGcm _key = new(key, TagSize);

        protected override void SealCore(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext) =>
            _key.Encrypt(nonce, plaintext, ciphertext[..plaintext.Length], ciphertext[plaintext.Length..], associated);

        protected override bool OpenCore(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
        {
            try
            {
                _key.Decrypt(nonce, ciphertext[..plaintext.Length], ciphertext[plaintext.Length..], plaintext, associated);
                return true;
            }
            catch (AuthenticationTagMismatchException)
            {
                return false;
            }
        }

        public override void Dispose() => _key.Dispose();
    }
}
