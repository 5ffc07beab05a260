using System.Security.Cryptography;

namespace Dawn.Identity;

/// <summary>Where keys, tags and nonces of handshakes come from; injected so that the simulator can make a run repeatable. Thread-safe.</summary>
internal abstract class Entropy
{
    /// <summary>The operating system's generator, the only one that product code composes.</summary>
    public static Entropy System { get; } = new OperatingSystemEntropy();

    public abstract void Fill(Span<byte> destination);

    public byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        Fill(bytes);
        return bytes;
    }

    public ulong UInt64()
    {
        Span<byte> bytes = stackalloc byte[8];
        Fill(bytes);
        return BitConverter.ToUInt64(bytes);
    }

    private sealed class OperatingSystemEntropy : Entropy
    {
#pragma warning disable RS0030 // The one place that reads the system's generator.
        public override void Fill(Span<byte> destination) => RandomNumberGenerator.Fill(destination);
#pragma warning restore RS0030
    }
}
