using Dawn.Identity;
using Dawn.Membership;
using Dawn.Tests;

namespace Dawn.Fuzz.Targets;

/// <summary>What an issuer answers to a ticket: it is proven to be the ticket's issuer, and may still be hostile.</summary>
internal sealed class RedemptionTarget : IFuzzTarget
{
    private static readonly byte[] Root = SeededEntropy.Derive(1, "root");

    public string Name => "redemption";

    public long AllocationLimit(int length) => 64 * 1024;

    public void Run(ReadOnlySpan<byte> input)
    {
        var redemption = Redemption.TryRead(input, World.Peer.Id, World.Now, out var problem);
        Property.Holds(redemption is null || problem.Length == 0, "a refused answer was handed out");
        if (redemption is not null)
        {
            Property.Holds(redemption.Root.Length is 0 or NetworkSecret.RootSize && (redemption.Root.Length > 0 || redemption.Role != CertificateRole.Member), "a member without the root");
            var again = redemption.Encode();
            // A reason beside "done" is read and ignored.
            if (again.Length == input.Length)
            {
                Property.Canonical(input, again);
            }
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        var (psk, key) = NetworkSecret.Derive(Root);
        using (key)
        {
            foreach (var role in new[] { CertificateRole.Member, CertificateRole.Guest, CertificateRole.Browser })
            {
                var certificate = Certificate.Issue(key, World.Peer.Id, role, 9, World.Now.AddDays(1)).Encoded.ToArray();
                yield return new Redemption(role, "home", key.Id, role == CertificateRole.Member ? Root : [], psk, certificate).Encode();
            }
        }

        yield return Redemption.Refuse(Redemption.Refusal.Spent, "it was used");
        yield return Redemption.Refuse(Redemption.Refusal.Refused, "");
    }
}
