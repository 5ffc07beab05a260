using CsCheck;
using Dawn.Identity;
using Dawn.Membership;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Identity;

public class TicketTests : IDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero));

    public void Dispose() => _temp.Dispose();

    private Ticket Some() => new(42, [.. Enumerable.Range(0, 32).Select(i => (byte)i)], CertificateRole.Guest, new NodeId(Enumerable.Repeat((byte)7, 32).ToArray()),
        _time.GetUtcNow() + TimeSpan.FromMinutes(10), "home", [new("ws://10.0.0.1:7610"), new("tcp://host:1")]);

    [Fact]
    public void ATicketIsOneWordThatRoundTrips()
    {
        var ticket = Some();
        var text = ticket.ToString();
        Assert.Matches("^dawn1[a-z2-7]+$", text);
        var read = Ticket.TryParse($"  {text.ToUpperInvariant()}\n", out _)!;
        Assert.Equal(ticket with { Secret = [], Addresses = [] }, read with { Secret = [], Addresses = [] });
        Assert.Equal(ticket.Secret, read.Secret);
        Assert.Equal(ticket.Addresses, read.Addresses);
    }

    [Fact]
    public void AnythingElseIsRefusedWithAReason()
    {
        var text = Some().ToString();
        foreach (var bad in new[] { "", "dawn1", "hello", text[..^8], text + "aaaaaaaa", "dawn1" + new string('z', 3000) })
        {
            Assert.Null(Ticket.TryParse(bad, out var problem));
            Assert.NotEmpty(problem);
        }

        Gen.String[Gen.Char["abcdefghijklmnopqrstuvwxyz234567"], 0, 300].Sample(s => Assert.Null(Ticket.TryParse("dawn1" + s, out _)));
    }

    [Fact]
    public void ATicketIsSpentOnceAlsoAcrossARestart()
    {
        var ticket = Some();
        new TicketStore(_temp.Open(), _time).Add(ticket.Id, ticket.Secret, ticket.Role, uses: 2, ticket.NotAfter);
        var psk = new byte[32];
        Assert.True(new TicketStore(_temp.Open(), _time).TryGetPsk(ticket.IdBytes(), psk));
        Assert.Equal(ticket.Psk(), psk);
        Assert.Equal(CertificateRole.Guest, new TicketStore(_temp.Open(), _time).Redeem(ticket.IdBytes()));
        Assert.Equal(CertificateRole.Guest, new TicketStore(_temp.Open(), _time).Redeem(ticket.IdBytes()));
        Assert.Null(new TicketStore(_temp.Open(), _time).Redeem(ticket.IdBytes()));
        Assert.False(new TicketStore(_temp.Open(), _time).TryGetPsk(ticket.IdBytes(), psk));
    }

    [Fact]
    public void AnExpiredTicketIsWorthNothing()
    {
        var ticket = Some();
        var store = new TicketStore(_temp.Open(), _time);
        store.Add(ticket.Id, ticket.Secret, ticket.Role, 1, ticket.NotAfter);
        _time.Advance(TimeSpan.FromMinutes(11));
        Assert.False(store.TryGetPsk(ticket.IdBytes(), new byte[32]));
        Assert.Null(store.Redeem(ticket.IdBytes()));
    }

    [Theory]
    [InlineData("Member")]
    [InlineData("Guest")]
    public void ARedemptionRoundTripsAndIsChecked(string roleName)
    {
        var role = Enum.Parse<CertificateRole>(roleName);
        using var issuer = NodeIdentity.Open(_temp.Open(), "home", null, _time, Entropy.System);
        using var newcomer = new SigningKey(new byte[32]);
        var certificate = issuer.Certify(newcomer.Id, role, _time.GetUtcNow() + TimeSpan.FromDays(1));
        var answer = new Redemption(role, "home", issuer.Network.Key, role == CertificateRole.Member ? issuer.Root! : [], issuer.Network.Psk, certificate.Encoded.ToArray());
        var read = Redemption.TryRead(answer.Encode(), newcomer.Id, _time.GetUtcNow(), out var problem);
        Assert.Equal("", problem);
        Assert.Equal(answer.Psk, read!.Psk);
        Assert.Null(Redemption.TryRead(answer.Encode(), issuer.Id, _time.GetUtcNow(), out _));
        Assert.Null(Redemption.TryRead((answer with { Psk = new byte[32], Root = role == CertificateRole.Member ? answer.Root : [1] }).Encode(), newcomer.Id, _time.GetUtcNow(), out _));
        Assert.Null(Redemption.TryRead(Redemption.Refuse(Redemption.Refusal.Spent, "spent"), newcomer.Id, _time.GetUtcNow(), out problem));
        Assert.Equal("spent", problem);
        Gen.Byte.Array[0, 300].Sample(bytes => Assert.Null(Redemption.TryRead(bytes, newcomer.Id, _time.GetUtcNow(), out _)));
    }
}
