using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Membership;

/// <summary>The newcomer's side of a ticket: dials the issuer, redeems, and keeps what it gets.</summary>
internal static class Joining
{
    // An invitation may name addresses that lead nowhere from here, such as those of the issuer's virtual networks.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(4);

    /// <summary>Redeems a ticket at the first of its addresses that answers.</summary>
    /// <param name="failures">Gets one line for each address in vain.</param>
    /// <returns>The issuer's answer as it came, or null where nobody answered.</returns>
    public static async Task<byte[]?> RedeemAsync(
        Ticket ticket, SigningKey key, Func<string, IPeerTransport?> transports, ICollection<string> failures, Entropy entropy, TimeProvider time, CancellationToken cancellationToken)
    {
        var newcomer = new Newcomer(key);
        var options = new Links.LinkOptions { ConnectTimeout = ConnectTimeout };
        using var staticKey = new StaticKey(entropy);
        var handshake = new LinkHandshake(newcomer, staticKey, options, entropy, time);
        var psk = ticket.Psk();
        try
        {
            foreach (var address in ticket.Addresses)
            {
                // One for each attempt: what became of the one before says nothing about this one.
                var answer = new Answer();
                var table = new LinkTable(newcomer, options, () => answer, time, NullLogger<LinkTable>.Instance);
                try
                {
                    await new LinkDialer(transports, handshake, table, options, time).DialNewcomerAsync(address, ticket.Issuer, new TicketKey(ticket.IdBytes(), psk), cancellationToken);
                    return await answer.Redeemed.WaitAsync(cancellationToken);
                }
                catch (Exception e) when (e is LinkDialException or IOException)
                {
                    failures.Add(e.Message.TrimEnd('.'));
                }
                finally
                {
                    await table.CloseAllAsync(LinkEnd.Done);
                }
            }

            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(psk);
        }
    }

    /// <summary>Turns the answer into what the data directory keeps.</summary>
    public static StoredNetwork Keep(Ticket ticket, NodeId self, Redemption redemption)
    {
        string[] bootstrap = [.. ticket.Addresses.Select(a => $"{a.GetLeftPart(UriPartial.Authority)}#{ticket.Issuer}")];
        return redemption.Role == CertificateRole.Member
            ? NodeIdentity.Store(self, redemption.NetworkName, redemption.Root, bootstrap)
            : new(redemption.NetworkName, self.ToString(), null, Convert.ToHexStringLower(redemption.Psk), redemption.NetworkKey.ToString(), Convert.ToBase64String(redemption.Certificate), bootstrap);
    }

    // Where a newcomer stands before it is anybody: a key, and no network.
    private sealed class Newcomer(SigningKey key) : INodeIdentity
    {
        public NodeId Id => key.Id;

        // The handshake asks a newcomer for neither: it shows no certificate and checks none.
        public NetworkKeys Network { get; } = new("", new byte[32], default);

        public Certificate Certificate => throw new InvalidOperationException("A newcomer has no certificate.");

        public byte[] Sign(ReadOnlySpan<byte> label, ReadOnlySpan<byte> content) => key.Sign(label, content);
    }

    // Waits for the issuer's answer on a link that is for nothing else.
    private sealed class Answer : ILinkHandler
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
}
