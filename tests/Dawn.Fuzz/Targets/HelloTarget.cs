using Dawn.Identity;
using Dawn.Links;
using Dawn.Tests;

namespace Dawn.Fuzz.Targets;

/// <summary>A hello: the first bytes that a stranger sends.</summary>
internal sealed class HelloTarget : IFuzzTarget
{
    private const int RandomSize = 32;

    public string Name => "hello";

    public void Run(ReadOnlySpan<byte> input)
    {
        if (Hello.TryRead(input) is not { } hello)
        {
            return;
        }

        Property.Holds(Hello.RestOf(input[..Hello.HeadSize]) == input.Length - Hello.HeadSize, "the head announces another length");
        Property.Holds(Enum.IsDefined(hello.Offer), "an offer that nobody defined");
        Property.Holds(hello.TicketId is not { Length: not Hello.TicketIdSize }, "a ticket's id of a wrong length");
        Property.Canonical(input, hello.Encoded.Span);
        var again = Hello.Create(hello.Offer, hello.TicketId, new ReplayedEntropy(input.Slice(Hello.HeadSize, RandomSize).ToArray()));
        if (again.Encoded.Length == input.Length)
        {
            Property.Canonical(input, again.Encoded.Span);
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        var entropy = new SeededEntropy(1);
        foreach (var mode in Enum.GetValues<EncryptionMode>())
        {
            yield return Hello.Create(mode, null, entropy).Encoded.ToArray();
            yield return Hello.Create(mode, World.TicketId, entropy).Encoded.ToArray();
        }

        // Extensions that nobody knows, before, after and as many as there may be.
        var ticket = new WireWriter().UInt8(1).Block16(World.TicketId).ToArray();
        foreach (var extensions in new[] { [9, 0, 0, .. ticket], [.. ticket, 200, 0, 3, 1, 2, 3], new WireWriter().UInt8(7).Block16(new byte[469]).ToArray() })
        {
            yield return new WireWriter().Bytes("DAWN"u8).UInt8(1).UInt8(0).UInt16(extensions.Length).Bytes(entropy.Bytes(RandomSize)).Bytes(extensions).ToArray();
        }
    }
}
