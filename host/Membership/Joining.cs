using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

/// <summary>The newcomer's side of a ticket: dials the issuer, redeems, and keeps what it gets.</summary>
internal static class Joining
{
    /// <summary>Where a newcomer stands before it is anybody: a key, and no network.</summary>
    internal sealed class Newcomer(SigningKey key) : INodeIdentity
    {
        public NodeId Id => key.Id;

        // The handshake asks a newcomer for neither: it shows no certificate and checks none.
        public NetworkKeys Network => new("", new byte[32], default);

        public Certificate Certificate => throw new InvalidOperationException("A newcomer has no certificate.");

        public byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => key.Sign(label, content);
    }

    /// <summary>Waits for the issuer's answer on a link that is for nothing else.</summary>
    internal sealed class Answer : ILinkHandler
    {
        private readonly TaskCompletionSource<byte[]> _redeemed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<byte[]> Redeemed => _redeemed.Task;

        public void OnUp(ILink link) => link.TrySend(LinkFrame.Redeem, [Redemption.Version], []);

        public void OnFrame(ILink link, LinkFrame type, ReadOnlySpan<byte> body)
        {
            if (type == LinkFrame.Redeemed)
            {
                _redeemed.TrySetResult(body.ToArray());
            }
        }

        public void OnDown(ILink link, LinkEnd reason) => _redeemed.TrySetException(new IOException($"the issuer ended the link ({reason}) without an answer"));
    }

    /// <summary>Turns the answer into what the data directory keeps.</summary>
    public static StoredNetwork Keep(Ticket ticket, NodeId self, Redemption redemption)
    {
        string[] bootstrap = [.. ticket.Addresses.Select(a => $"{a.GetLeftPart(UriPartial.Authority)}#{ticket.Issuer}")];
        return redemption.Role == CertificateRole.Member
            ? NodeIdentity.Store(self, redemption.NetworkName, redemption.Root, bootstrap)
            : new(redemption.NetworkName, self.ToString(), null, Convert.ToHexStringLower(redemption.Psk), redemption.NetworkKey.ToString(), Convert.ToBase64String(redemption.Certificate), bootstrap);
    }
}
