using System.Collections.Immutable;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Routing;

/// <summary>Moves envelopes between links and this node's sessions, and from link to link for others, by the mode in force. Thread-safe.</summary>
/// <remarks>It keeps no links of its own: of two links to a node that come up at once only the table knows which one is kept.</remarks>
internal sealed partial class Router : IEnvelopePort
{
    // A relay that says it has no way is asked again after this; one that merely answers nothing later, since that takes seconds to notice.
    private static readonly TimeSpan PauseAfterNoRoute = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan PauseAfterStall = TimeSpan.FromSeconds(15);

    private readonly INodeIdentity _self;
    private readonly RoutingModes _modes;
    private readonly Topology _topology;
    private readonly LinkTable _links;
    private readonly Floods _floods;
    private readonly FoundWays _found;
    private readonly Paths _paths;
    private readonly Lazy<IEnvelopeReceiver> _sessions;
    private readonly ILogger _logger;
    private TaskCompletionSource _changed = NewSignal();
    private long _malformed;

    /// <param name="sessions">Take what is addressed to this node; asked for at the first envelope, since they send through this router in turn.</param>
    public Router(
        INodeIdentity self, RoutingModes modes, Topology topology, LinkTable links, FoundWays found, RelayOptions options, Func<IEnvelopeReceiver> sessions,
        Entropy entropy, TimeProvider time, ILogger<Router> logger)
    {
        (_self, _modes, _topology, _links, _found, _sessions, _logger) = (self, modes, topology, links, found, new(sessions), logger);
        _floods = new(self, links, found, options.IsEnabled, node => topology.Find(node) is not null, entropy, time, logger);
        _paths = new(Plan, IsRelayOf, links, time);
        Onward = new(PlanOnward, IsRelayOf, links, time);
        Relay = new(options, Onward, time, logger);
        Traces = new(self.Id, this, entropy, time);
        modes.Changed += Refresh;
        topology.Known += OnKnown;
    }

    public event Action<IReadOnlyList<NodeId>>? PathsChanged;

    /// <summary>Raised where something to a node is stalled on all the ways that there are.</summary>
    public event Action<NodeId>? Stalled;

    public string Mode => _modes.Current ?? "";

    /// <summary>What passes through this node.</summary>
    public Relay Relay { get; }

    /// <summary>Follows ways hop by hop.</summary>
    public Traces Traces { get; }

    /// <summary>Envelopes that were malformed.</summary>
    public long Malformed => Interlocked.Read(ref _malformed);

    /// <summary>Questions of others for a way that were passed on.</summary>
    public long FloodsPassed => _floods.Passed;

    private Paths Onward { get; }

    /// <summary>A link is up, or took the place of another.</summary>
    public void OnLinkUp(ILink link) => OnLinkChanged(link.Remote);

    /// <summary>A link is down; another to the same node may have taken its place.</summary>
    public void OnLinkDown(ILink link)
    {
        Relay.OnLinkDown(link);
        _floods.OnLinkDown(link);
        OnLinkChanged(link.Remote);
    }

    /// <summary>Looks at all paths in use again, and tells of those that are others now.</summary>
    public void Refresh()
    {
        _topology.Invalidate();
        RefreshPaths();
    }

    /// <summary>As <see cref="Refresh"/>, by the picture of the neighbours that there is: for each of them another one looks up a good deal, once a second.</summary>
    public void RefreshPaths()
    {
        Onward.Refresh();
        Tell(_paths.Refresh());
    }

    /// <summary>The ways to a node, by the mode in force.</summary>
    public RoutePlan Plan(NodeId target) => _modes.Plan(_topology.View, target);

    /// <inheritdoc cref="IRoutingMode.MayLink"/>
    public bool MayLink(NodeId node) => _modes.MayLink(_topology.View, node);

    /// <summary>The neighbour over which a node is reached now; null for none.</summary>
    public NodeId? HopTo(NodeId target) => _paths.Peek(target).Link?.Remote;

