using Dawn.Identity;
using Dawn.Tests;

namespace Dawn.Fuzz.Targets;

/// <summary>A certificate. The first byte says whether the network itself signed what follows, as a member could who holds the root.</summary>
internal sealed class CertificateTarget : IFuzzTarget
{
    public string Name => "certificate";

    public long AllocationLimit(int length) => 64 * 1024;

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var encoded = input[1..].ToArray();
        if ((input[0] & 3) == 3 && encoded.Length >= Signatures.Size)
        {
            World.Network.SigningKey.Sign(SigningLabel.Certificate, encoded.AsSpan(..^Signatures.Size)).CopyTo(encoded.AsSpan(^Signatures.Size..));
        }

        var problem = Certificate.TryRead(encoded, World.Network.Keys.Key, World.Peer.Id, World.Now, out var certificate);
        Property.Holds(problem is null == certificate is not null, "a refused certificate was handed out");
        if (certificate is not null)
        {
            Property.Holds(certificate.Node == World.Peer.Id && certificate.NotAfter > World.Now && Enum.IsDefined(certificate.Role), "a certificate of another, expired, or of no role");
            Property.Canonical(encoded, certificate.Encoded.Span);
            // Ed25519 signs the same bytes the same way.
            Property.Canonical(encoded, Certificate.Issue(World.Network.SigningKey, certificate.Node, certificate.Role, certificate.Serial, certificate.NotAfter).Encoded.Span);
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        foreach (byte isSigned in new byte[] { 0, 3 })
        {
            yield return [isSigned, .. World.Peer.Certificate.Encoded.Span];
            yield return [isSigned, .. World.Network.Node(2, CertificateRole.Guest).Certificate.Encoded.Span];
            yield return [isSigned, .. World.Network.Node(2, CertificateRole.Browser, World.Now.AddSeconds(1)).Certificate.Encoded.Span];
            yield return [isSigned, .. World.Self.Certificate.Encoded.Span];
            yield return [isSigned, .. new TestNetwork(2).Node(2).Certificate.Encoded.Span];
        }
    }
}
