using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Dawn.Identity;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Links;

/// <summary>The live links by node, at most one each, and the way from links to whoever handles what they carry. Thread-safe.</summary>
/// <remarks>
/// A link enters when the other end's first record has confirmed its keys. The handler hears of no link that loses against another at once;
/// of one that is replaced later it hears <see cref="ILinkHandler.OnDown"/> after the new one's <see cref="ILinkHandler.OnUp"/>.
/// </remarks>
/// <param name="handler">Asked for once, at the first link: the handler may itself need this table.</param>
internal sealed partial class LinkTable(INodeIdentity identity, LinkOptions options, Func<ILinkHandler> handler, TimeProvider time, ILogger<LinkTable> logger) : ILinkHandler
{
    private readonly Lazy<ILinkHandler> _handler = new(handler);
    private readonly LinkTicker _ticker = new(options, time);
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<NodeId, Link> _byNode = new();
    private readonly SortedDictionary<long, Running> _running = [];
    private readonly HashSet<Link> _admitted = [];
    private volatile ILink[] _snapshot = [];
    private long _number;
    private bool _isStopping;

    /// <summary>The live links with members, in the order of their NodeIds.</summary>
    public IReadOnlyList<ILink> Snapshot => _snapshot;

    public bool TryGet(NodeId node, [NotNullWhen(true)] out ILink? link)
    {
        link = _byNode.GetValueOrDefault(node);
        return link is not null;
    }

    /// <summary>The number of a connection that was just made: dialer and listener both count, so that they agree on what is newer.</summary>
    public long NextNumber() => Interlocked.Increment(ref _number);

    /// <summary>Closes every link and waits for their ends; links that come later are closed as well.</summary>
    public async Task CloseAllAsync(LinkEnd reason = LinkEnd.Stopping)
    {
        Running[] running;
        lock (_lock)
        {
            _isStopping = true;
            running = [.. _running.Values];
        }

        foreach (var (link, _) in running)
        {
            link.BeginClose(reason);
        }

        // Each is bounded: by the time to close and the time to dispose.
        await Task.WhenAll(running.Select(one => one.Completion));
    }

    /// <summary>Starts the link of a finished handshake.</summary>
    /// <returns>The link, and what ends when its connection is disposed.</returns>
    internal (Link Link, Task Completion) Start(ConnectionContext connection, LinkPeer peer, bool isInitiator, Uri address, long number)
    {
        var link = new Link(connection, peer, isInitiator, address, number, identity, options, this, _ticker, time, logger);
        var started = new TaskCompletionSource();
        var completion = RunAsync(link, started.Task);
        lock (_lock)
        {
            _running.Add(number, new(link, completion));
            if (_isStopping)
            {
                link.BeginClose(LinkEnd.Stopping);
            }
        }

        started.SetResult();
        return (link, completion);
    }

    void ILinkHandler.OnUp(ILink up)
    {
        var link = (Link)up;
        var (refusal, text, replaced) = Admit(link);
        if (refusal is { } reason)
        {
            LogRefused(link.Remote.ToShortString(), text!);
            link.BeginClose(reason, text);
            return;
        }

        LogUp(link.Remote, link.Address, link.IsInitiator, link.IsSealed);
        try
        {
            _handler.Value.OnUp(link);
        }
        finally
        {
            replaced?.BeginClose(LinkEnd.Duplicate, "another link to the same node is kept");
        }
    }

    void ILinkHandler.OnFrame(ILink from, LinkFrame type, ReadOnlySpan<byte> body)
    {
        var link = (Link)from;
        // A newcomer asks once: what follows a first question on the same link must not spend a second use of its ticket.
        if (!link.IsAdmitted || (link.Certificate is null && link.IsClosing))
        {
            return;
        }

        if ((type is LinkFrame.Redeem or LinkFrame.Redeemed) != (link.Certificate is null))
        {
            link.BeginClose(LinkEnd.Protocol, link.Certificate is null ? "this link is for redeeming a ticket" : "tickets are redeemed on links of their own");
            return;
        }

        _handler.Value.OnFrame(link, type, body);
    }

    void ILinkHandler.OnDown(ILink down, LinkEnd reason)
    {
        var link = (Link)down;
        lock (_lock)
        {
            if (!_admitted.Remove(link))
            {
                return;
            }

            if (_byNode.TryRemove(KeyValuePair.Create(link.Remote, link)))
            {
                Publish();
            }
        }

        _handler.Value.OnDown(link, reason);
    }

    private (LinkEnd? Refusal, string? Text, Link? Replaced) Admit(Link link)
    {
        lock (_lock)
        {
            if (_isStopping)
            {
                return (LinkEnd.Stopping, "the node is stopping", null);
            }

            if (link.Certificate is null)
            {
                if (_admitted.Count(one => one.Certificate is null) >= options.MaxNewcomers)
                {
                    return (LinkEnd.Limit, "too many newcomers at once", null);
                }

                _admitted.Add(link);
                link.IsAdmitted = true;
                return (null, null, null);
            }

            var existing = _byNode.GetValueOrDefault(link.Remote);
            if (existing is not null && !Survives(link, existing))
            {
                return (LinkEnd.Duplicate, "another link to the same node is kept", null);
            }

            if (existing is null && _byNode.Count >= options.MaxLinks)
            {
                return (LinkEnd.Limit, $"{options.MaxLinks} links are up, and no more are allowed", null);
            }

            _byNode[link.Remote] = link;
            _admitted.Add(link);
            link.IsAdmitted = true;
            Publish();
            return (null, null, existing);
        }
    }

    // Both ends must come to the same answer, each by itself (docs/protocol.md, "Frames").
    private bool Survives(Link link, Link existing) => existing.IsSuspect || (link.IsInitiator == existing.IsInitiator
        ? link.Number > existing.Number
        : link.IsInitiator == identity.Id.CompareTo(link.Remote) < 0);

    private void Publish() => _snapshot = [.. _byNode.Values.OrderBy(link => link.Remote)];

    private async Task RunAsync(Link link, Task started)
    {
        await started;
        try
        {
            await link.RunAsync();
        }
        finally
        {
            lock (_lock)
            {
                _running.Remove(link.Number);
            }
        }
    }

    private sealed record Running(Link Link, Task Completion);

    [LoggerMessage(Level = LogLevel.Information, Message = "Link with {Node} is up ({Address}, dialled by us: {IsInitiator}, sealed: {IsSealed})")]
    private partial void LogUp(NodeId node, Uri address, bool isInitiator, bool isSealed);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Link with {Node} is not kept: {Cause}")]
    private partial void LogRefused(string node, string cause);
}
