using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Dawn.Identity;

namespace Dawn.Tests;

/// <summary>A network with members to order: the same seed makes the same keys.</summary>
internal sealed class TestNetwork(int seed = 1, string name = "test")
{
    private static readonly DateTimeOffset FarAway = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly SigningKey _key = new(SeededEntropy.Derive(seed, "network key"));

    public NetworkKeys Keys => field ??= new(name, SeededEntropy.Derive(seed, "psk"), _key.Id);

    public SigningKey SigningKey => _key;

    /// <summary>A node of this network; the same number is always the same node, also in other networks.</summary>
    public TestIdentity Node(int number, CertificateRole role = CertificateRole.Member, DateTimeOffset? notAfter = null)
    {
        var key = TestIdentity.KeyOf(number);
        return new(key, Keys, Certificate.Issue(_key, key.Id, role, (UInt128)number, notAfter ?? FarAway));
    }
}

/// <summary>An identity whose every part can be replaced by a wrong one.</summary>
internal sealed record TestIdentity(SigningKey Key, NetworkKeys Network, Certificate Certificate) : INodeIdentity
{
    public NodeId Id { get; init; } = Key.Id;

    /// <summary>Renewed by whoever sets it.</summary>
    public Certificate Certificate { get; set; } = Certificate;

    public static SigningKey KeyOf(int number) => new(SeededEntropy.Derive(number, "node"));

    public byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => Key.Sign(label, content);
}

/// <summary>Repeatable entropy: SHA-256 over seed and counter.</summary>
internal sealed class SeededEntropy(int seed) : Entropy
{
    private readonly Lock _lock = new();
    private int _counter;

    public static byte[] Derive(int seed, string what) => SHA256.HashData([.. BitConverter.GetBytes(seed), .. Encoding.UTF8.GetBytes(what)]);

    public override void Fill(Span<byte> destination)
    {
        Span<byte> input = stackalloc byte[8];
        Span<byte> block = stackalloc byte[32];
        lock (_lock)
        {
            while (!destination.IsEmpty)
            {
                BinaryPrimitives.WriteInt32BigEndian(input, seed);
                BinaryPrimitives.WriteInt32BigEndian(input[4..], _counter++);
                SHA256.HashData(input, block);
                var count = Math.Min(block.Length, destination.Length);
                block[..count].CopyTo(destination);
                destination = destination[count..];
            }
        }
    }
}
