using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Dawn.Identity;

namespace Dawn.Simulator;

/// <summary>A network whose keys all come from the seed.</summary>
internal sealed class SimulatedKeys
{
    private static readonly DateTimeOffset FarAway = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly ulong _seed;
    private readonly SigningKey _network;

    public SimulatedKeys(ulong seed)
    {
        _seed = seed;
        _network = new(Derive(seed, "network", 0));
        Keys = new("simulation", Derive(seed, "psk", 0), _network.Id);
    }

    public NetworkKeys Keys { get; }

    public SimulatedIdentity Node(int number)
    {
        var key = new SigningKey(Derive(_seed, "node", number));
        return new(key, Keys, Certificate.Issue(_network, key.Id, CertificateRole.Member, (UInt128)number, FarAway));
    }

    public static byte[] Derive(ulong seed, string what, long number)
    {
        Span<byte> numbers = stackalloc byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(numbers, seed);
        BinaryPrimitives.WriteInt64LittleEndian(numbers[8..], number);
        return SHA256.HashData([.. numbers, .. Encoding.ASCII.GetBytes(what)]);
    }
}

/// <summary>A member, with a real key.</summary>
internal sealed class SimulatedIdentity(SigningKey key, NetworkKeys network, Certificate certificate) : INodeIdentity
{
    public NodeId Id => key.Id;

    public NetworkKeys Network => network;

    public Certificate Certificate => certificate;

    public byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => key.Sign(label, content);
}

/// <summary>What a process draws its ephemeral keys, tags and numbers from: SHA-256 over a seed of its own and a counter.</summary>
internal sealed class SeededEntropy(byte[] seed) : Entropy
{
    private ulong _counter;

    public override void Fill(Span<byte> destination)
    {
        Span<byte> input = stackalloc byte[40];
        Span<byte> block = stackalloc byte[32];
        seed.CopyTo(input);
        while (!destination.IsEmpty)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(input[32..], _counter++);
            SHA256.HashData(input, block);
            var count = Math.Min(block.Length, destination.Length);
            block[..count].CopyTo(destination);
            destination = destination[count..];
        }
    }
}
