using Dawn.Identity;
using Dawn.Links;
using Dawn.Testing.InMemory;
using Dawn.Tests.Membership;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Routing;

/// <summary>Whole nodes in one process: what a call meets on its way.</summary>
public sealed class CallTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_call_crosses_in_both_directions_of_one_link()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await a.LinkToAsync(b);
        Assert.Contains("say", await a.CallAsync(b), StringComparison.Ordinal);
        Assert.Contains("say", await b.CallAsync(a), StringComparison.Ordinal);
        var caller = Assert.Single(b.Agent.Callers);
        Assert.Equal((a.Id, "owner", CertificateRole.Member, false, true), (caller.Node, caller.Agent, caller.Role, caller.IsLocal, caller.IsSealed));
        Assert.Equal(0, a.Router.Malformed + b.Router.Malformed);
    }

    [Theory]
    [InlineData(0, 1, true)]
    [InlineData(1, 1, true)]
    [InlineData(1, 2, false)]
    [InlineData(2, 2, false)]
    public async Task Encryption_is_what_both_ends_agree_on_and_the_agent_sees_it(int one, int other, bool isSealed)
    {
        await using var a = await NodeAsync((EncryptionMode)one);
        await using var b = await NodeAsync((EncryptionMode)other);
        var seen = new ConnectionFaults();
        _network.Faults = _ => seen;
        await a.LinkToAsync(b);
        await a.CallAsync(b);
        Assert.Equal(isSealed, Assert.Single(b.Agent.Callers).IsSealed);
        Assert.Equal(isSealed, Assert.Single(a.Links.Snapshot).IsSealed);
        Assert.Equal(isSealed, Assert.Single(a.Sessions.Snapshot).IsSealed);
        Assert.Equal(isSealed, seen.ToListener.Seen.AsSpan().IndexOf("\"method\":\"say\""u8) < 0);
    }

    [Fact]
    public async Task Where_one_requires_what_the_other_refuses_there_is_no_link()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync(EncryptionMode.Off);
        var e = await Assert.ThrowsAsync<LinkDialException>(() => a.LinkToAsync(b));
        Assert.Equal(DialFault.Encryption, e.Fault);
    }

    [Fact]
    public async Task Link_loss_makes_agents_offline_and_its_return_online()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await a.LinkToAsync(b);
        b.Publish("echo");
        await Eventually.HoldsAsync(() => IsOnline() == true);
        Assert.True(a.Links.TryGet(b.Id, out var link));
        await link.CloseAsync(LinkEnd.Done).AsTask().WaitAsync(MeshNode.Patience, Cancel);
        await Eventually.HoldsAsync(() => IsOnline() == false && !b.Router.CanReach(a.Id));
        var waiting = a.Router.WaitForRoomAsync(b.Id, Cancel).AsTask();
        Assert.False(waiting.IsCompleted);
        await b.LinkToAsync(a);
        await waiting.WaitAsync(MeshNode.Patience, Cancel);
        await Eventually.HoldsAsync(() => IsOnline() == true);
        await a.CallAsync(b);

        bool? IsOnline() => a.Directory.Snapshot.FirstOrDefault(entry => entry.Address.Node == b.Id)?.Online;
    }

    [Fact]
    public async Task A_session_outlives_its_link()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        await a.LinkToAsync(b);
        await using var channel = await a.Calls.DialAsync(new(b.Id, "echo"), "owner", Cancel);
        for (var round = 0; round < 3; round++)
        {
            await channel.SendAsync("{}"u8.ToArray(), Cancel);
            (await channel.ReceiveAsync(Cancel).AsTask().WaitAsync(MeshNode.Patience, Cancel))!.Value.Dispose();

            Assert.True(a.Links.TryGet(b.Id, out var link));
            await link.CloseAsync(LinkEnd.Done).AsTask().WaitAsync(MeshNode.Patience, Cancel);
            await Eventually.HoldsAsync(() => !b.Router.CanReach(a.Id));
            await (round % 2 == 0 ? a.LinkToAsync(b) : b.LinkToAsync(a));
        }

        Assert.Single(b.Agent.Callers);
    }

    [Fact]
    public async Task Nodes_that_dial_each_other_at_once_stay_linked()
    {
        for (var round = 0; round < 20; round++)
        {
            await using var a = await NodeAsync();
            await using var b = await NodeAsync();
            await Task.WhenAll(a.Dialer.DialAsync(b.Address, b.Id, Cancel), b.Dialer.DialAsync(a.Address, a.Id, Cancel)).WaitAsync(MeshNode.Patience, Cancel);
            var smaller = a.Id.CompareTo(b.Id) < 0 ? a : b;
            // Until the link that loses is gone at both ends.
            await Eventually.HoldsAsync(() => new[] { a, b }.All(node => node.Links.Snapshot is [var kept] && kept.IsInitiator == (node == smaller) && !kept.Ended.IsCompleted));
            await a.CallAsync(b);
        }
    }

    [Fact]
    public async Task A_handler_that_throws_costs_no_link()
    {
        await using var a = await NodeAsync();
        await using var b = await NodeAsync();
        a.Router.PathsChanged += _ => throw new InvalidOperationException("a fault of ours");
        a.Records.Changed += _ => throw new InvalidOperationException("another");
        var heard = new TaskCompletionSource();
        a.Router.PathsChanged += _ => heard.TrySetResult();
        b.Publish("echo");
        await a.LinkToAsync(b);
        await heard.Task.WaitAsync(MeshNode.Patience, Cancel);
        await Eventually.HoldsAsync(() => a.Records.Find(b.Id) is not null);
        await a.CallAsync(b);
    }

    private Task<MeshNode> NodeAsync(EncryptionMode encryption = EncryptionMode.Required) => new MeshNode(_network, _time, encryption).ListenAsync();
}
