using Dawn.Identity;
using Dawn.Noise;
using Dawn.Tests;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>The network that targets live in: the same keys, clock and entropy each time.</summary>
internal static class World
{
    public static readonly DateTimeOffset Now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static readonly TestNetwork Network = new();

    public static readonly TestIdentity Self = Network.Node(1);

    public static readonly TestIdentity Peer = Network.Node(2);

    public static readonly StaticKey SelfStatic = new(new SeededEntropy(11));

    public static readonly StaticKey PeerStatic = new(new SeededEntropy(12));

    public static readonly byte[] TicketId = SeededEntropy.Derive(1, "ticket id")[..16];

    public static readonly byte[] TicketPsk = SeededEntropy.Derive(1, "ticket psk");

    public static FakeTimeProvider Time() => new(Now);
}

/// <summary>Gives what it was made of, and then zeros.</summary>
internal sealed class ReplayedEntropy(byte[] bytes) : Entropy
{
    private int _at;

    public override void Fill(Span<byte> destination)
    {
        destination.Clear();
        var count = Math.Min(destination.Length, bytes.Length - _at);
        bytes.AsSpan(_at, count).CopyTo(destination);
        _at += count;
    }
}
