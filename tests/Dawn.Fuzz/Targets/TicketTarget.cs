using System.Collections.Immutable;
using System.Text;
using Dawn.Identity;
using Dawn.Tests;

namespace Dawn.Fuzz.Targets;

/// <summary>A ticket as a person pastes it: text in UTF-8.</summary>
internal sealed class TicketTarget : IFuzzTarget
{
    public string Name => "ticket";

    public void Run(ReadOnlySpan<byte> input)
    {
        var text = Encoding.UTF8.GetString(input);
        if (Ticket.TryParse(text, out var problem) is not { } ticket)
        {
            Property.Holds(problem.Length > 0 && !problem.Any(char.IsControl), "a ticket was refused without a clear word");
            return;
        }

        Property.Holds(ticket.Secret.Length == Ticket.SecretSize && ticket.Addresses.Length <= Ticket.MaxAddresses && Enum.IsDefined(ticket.Role), "a ticket beyond its measures");
        foreach (var address in ticket.Addresses)
        {
            AddressProperty.Holds(address);
        }

        // Base32 is read in either case and around blanks; what it says has one form.
        var again = ticket.ToString();
        Property.Holds(Ticket.TryParse(again, out _)?.ToString() == again, $"a ticket that writes itself as another: {again}");
    }

    public IEnumerable<byte[]> Seeds()
    {
        ImmutableArray<Uri> addresses = [new("ws://198.51.100.7:7610"), new("tcp://[2001:db8::1]:7611")];
        foreach (var role in Enum.GetValues<CertificateRole>())
        {
            foreach (var count in new[] { 0, 1, 2 })
            {
                var ticket = new Ticket(7, SeededEntropy.Derive(1, "ticket"), role, World.Peer.Id, World.Now, "home", addresses[..count]).ToString();
                yield return Encoding.UTF8.GetBytes(ticket);
                yield return Encoding.UTF8.GetBytes($" {ticket.ToUpperInvariant()}\n");
            }
        }

        // A later version.
        yield return Encoding.UTF8.GetBytes("dawn1" + Base32.Encode(new WireWriter().UInt8(2).Bytes(new byte[120]).Written));
    }
}
