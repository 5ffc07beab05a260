using System.Security.Cryptography;
using System.Text;
using NSec.Cryptography;

namespace Dawn.Identity;

/// <summary>From a root secret to the network's keys (docs/protocol.md, "Identities, signatures, keys").</summary>
internal static class NetworkSecret
{
    public const int RootSize = 32;

    private const int PskSize = 32;

    /// <summary>The link and session PSK, and the network's signing key.</summary>
    public static (byte[] Psk, SigningKey Key) Derive(ReadOnlySpan<byte> root)
    {
        var psk = new byte[PskSize];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, root, psk, [], "dawn/1 psk"u8);
        Span<byte> seed = stackalloc byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, root, seed, [], "dawn/1 network key"u8);
        try
        {
            return (psk, new SigningKey(seed));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(seed);
        }
    }

    /// <summary>The PSK with which a ticket is redeemed.</summary>
    public static void DeriveTicketPsk(ReadOnlySpan<byte> secret, Span<byte> psk) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, psk, [], "dawn/1 ticket"u8);

    /// <summary>True for 64 hexadecimal digits: the root itself.</summary>
    public static bool TryParseRoot(string secret, out byte[] root)
    {
        root = [];
        if (secret.Length != 2 * RootSize || !secret.All(char.IsAsciiHexDigit))
        {
            return false;
        }

        root = Convert.FromHexString(secret);
        return true;
    }

    /// <summary>Argon2id, since a passphrase can be guessed offline by anyone with a capture (RFC 9106; 64 MiB and 3 passes take about 0.1 s).</summary>
    public static byte[] FromPassphrase(string passphrase, string networkName)
    {
        var salt = SHA256.HashData(Signatures.Labelled("dawn/1 passphrase"u8, Encoding.UTF8.GetBytes(networkName))).AsSpan(0, 16);
        var argon2 = PasswordBasedKeyDerivationAlgorithm.Argon2id(new Argon2Parameters { DegreeOfParallelism = 1, MemorySize = 64 * 1024, NumberOfPasses = 3 });
        return argon2.DeriveBytes(passphrase, salt, RootSize);
    }
}