    /// <summary>Nodes that something was sent to lately, and over whom.</summary>
    public IReadOnlyList<(NodeId Target, ILink? Link)> Used(TimeSpan within) => _paths.Used(within);

    /// <summary>The way to a node now.</summary>
    public Route RouteTo(NodeId target)
    {
        var link = _paths.Peek(target).Link;
        return new(target, link, link is null ? RouteKind.None
            : link.Remote == target ? RouteKind.Direct
            : !IsRelayOf(target, link.Remote) && _found.Find(target) == link.Remote ? RouteKind.Found
            : RouteKind.Relay);
    }

    /// <summary>The ways that something was sent over lately, and those to these nodes; in the order of their NodeIds.</summary>
    public IReadOnlyList<Route> Routes(IEnumerable<NodeId> nodes) => [.. _paths.Used(Paths.Forgotten).Select(used => used.Target).Union(nodes).Order().Select(RouteTo)];

    /// <inheritdoc cref="Topology.NamesWay"/>
    public bool NamesWay(NodeId node) => _topology.NamesWay(node);

    /// <summary>Asks everybody for a way to a node.</summary>
    public bool Seek(NodeId target) => _floods.Seek(target);

    /// <summary>Ways that floods have found and that are in use stay known.</summary>
    public void KeepFound(TimeSpan within)
    {
        foreach (var (target, link) in _paths.Used(within).Concat(Onward.Used(within)))
        {
            if (link is not null && _found.Find(target) == link.Remote)
            {
                _found.Keep(target);
            }
        }
    }

    public bool CanReach(NodeId node) => _paths.Peek(node).Link is not null;

    public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        var hop = _paths.Find(header.Target);
        if (hop.Link is not { } link)
        {
            return false;
        }

