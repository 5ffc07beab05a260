using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Testing.InMemory;
using Dawn.Tests.Links;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Membership;

/// <summary>Tickets, from the invitation to the first call of who came by one.</summary>
public sealed class AdmissionTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Who_redeems_a_ticket_calls_and_is_called_and_nobody_redeems_it_again(int role)
    {
        await using var issuer = await NodeAsync();
        var ticket = issuer.Admission.Invite((CertificateRole)role, 1, TimeSpan.FromMinutes(10), [new("mem://nobody:1"), issuer.Address]);
        var directory = new TempDirectory();
        var (redemption, failures) = await RedeemAsync(ticket, directory);
        Assert.Equal((CertificateRole)role, redemption!.Role);
        Assert.Equal(role == 1, redemption.Root.Length > 0);
        // The address that leads nowhere was no obstacle.
        Assert.Single(failures);

        using var another = new TempDirectory();
        (redemption, failures) = await RedeemAsync(ticket, another);
        Assert.Null(redemption);
        Assert.Contains("spent", failures[^1], StringComparison.Ordinal);

        await using var newcomer = await new MeshNode(_network, _time, directory: directory).ListenAsync();
        Assert.Equal((CertificateRole)role, newcomer.Self.Certificate.Role);
        await newcomer.LinkToAsync(issuer);
        newcomer.Publish("echo");
        await Eventually.HoldsAsync(() => issuer.Records.Find(newcomer.Id) is not null);
        await newcomer.CallAsync(issuer);
        await issuer.CallAsync(newcomer);
        Assert.Equal((CertificateRole)role, Assert.Single(issuer.Agent.Callers).Role);
        if (role == 2)
        {
            Assert.Throws<InvalidOperationException>(() => newcomer.Admission.Invite(CertificateRole.Member, 1, TimeSpan.FromMinutes(1), [newcomer.Address]));
        }
    }

    [Fact]
    public async Task A_ticket_with_a_wrong_secret_gets_nothing()
    {
        await using var issuer = await NodeAsync();
        var ticket = issuer.Admission.Invite(CertificateRole.Member, 1, TimeSpan.FromMinutes(10), [issuer.Address]);
        using var directory = new TempDirectory();
        var (redemption, failures) = await RedeemAsync(ticket with { Secret = new byte[Ticket.SecretSize] }, directory);
        Assert.Null(redemption);
        Assert.Contains("does not take this ticket", Assert.Single(failures), StringComparison.Ordinal);
        // And cost the ticket nothing.
        (redemption, _) = await RedeemAsync(ticket, directory);
        Assert.NotNull(redemption);
    }

    [Fact]
    public async Task A_ticket_is_for_its_time()
    {
        await using var issuer = await NodeAsync();
        var ticket = issuer.Admission.Invite(CertificateRole.Guest, 1, TimeSpan.FromMinutes(10), [issuer.Address]);
        _time.Advance(TimeSpan.FromMinutes(10));
        using var directory = new TempDirectory();
        Assert.Null((await RedeemAsync(ticket, directory)).Redemption);
    }

    [Fact]
    public async Task A_link_redeems_once_however_often_it_asks()
    {
        await using var issuer = await NodeAsync();
        var ticket = issuer.Admission.Invite(CertificateRole.Guest, 2, TimeSpan.FromMinutes(10), [issuer.Address]);
        await using var greedy = new LinkNode(new TestNetwork().Node(1), _network, _time);
        var link = await greedy.Dialer.DialNewcomerAsync(issuer.Address, issuer.Id, new TicketKey(ticket.IdBytes(), ticket.Psk()), Cancel).WaitAsync(MeshNode.Patience, Cancel);
        for (var i = 0; i < 5; i++)
        {
            link.TrySend(LinkFrame.Redeem, default, [Redemption.Version]);
        }

        Assert.Equal(LinkEnd.Done, await link.Ended.WaitAsync(MeshNode.Patience, Cancel));
        using var directory = new TempDirectory();
        Assert.NotNull((await RedeemAsync(ticket, directory)).Redemption);
    }

    [Fact]
    public async Task A_newcomer_hears_nothing_but_its_answer()
    {
        await using var issuer = await NodeAsync();
        issuer.Publish("echo");
        var ticket = issuer.Admission.Invite(CertificateRole.Guest, 1, TimeSpan.FromMinutes(10), [issuer.Address]);
        await using var newcomer = new LinkNode(new TestNetwork().Node(1), _network, _time);
        var link = await newcomer.Dialer.DialNewcomerAsync(issuer.Address, issuer.Id, new TicketKey(ticket.IdBytes(), ticket.Psk()), Cancel).WaitAsync(MeshNode.Patience, Cancel);
        await newcomer.Handler.NextAsync(LinkEventKind.Up);
        Assert.Empty(issuer.Links.Snapshot);
        Assert.False(issuer.Router.CanReach(newcomer.Id));
        link.TrySend(LinkFrame.Record, default, NodeRecord.Sign(newcomer.Identity, 1, _time.GetUtcNow(), EncryptionMode.Required, [], [], out _).Encoded.Span);
        Assert.Equal(LinkEnd.Protocol, (await newcomer.Handler.NextAsync(LinkEventKind.Down)).End);
        Assert.Null(issuer.Records.Find(newcomer.Id));
    }

    private async Task<(Redemption? Redemption, List<string> Failures)> RedeemAsync(Ticket ticket, TempDirectory into)
    {
        var failures = new List<string>();
        using var directory = into.Open();
        using var key = KeyStore.LoadOrCreate(directory, null, Entropy.System);
        var transport = new InMemoryTransport(_network);
        var answer = await Joining.RedeemAsync(ticket, key, _ => transport, failures, Entropy.System, _time, Cancel).WaitAsync(MeshNode.Patience, Cancel);
        if (answer is null)
        {
            return (null, failures);
        }

        var redemption = Redemption.TryRead(answer, key.Id, _time.GetUtcNow(), out var problem);
        if (redemption is null)
        {
            failures.Add(problem);
        }
        else
        {
            NetworkStore.Save(directory, Joining.Keep(ticket, key.Id, redemption));
        }

        return (redemption, failures);
    }

    private Task<MeshNode> NodeAsync() => new MeshNode(_network, _time).ListenAsync();
}
