using System.Net;
using System.Threading.Channels;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Testing.InMemory;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dawn.Tests.Links;

/// <summary>The links of one node, whole, over an in-memory network; what happens on them is recorded.</summary>
internal sealed class LinkNode : IAsyncDisposable
{
    /// <summary>How long a test waits for what must happen at once.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _stop = new();
    private readonly StaticKey _staticKey;
    private IConnectionListener? _listener;
    private Task _accepting = Task.CompletedTask;

    public LinkNode(INodeIdentity identity, InMemoryNetwork network, TimeProvider time, LinkOptions? options = null, ITicketPsks? tickets = null, string from = "203.0.113.1")
    {
        Identity = identity;
        Options = options ?? new();
        Transport = new InMemoryTransport(network, IPAddress.Parse(from));
        _staticKey = new(Entropy.System);
        var handshake = new LinkHandshake(identity, _staticKey, Options, Entropy.System, time, tickets);
        Table = new LinkTable(identity, Options, () => Handler, time, NullLogger<LinkTable>.Instance);
        Dialer = new LinkDialer(scheme => scheme == "mem" ? Transport : null, handshake, Table, Options, time);
        Listener = new LinkListener(handshake, Table, Options, time, NullLogger<LinkListener>.Instance);
    }

    public INodeIdentity Identity { get; }

    public NodeId Id => Identity.Id;

    public LinkOptions Options { get; }

    public InMemoryTransport Transport { get; }

    public RecordingHandler Handler { get; } = new();

    public LinkTable Table { get; }

    public LinkDialer Dialer { get; }

    public LinkListener Listener { get; }

    public Uri Address => ((UriEndPoint)_listener!.EndPoint).Uri;

    public async Task<LinkNode> ListenAsync()
    {
        _listener = await Transport.BindAsync(new UriEndPoint(new Uri("mem://host:0")));
        _accepting = Listener.RunAsync(_listener, _stop.Token);
        return this;
    }

    public Task<ILink> DialAsync(LinkNode other, NodeId? expected = null) =>
        Dialer.DialAsync(other.Address, expected, CancellationToken.None).WaitAsync(Patience);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting.WaitAsync(Patience);
        if (_listener is not null)
        {
            await _listener.DisposeAsync();
        }
    }
}

internal enum LinkEventKind
{
    Up,
    Frame,
    Down,
}

internal sealed record LinkEvent(LinkEventKind Kind, ILink Link, LinkFrame Type, byte[] Body, LinkEnd End);

/// <summary>Keeps what happens on links, in order.</summary>
internal sealed class RecordingHandler : ILinkHandler
{
    private readonly Channel<LinkEvent> _events = Channel.CreateUnbounded<LinkEvent>();

    /// <summary>Called before a frame is recorded.</summary>
    public Action<LinkFrame>? OnFrame { get; set; }

    public async Task<LinkEvent> NextAsync(LinkEventKind expected)
    {
        using var patience = new CancellationTokenSource(LinkNode.Patience);
        var next = await _events.Reader.ReadAsync(patience.Token);
        return next.Kind == expected ? next : throw new InvalidOperationException($"{next} came where {expected} was expected.");
    }

    public bool IsQuiet => _events.Reader.Count == 0;

    void ILinkHandler.OnUp(ILink link) => _events.Writer.TryWrite(new(LinkEventKind.Up, link, default, [], default));

    void ILinkHandler.OnFrame(ILink link, LinkFrame type, ReadOnlySpan<byte> body)
    {
        OnFrame?.Invoke(type);
        _events.Writer.TryWrite(new(LinkEventKind.Frame, link, type, body.ToArray(), default));
    }

    void ILinkHandler.OnDown(ILink link, LinkEnd reason) => _events.Writer.TryWrite(new(LinkEventKind.Down, link, default, [], reason));
}

/// <summary>Tickets to order.</summary>
internal sealed class TestTickets(byte[] id, byte[] psk) : ITicketPsks
{
    public bool TryGetPsk(ReadOnlySpan<byte> ticketId, Span<byte> to)
    {
        if (!ticketId.SequenceEqual(id))
        {
            return false;
        }

        psk.CopyTo(to);
        return true;
    }
}