        Span<byte> head = stackalloc byte[EnvelopeHeader.Size];
        (header with { Flags = (byte)hop.Flags }).Write(head);
        return link.TrySend(LinkFrame.Envelope, head, payload);
    }

    public async ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken)
    {
        while (true)
        {
            // Taken before the look, so that a way which comes in between is not missed.
            var changed = Volatile.Read(ref _changed);
            if (_paths.Find(node).Link is { } link)
            {
                await link.WaitForRoomAsync(cancellationToken);
                return;
            }

            await changed.Task.WaitAsync(cancellationToken);
        }
    }

    public void OnStalled(NodeId node)
    {
        if (_paths.Find(node).Link is { } link && _paths.Avoid(node, link.Remote, PauseAfterStall, isDead: false))
        {
            _found.Remove(node, link.Remote);
            LogStalled(node.ToShortString(), link.Remote.ToShortString());
            link.Doubt();
            Tell(_paths.Refresh());
            if (_paths.IsStalled(node))
            {
                Stalled?.Invoke(node);
            }
        }
    }

    /// <summary>Takes an envelope that a neighbour sent.</summary>
    public void OnEnvelope(ILink from, ReadOnlySpan<byte> envelope)
    {
        if (!EnvelopeHeader.TryRead(envelope, out var header))
        {
            Interlocked.Increment(ref _malformed);
            LogMalformed(from.Remote.ToShortString());
            _ = from.CloseAsync(LinkEnd.Protocol, "malformed envelope");
            return;
        }

        var payload = envelope[EnvelopeHeader.Size..];
        switch (header.Kind)
        {
            case EnvelopeKind.Seek:
                _floods.OnSeek(from, header, payload);
                break;
            case EnvelopeKind.Found:
                _floods.OnFound(from, header, payload);
                break;
            case EnvelopeKind.Undeliverable when Undeliverable.TryRead(payload, out var code) && code != UndeliverableCode.NoSession:
                OnUndeliverable(from, header, payload, code);
                break;
            case EnvelopeKind.Trace when header.HopLimit <= 1 || header.Target == _self.Id:
                Traces.OnTrace(from, header, payload);
                break;
            case EnvelopeKind.Traced when header.Target == _self.Id:
                Traces.OnTraced(from, header, payload);
                break;
            case var _ when header.Target == _self.Id:
                if (header.Kind == EnvelopeKind.Handshake && _topology.Find(header.Source) is not null)
                {
                    // It got here, which of the other ways nobody knows.
                    _paths.Hear(header.Source, from.Remote, PauseAfterStall);
                }

                _sessions.Value.OnEnvelope(header, payload);
                break;
            default:
                Relay.Forward(from, header, payload);
                break;
        }
    }

    // A hint that anybody on the way could give: it moves what it names to another way, or makes it slower, which whoever is on the way could bring about as well.
    private void OnUndeliverable(ILink from, in EnvelopeHeader header, ReadOnlySpan<byte> payload, UndeliverableCode code)
    {
        var ways = header.Target == _self.Id ? _paths : Onward;
        if (code == UndeliverableCode.NoRoute && ways.Avoid(header.Source, from.Remote, PauseAfterNoRoute, isDead: true))
        {
            _found.Remove(header.Source, from.Remote);
            Refresh();
        }

        if (header.Target != _self.Id)
        {
            Relay.Forward(from, header, payload);
        }
        else if (code == UndeliverableCode.Limit && _paths.Peek(header.Source).Link == from)
        {
            _sessions.Value.OnCongested(header.Source, header.Tag);
        }
    }

    // What is known of a node has changed, as where it can be reached.
    private void OnKnown(NodeId node)
    {
        if (_links.TryGet(node, out _))
        {
            _topology.Invalidate();
        }

        // The node's own way alone: this comes with each record, each peer and each flood. What it means for others shows at the next tick.
        Onward.Refresh(node);
        if (_paths.Refresh(node))
        {
            Tell([node]);
        }
    }

    private void OnLinkChanged(NodeId node)
    {
        _topology.Invalidate();
        Onward.Refresh();
        var changed = _paths.Refresh();
        Tell(changed.Contains(node) ? changed : [node, .. changed]);
    }

    private void Tell(List<NodeId> nodes)
    {
        if (nodes.Count == 0)
        {
            return;
        }

        // One signal for all who wait: they are few, and one for each node would have to be taken back by those who give up.
        Interlocked.Exchange(ref _changed, NewSignal()).TrySetResult();
        foreach (var handler in Delegate.EnumerateInvocationList(PathsChanged))
        {
            try
            {
                handler(nodes);
            }
            catch (Exception e)
            {
                // Who fails to listen keeps neither the others nor the link from going on.
                LogHandlerFailed(e, nodes.Count);
            }
        }
    }

    // For others the way is short: to the target, to a relay of it, or back along a flood. What a mode prefers for this node's own calls does not matter to them.
    private RoutePlan PlanOnward(NodeId target)
    {
        if (_topology.Find(target) is not { } view)
        {
            return RoutePlan.None;
        }

        var hops = ImmutableArray.CreateBuilder<NodeId>();
        if (view.IsLinked)
        {
            hops.Add(target);
        }

        hops.AddRange(view.Relays.Where(relay => _links.TryGet(relay, out _)).OrderBy(relay => _topology.Find(relay)?.Cost ?? TimeSpan.MaxValue));
        if (view.FoundOver is { } over)
        {
            hops.Add(over);
        }

        return new(hops.ToImmutable(), []) { Alike = view.IsLinked ? 1 : Math.Max(1, hops.Count - (view.FoundOver is null ? 0 : 1)) };
    }

    private bool IsRelayOf(NodeId target, NodeId relay) => _topology.Find(target)?.Relays.Contains(relay) ?? false;

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} sent a malformed envelope; its link is closed")]
    private partial void LogMalformed(string peer);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Nothing that went to {Node} over {Hop} was acknowledged for a while; another way is tried")]
    private partial void LogStalled(string node, string hop);

    [LoggerMessage(Level = LogLevel.Error, Message = "Telling that the paths to {Count} nodes changed failed")]
    private partial void LogHandlerFailed(Exception exception, int count);
}
