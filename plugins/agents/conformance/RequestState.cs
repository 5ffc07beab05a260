using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using ModelContextProtocol;

namespace Dawn.Agents.Conformance;

/// <summary>
/// State that travels through the client between two rounds of a call (SEP-2322), so it comes back under a seal or not at all:
/// base64url of expiry ‖ HMAC-SHA256 ‖ text. The seal covers the tool and the caller too, else a state could be used where it was not given.
/// </summary>
/// <param name="key">Known to this process alone: states don't outlive it.</param>
internal sealed class RequestState(byte[] key, TimeProvider time)
{
    private const int ExpiryLength = sizeof(long);
    private const int HeaderLength = ExpiryLength + HMACSHA256.HashSizeInBytes;

    // Far more than any state here needs: longer ones are refused before they are decoded.
    private const int MaxLength = 4096;

    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(10);

    public string Seal(string tool, string? caller, string text)
    {
        var content = Encoding.UTF8.GetBytes(text);
        var state = new byte[HeaderLength + content.Length];
        BitConverter.TryWriteBytes(state, (time.GetUtcNow() + Lifetime).ToUnixTimeSeconds());
        content.CopyTo(state, HeaderLength);
        Mac(tool, caller, state).CopyTo(state, ExpiryLength);
        return Base64Url.EncodeToString(state);
    }

    /// <exception cref="McpProtocolException">Not sealed here for this tool and caller, or too old.</exception>
    public string Open(string tool, string? caller, string sealedState)
    {
        if (sealedState.Length > MaxLength || !Base64Url.IsValid(sealedState, out var length) || length < HeaderLength)
        {
            throw Refusal();
        }

        var state = Base64Url.DecodeFromChars(sealedState);
        if (!CryptographicOperations.FixedTimeEquals(Mac(tool, caller, state), state.AsSpan(ExpiryLength, HMACSHA256.HashSizeInBytes))
            || BitConverter.ToInt64(state) < time.GetUtcNow().ToUnixTimeSeconds())
        {
            throw Refusal();
        }

        return Encoding.UTF8.GetString(state.AsSpan(HeaderLength));
    }

    private static McpProtocolException Refusal() =>
        new("The requestState was altered, has expired or belongs to another call. Start the call anew.", McpErrorCode.InvalidParams);

    private byte[] Mac(string tool, string? caller, ReadOnlySpan<byte> state)
    {
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        hmac.AppendData(Encoding.UTF8.GetBytes($"{tool}\0{caller}\0"));
        hmac.AppendData(state[..ExpiryLength]);
        hmac.AppendData(state[HeaderLength..]);
        return hmac.GetHashAndReset();
    }
}
