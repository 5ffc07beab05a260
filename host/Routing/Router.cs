using System.Collections.Concurrent;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Routing;

/// <summary>Chooses the next hop of an envelope: pure, so that the same links give the same way.</summary>
internal interface IRoutingMode
{
    /// <summary>The value of <c>Dawn:Mode</c>.</summary>
    string Name { get; }

    /// <summary>The neighbour to hand an envelope to, or null where there is no way.</summary>
    NodeId? NextHop(NodeId target, Func<NodeId, bool> isLinked);
}

/// <summary>Nobody in the middle: what is linked is reachable.</summary>
internal sealed class DecentralizedMode : IRoutingMode
{
    public string Name => "decentralized";

    public NodeId? NextHop(NodeId target, Func<NodeId, bool> isLinked) => isLinked(target) ? target : null;
}

/// <summary>Moves envelopes between links and this node's sessions, by the mode in force. Thread-safe.</summary>
internal sealed partial class Router(INodeIdentity self, IRoutingMode mode, ILogger<Router> logger) : IEnvelopePort
{
    private readonly ConcurrentDictionary<NodeId, ILink> _links = new();
    private readonly Lock _waitersLock = new();
    private readonly Dictionary<NodeId, TaskCompletionSource> _waiters = [];
    private Func<NodeId, bool>? _isLinked;
    private IEnvelopeReceiver? _sessions;
    private long _undeliverable;

    public event Action<NodeId>? PathChanged;

    public string Mode => mode.Name;

    /// <summary>Envelopes that were dropped because they were malformed or there was no way.</summary>
    public long Undeliverable => Interlocked.Read(ref _undeliverable);

    /// <summary>Names the sessions that take what is addressed to this node; called once, before the first link.</summary>
    public void DeliverTo(IEnvelopeReceiver sessions) => _sessions = sessions;

    public void Add(ILink link)
    {
        _links[link.Remote] = link;
        TaskCompletionSource? waiter;
        lock (_waitersLock)
        {
            _waiters.Remove(link.Remote, out waiter);
        }

        waiter?.TrySetResult();
        PathChanged?.Invoke(link.Remote);
    }

    public void Remove(ILink link)
    {
        if (_links.TryRemove(KeyValuePair.Create(link.Remote, link)))
        {
            PathChanged?.Invoke(link.Remote);
        }
    }

    public bool CanReach(NodeId node) => NextHop(node) is not null;

    public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        if (NextHop(header.Target) is not { } link)
        {
            return false;
        }

        Span<byte> head = stackalloc byte[EnvelopeHeader.Size];
        header.Write(head);
        return link.TrySend(LinkFrame.Envelope, head, payload);
    }

    public async ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken)
    {
        if (NextHop(node) is { } link)
        {
            await link.WaitForRoomAsync(cancellationToken);
            return;
        }

        TaskCompletionSource waiter;
        lock (_waitersLock)
        {
            // Waiters are as many as sessions, which are bounded.
            if (!_waiters.TryGetValue(node, out waiter!))
            {
                _waiters[node] = waiter = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }

        // A link that came between the look and the entry above has signalled nobody.
        if (CanReach(node))
        {
            waiter.TrySetResult();
        }

        await waiter.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Takes an envelope that a neighbour sent.</summary>
    public void OnEnvelope(ILink from, ReadOnlySpan<byte> envelope)
    {
        if (!EnvelopeHeader.TryRead(envelope, out var header))
        {
            Interlocked.Increment(ref _undeliverable);
            LogMalformed(from.Remote.ToShortString());
            _ = from.CloseAsync(LinkEnd.Protocol, "malformed envelope");
        }
        else if (header.Target == self.Id)
        {
            _sessions?.OnEnvelope(header, envelope[EnvelopeHeader.Size..]);
        }
        else
        {
            Interlocked.Increment(ref _undeliverable);
            LogNotOurs(from.Remote.ToShortString(), header.Target.ToShortString());
        }
    }

    private ILink? NextHop(NodeId target) =>
        mode.NextHop(target, _isLinked ??= _links.ContainsKey) is { } next && _links.TryGetValue(next, out var link) ? link : null;

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} sent a malformed envelope; its link is closed")]
    private partial void LogMalformed(string peer);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer} sent an envelope for {Target}, to which this node forwards nothing")]
    private partial void LogNotOurs(string peer, string target);
}
