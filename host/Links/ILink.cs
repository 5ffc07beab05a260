using Dawn.Identity;

namespace Dawn.Links;

/// <summary>What a link's records carry (docs/protocol.md, "Frames").</summary>
internal enum LinkFrame : byte
{
    Padding = 0,
    Envelope = 1,
    Ping = 2,
    Pong = 3,
    Close = 4,
    /// <summary>A message of an in-band handshake for new keys, or the responder's wish for one.</summary>
    Rekey = 5,
    /// <summary>The last frame of its record: the next record of this direction uses the next epoch's key.</summary>
    Switch = 6,
    /// <summary>A signed node record.</summary>
    Record = 7,
    /// <summary>A newcomer asks for membership, by ticket.</summary>
    Redeem = 8,
    /// <summary>The issuer's answer.</summary>
    Redeemed = 9,
    /// <summary>What neighbours tell each other about the mesh.</summary>
    Membership = 10,
    /// <summary>What makes two nodes' registries alike: summaries, messages of a reconciliation, proofs of conflicts.</summary>
    Registry = 11,
}

/// <summary>Why a link ended; the numbers are the wire's.</summary>
internal enum LinkEnd : byte
{
    Done = 0,
    Stopping = 1,
    /// <summary>Another link to the same node is kept instead.</summary>
    Duplicate = 2,
    Protocol = 3,
    CertificateExpired = 4,
    Limit = 5,
    /// <summary>Nothing was heard for too long.</summary>
    Silent = 6,
    /// <summary>The transport ended without a close frame.</summary>
    Broken = 7,
}

/// <summary>An authenticated connection to a neighbour. Thread-safe.</summary>
internal interface ILink
{
    NodeId Remote { get; }

    /// <summary>The other end's, as it showed it last: a renewed one takes the place of the old. Null only on a link of a newcomer who redeems a ticket: it carries <see cref="LinkFrame.Redeem"/> and its answer, nothing else.</summary>
    Certificate? Certificate { get; }

    /// <summary>The ticket (16 bytes) under whose PSK an accepted newcomer's handshake ran; null on every other link.</summary>
    ReadOnlyMemory<byte>? TicketId { get; }

    /// <summary>True where this node dialled.</summary>
    bool IsInitiator { get; }

    /// <summary>False where both ends have turned encryption off.</summary>
    bool IsSealed { get; }

    /// <summary>How often the link's keys have been replaced.</summary>
    int Epoch { get; }

    /// <summary>Where this node dialled; for an accepted link the scheme and the peer's endpoint.</summary>
    Uri Address { get; }

    /// <summary>The last measured round trip; null before the first.</summary>
    TimeSpan? RoundTrip { get; }

    /// <summary>A number that changes when an envelope crosses the link, either way; a link that carries none may leave it at 0.</summary>
    long Envelopes => 0;

    /// <summary>How full its queue is, from 0 to 1; a link that has none may leave it at 0.</summary>
    double Load => 0;

    /// <summary>Somebody got no answer over it: unless something is heard within seconds, it ends. A link that looks after itself otherwise may leave it.</summary>
    void Doubt()
    {
    }

    /// <summary>Ends once the link is down, with the reason.</summary>
    Task<LinkEnd> Ended { get; }

    /// <summary>Queues a frame whose body is <paramref name="head"/> ‖ <paramref name="body"/> (both are copied). False where the queue is full or the link is down.</summary>
    bool TrySend(LinkFrame type, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body);

    /// <summary>Waits until the queue has room again; returns at once for a link that is down.</summary>
    ValueTask WaitForRoomAsync(CancellationToken cancellationToken);

    /// <summary>Sends what is queued and a close frame, then ends; bounded to 2 s.</summary>
    ValueTask CloseAsync(LinkEnd reason, string? text = null);
}

/// <summary>What happens on links. Called in order for each link, on its reading loop: handlers return soon and keep nothing of the span.</summary>
internal interface ILinkHandler
{
    void OnUp(ILink link);

    /// <summary>Frames other than keep-alive, close and rekeying, which the link handles itself.</summary>
    void OnFrame(ILink link, LinkFrame type, ReadOnlySpan<byte> body);

    void OnDown(ILink link, LinkEnd reason);
}
