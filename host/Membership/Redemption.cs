using System.Security.Cryptography;
using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>What a newcomer gets for its ticket (docs/protocol.md, "Tickets").</summary>
internal sealed record Redemption(CertificateRole Role, string NetworkName, NodeId NetworkKey, byte[] Root, byte[] Psk, byte[] Certificate)
{
    public const byte Version = 1;

    private const byte Done = 0;

    public enum Refusal : byte
    {
        Spent = 1,
        Refused = 2,
    }

    public static byte[] Refuse(Refusal status, string reason) => new WireWriter().UInt8((byte)status).Text8(reason).ToArray();

    public byte[] Encode() => new WireWriter().UInt8(Done).Text8("").UInt8((byte)Role).Text8(NetworkName).NodeId(NetworkKey)
        .Block16(Root).Bytes(Psk).Block16(Certificate).ToArray();

    /// <summary>Reads the issuer's answer; null with the reason where it is a refusal or wrong.</summary>
    public static Redemption? TryRead(ReadOnlySpan<byte> body, NodeId self, DateTimeOffset now, out string problem)
    {
        var reader = new WireReader(body);
        var (status, reason) = (reader.UInt8(), reader.Text8());
        if (reader.Failed || status != Done)
        {
            problem = reader.Failed ? "the issuer's answer is malformed" : reason;
            return null;
        }

        var (role, name, key) = ((CertificateRole)reader.UInt8(), reader.Text8(), reader.NodeId());
        var root = reader.Block16(NetworkSecret.RootSize).ToArray();
        var psk = reader.Bytes(32).ToArray();
        var certificate = reader.Block16(Identity.Certificate.Size).ToArray();
        if (!reader.Complete || !Enum.IsDefined(role))
        {
            problem = "the issuer's answer is malformed";
            return null;
        }

        if (root.Length == NetworkSecret.RootSize)
        {
            // What the root says must be what the issuer says, or this node would be in a network of its own.
            var (derivedPsk, derivedKey) = NetworkSecret.Derive(root);
            using (derivedKey)
            {
                if (derivedKey.Id != key || !CryptographicOperations.FixedTimeEquals(derivedPsk, psk))
                {
                    problem = "the issuer's answer contradicts itself";
                    return null;
                }
            }
        }
        else if (root.Length != 0 || role == CertificateRole.Member)
        {
            problem = "the issuer's answer lacks the network's root";
            return null;
        }

        problem = Identity.Certificate.TryRead(certificate, key, self, now, out var read) ?? (read!.Role == role ? "" : "the issuer's answer contradicts itself");
        return problem.Length == 0 ? new(role, name, key, root, psk, certificate) : null;
    }
}
