using Dawn.Identity;
using Dawn.Links;
using Dawn.Tests;

namespace Dawn.Fuzz.Targets;

/// <summary>A link that leads nowhere: a target says what may be sent on it and what may end it.</summary>
internal abstract class MuteLink(TestIdentity remote) : ILink
{
    public NodeId Remote => remote.Id;

    public Certificate? Certificate => remote.Certificate;

    public ReadOnlyMemory<byte>? TicketId => null;

    public bool IsInitiator => false;

    public int Epoch => 0;

    public bool IsSealed => true;

    public Uri Address { get; } = new("tcp://198.51.100.1:1");

    public TimeSpan? RoundTrip => null;

    public Task<LinkEnd> Ended { get; } = new TaskCompletionSource<LinkEnd>().Task;

    public abstract bool TrySend(LinkFrame type, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body);

    public ValueTask WaitForRoomAsync(CancellationToken cancellationToken) => default;

    public abstract ValueTask CloseAsync(LinkEnd reason, string? text = null);
}
