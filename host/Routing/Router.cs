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
/// <remarks>It keeps no links of its own: of two links to a node that come up at once only the table knows which one is kept.</remarks>
/// <param name="sessions">Take what is addressed to this node; asked for at the first envelope, since they send through this router in turn.</param>
internal sealed partial class Router(INodeIdentity self, IRoutingMode mode, LinkTable links, Func<IEnvelopeReceiver> sessions, ILogger<Router> logger) : IEnvelopePort
{
    private readonly Lazy<IEnvelopeReceiver> _sessions = new(sessions);
    private readonly Func<NodeId, bool> _isLinked = node => links.TryGet(node, out _);
    private TaskCompletionSource _linkUp = NewSignal();
    private long _undeliverable;

    public event Action<NodeId>? PathChanged;

    public string Mode => mode.Name;

    /// <summary>Envelopes that were dropped because they were malformed or there was no way.</summary>
    public long Undeliverable => Interlocked.Read(ref _undeliverable);

    /// <summary>A link to the node came, was replaced, or went.</summary>
    public void OnLinkChanged(NodeId node)
    {
        // One signal for all who wait: they are few, and one for each node would have to be taken back by those who give up.
        Interlocked.Exchange(ref _linkUp, NewSignal()).TrySetResult();
        foreach (var handler in Delegate.EnumerateInvocationList(PathChanged))
        {
            try
            {
                handler(node);
            }
            catch (Exception e)
            {
                // Who fails to listen keeps neither the others nor the link from going on.
                LogHandlerFailed(e, node.ToShortString());
            }
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
        while (true)
        {
            // Taken before the look, so that a link which comes in between is not missed.
            var linkUp = Volatile.Read(ref _linkUp);
            if (NextHop(node) is { } link)
            {
                await link.WaitForRoomAsync(cancellationToken);
                return;
            }

            await linkUp.Task.WaitAsync(cancellationToken);
        }
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
            _sessions.Value.OnEnvelope(header, envelope[EnvelopeHeader.Size..]);
        }
        else
        {
            Interlocked.Increment(ref _undeliverable);
            LogNotOurs(from.Remote.ToShortString(), header.Target.ToShortString());
        }
    }

    private ILink? NextHop(NodeId target) =>
        mode.NextHop(target, _isLinked) is { } next && links.TryGet(next, out var link) ? link : null;

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} sent a malformed envelope; its link is closed")]
    private partial void LogMalformed(string peer);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Peer} sent an envelope for {Target}, to which this node forwards nothing")]
    private partial void LogNotOurs(string peer, string target);

    [LoggerMessage(Level = LogLevel.Error, Message = "Telling that the path to {Node} changed failed")]
    private partial void LogHandlerFailed(Exception exception, string node);
}
