using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Membership;

/// <summary>Invites, and lets in who redeems an invitation (docs/protocol.md, "Tickets").</summary>
internal sealed partial class Admission(NodeIdentity self, TicketStore tickets, Entropy entropy, TimeProvider time, ILogger<Admission> logger) : ITicketPsks
{
    // A guest asks anew after a season, a browser after a day.
    private static readonly TimeSpan GuestLifetime = TimeSpan.FromDays(90);
    private static readonly TimeSpan BrowserLifetime = TimeSpan.FromDays(1);
    private static readonly TimeSpan MemberLifetime = TimeSpan.FromDays(30);

    /// <summary>How long the ticket in a page's address is good for: to open it, not to keep it.</summary>
    public static readonly TimeSpan PageTicketLifetime = TimeSpan.FromMinutes(10);

    private const int MaxUses = 1_000;
    private static readonly TimeSpan MaxTicketLifetime = TimeSpan.FromDays(7);

    /// <summary>Makes a ticket.</summary>
    /// <param name="addresses">Where the newcomer can dial this node; the first few count.</param>
    /// <exception cref="ArgumentException">Uses or lifetime are out of range.</exception>
    /// <exception cref="InvalidOperationException">This node can't invite.</exception>
    public Ticket Invite(CertificateRole role, int uses, TimeSpan lifetime, ImmutableArray<Uri> addresses)
    {
        if (self.Root is null)
        {
            throw new InvalidOperationException("This node is a guest, and guests can't invite. Invite from a member.");
        }

        if (uses is < 1 or > MaxUses)
        {
            throw new ArgumentException($"Uses is {uses}; allowed: 1 to {MaxUses}.");
        }

        if (lifetime <= TimeSpan.Zero || lifetime > MaxTicketLifetime)
        {
            throw new ArgumentException($"A ticket that lives {lifetime} is not given; allowed: up to {MaxTicketLifetime.TotalDays:0} days.");
        }

        // A page redeems its ticket where it came from, which may be the gateway of a node without listeners.
        if (addresses.IsEmpty && role != CertificateRole.Browser)
        {
            throw new InvalidOperationException("This node listens nowhere, so nobody could redeem a ticket here. Set Dawn:Listen, or Dawn:Advertise.");
        }

        var ticket = new Ticket(new UInt128(entropy.UInt64(), entropy.UInt64()), entropy.Bytes(Ticket.SecretSize), role, self.Id, time.GetUtcNow() + lifetime, self.Network.Name, [.. addresses.Take(Ticket.MaxAddresses)]);
        tickets.Add(ticket.Id, ticket.Secret, role, uses, ticket.NotAfter);
        return ticket;
    }

    /// <summary>A page's address with a ticket behind the <c>#</c>, which browsers send to nobody (RFC 9110, 7.1). It names no addresses.</summary>
    /// <exception cref="InvalidOperationException">This node can't invite.</exception>
    public (Uri Address, DateTimeOffset NotAfter) InvitePage(Uri gateway)
    {
        var ticket = Invite(CertificateRole.Browser, 1, PageTicketLifetime, []);
        return (new UriBuilder(gateway) { Path = "/", Fragment = ticket.ToString() }.Uri, ticket.NotAfter);
    }

    public bool TryGetPsk(ReadOnlySpan<byte> ticketId, Span<byte> psk) => tickets.TryGetPsk(ticketId, psk);

    /// <summary>Answers a newcomer, whose handshake has proven that it holds the ticket.</summary>
    public void OnRedeem(ILink link, ReadOnlySpan<byte> body)
    {
        if (body is not [Redemption.Version] || link.TicketId is not { } id)
        {
            _ = link.CloseAsync(LinkEnd.Protocol, "malformed redeem");
            return;
        }

        byte[] answer;
        if (self.Root is not { } root)
        {
            answer = Redemption.Refuse(Redemption.Refusal.Refused, "the issuer is a guest of the network and can't let others in");
        }
        else if (tickets.Redeem(id.Span) is not { } role)
        {
            answer = Redemption.Refuse(Redemption.Refusal.Spent, "the ticket is spent or has expired; ask for a new one");
        }
        else
        {
            var lifetime = role switch { CertificateRole.Member => MemberLifetime, CertificateRole.Guest => GuestLifetime, _ => BrowserLifetime };
            var certificate = self.Certify(link.Remote, role, time.GetUtcNow() + lifetime);
            answer = new Redemption(role, self.Network.Name, self.Network.Key, role == CertificateRole.Member ? root : [], self.Network.Psk, certificate.Encoded.ToArray()).Encode();
            LogAdmitted(link.Remote.ToShortString(), role);
        }

        link.TrySend(LinkFrame.Redeemed, answer, []);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(answer);
        _ = link.CloseAsync(LinkEnd.Done);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Node {Node} redeemed a ticket and is now a {Role} of the network")]
    private partial void LogAdmitted(string node, CertificateRole role);
}
