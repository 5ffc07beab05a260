using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Tests.Membership;

/// <summary>A link whose frames go where the test says, on the thread that sends them.</summary>
internal sealed class ToyLink(NodeId remote) : ILink
{
    private readonly TaskCompletionSource<LinkEnd> _ended = new();
    private readonly TaskCompletionSource _room = new();

    /// <summary>What was sent, in order.</summary>
    public List<(LinkFrame Type, byte[] Body)> Sent { get; } = [];

    /// <summary>Called with all that is sent.</summary>
    public Action<LinkFrame, byte[]>? Deliver { get; set; }

    /// <summary>Takes nothing: the other end does not read.</summary>
    public bool IsFull { get; set; }

    /// <summary>Takes nothing and says that it has room, as while it ends.</summary>
    public bool IsClosing { get; init; }

    /// <summary>How often it took nothing.</summary>
    public int Refusals { get; private set; }

    /// <summary>What the link was closed for.</summary>
    public string? Violation { get; private set; }

    public NodeId Remote => remote;

    public Certificate? Certificate => null;

    public ReadOnlyMemory<byte>? TicketId => null;

    public bool IsInitiator => false;

    public bool IsSealed => true;

    public int Epoch => 0;

    public Uri Address { get; } = new("mem://toy:1");

    public TimeSpan? RoundTrip => null;

    public Task<LinkEnd> Ended => _ended.Task;

    public bool TrySend(LinkFrame type, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        if (IsFull || IsClosing || _ended.Task.IsCompleted)
        {
            Refusals++;
            return false;
        }

        byte[] whole = [.. head, .. body];
        Sent.Add((type, whole));
        Deliver?.Invoke(type, whole);
        return true;
    }

    /// <summary>The other end reads again.</summary>
    public void Drain()
    {
        IsFull = false;
        _room.TrySetResult();
    }

    public ValueTask WaitForRoomAsync(CancellationToken cancellationToken) => new(IsFull ? _room.Task.WaitAsync(cancellationToken) : Task.CompletedTask);

    public ValueTask CloseAsync(LinkEnd reason, string? text = null)
    {
        Violation = text;
        _ended.TrySetResult(reason);
        return default;
    }
}
