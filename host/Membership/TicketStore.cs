using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>One invitation that this node gave, as its data directory keeps it.</summary>
internal sealed record StoredTicket(string Id, string Secret, CertificateRole Role, int Uses, long NotAfter)
{
    // What a record would print by itself is secret.
    public override string ToString() => $"ticket {Id}";
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, UseStringEnumConverter = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(List<StoredTicket>))]
internal sealed partial class TicketJson : JsonSerializerContext;

/// <summary>The tickets that this node issued and that can still be redeemed. Kept in <c>tickets.json</c>, so that a restart forgets neither tickets nor that they are spent. Thread-safe.</summary>
internal sealed class TicketStore
{
    private const string FileName = "tickets.json";

    // People invite a handful at a time; a thousand open invitations are a mistake or an attack by an agent with the owner's rights.
    private const int MaxTickets = 1_000;

    private readonly Lock _lock = new();
    private readonly DataDirectory _directory;
    private readonly TimeProvider _time;
    private readonly List<StoredTicket> _tickets;

    /// <exception cref="StartException">The file is damaged.</exception>
    public TicketStore(DataDirectory directory, TimeProvider time)
    {
        (_directory, _time) = (directory, time);
        try
        {
            _tickets = directory.ReadText(FileName) is { } text ? JsonSerializer.Deserialize(text, TicketJson.Default.ListStoredTicket) ?? [] : [];
        }
        catch (JsonException e)
        {
            throw new StartException($"{directory.File(FileName)} is damaged: {e.Message} Remove it: open invitations are lost then, and nothing else.", e);
        }
    }

    /// <exception cref="InvalidOperationException">Too many tickets are open.</exception>
    public void Add(UInt128 id, byte[] secret, CertificateRole role, int uses, DateTimeOffset notAfter)
    {
        lock (_lock)
        {
            Prune();
            if (_tickets.Count >= MaxTickets)
            {
                throw new InvalidOperationException($"{MaxTickets} invitations are open already; wait until some expire.");
            }

            _tickets.Add(new(id.ToString("x32"), Convert.ToHexStringLower(secret), role, uses, notAfter.ToUnixTimeSeconds()));
            Save();
        }
    }

    /// <summary>The PSK for a ticket that can still be redeemed; the caller zeroes it.</summary>
    public bool TryGetPsk(ReadOnlySpan<byte> id, Span<byte> psk)
    {
        lock (_lock)
        {
            Prune();
            if (Find(id) is not { } ticket)
            {
                return false;
            }

            var secret = Convert.FromHexString(ticket.Secret);
            NetworkSecret.DeriveTicketPsk(secret, psk);
            CryptographicOperations.ZeroMemory(secret);
            return true;
        }
    }

    /// <summary>Spends one use, for good before it returns; null where none is left.</summary>
    public CertificateRole? Redeem(ReadOnlySpan<byte> id)
    {
        lock (_lock)
        {
            Prune();
            if (Find(id) is not { } ticket)
            {
                return null;
            }

            _tickets.Remove(ticket);
            if (ticket.Uses > 1)
            {
                _tickets.Add(ticket with { Uses = ticket.Uses - 1 });
            }

            Save();
            return ticket.Role;
        }
    }

    private StoredTicket? Find(ReadOnlySpan<byte> id)
    {
        var text = Convert.ToHexStringLower(id);
        return _tickets.Find(t => t.Id == text);  // An id is no secret: hellos carry it in the clear.
    }

    private void Prune() => _tickets.RemoveAll(t => t.NotAfter <= _time.GetUtcNow().ToUnixTimeSeconds());

    private void Save() => _directory.WriteText(FileName, JsonSerializer.Serialize(_tickets, TicketJson.Default.ListStoredTicket));
}
