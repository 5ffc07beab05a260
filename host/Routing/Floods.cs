using System.Buffers.Binary;
using System.Security.Cryptography;
using Dawn.Identity;
using Dawn.Links;

namespace Dawn.Routing;

/// <summary>
/// Finds a way to a node of which no record tells one: asks all neighbours, they ask theirs, and the node's answer takes the way back (docs/protocol.md, "Floods";
/// the idea is that of AODV, RFC 3561). Each question crosses each link at most once, however the network is knit. Thread-safe.
/// </summary>
/// <param name="forwards">False where this node answers for itself alone.</param>
/// <param name="isKnown">True for nodes of the network, as far as this one knows them.</param>
internal sealed partial class Floods(INodeIdentity self, LinkTable links, FoundWays found, bool forwards, Func<NodeId, bool> isKnown, Entropy entropy, TimeProvider time, ILogger logger)
{
    /// <summary>How long a question goes on.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);

    /// <summary>Questions remembered at once; while there are more, new ones are not passed on.</summary>
    public const int MaxSeen = 8_192;

    // Clocks differ.
    private static readonly TimeSpan Skew = TimeSpan.FromMinutes(2);

    // From one neighbour; what is beyond is not looked at.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private const int Burst = 100;

    // Of this node itself: each costs every node of the network a signature, and after a partition a node misses many at once.
    private static readonly TimeSpan OwnInterval = TimeSpan.FromSeconds(1);
    private const int OwnBurst = 8;

    private const int NonceSize = 16;
    private const int SeekBody = sizeof(ulong) + NonceSize;
    private const int SignedSize = 1 + 2 * NodeId.Size + SeekBody;
    private const int FoundBody = SHA256.HashSizeInBytes;

    private readonly Lock _lock = new();
    private readonly Dictionary<UInt128, Asked> _seen = [];
    private readonly Queue<(UInt128 Id, long Until)> _order = new();
    private readonly Dictionary<ILink, Gcra> _limits = [];
    private readonly long _started = time.GetTimestamp();
    private readonly Gcra _own = new(OwnInterval, OwnBurst);
    private long _passed;

    private sealed class Asked(ILink? from, NodeId target)
    {
        /// <summary>Null where this node asked itself.</summary>
        public ILink? From => from;

        public NodeId Target => target;

        public bool IsAnswered { get; set; }
    }

    /// <summary>Questions of others that were passed on.</summary>
    public long Passed => Interlocked.Read(ref _passed);

    /// <summary>Asks everybody for a way to a node.</summary>
    /// <returns>False where this node has asked too often lately.</returns>
    public bool Seek(NodeId target)
    {
        lock (_lock)
        {
            if (!_own.TryTake(time.GetElapsedTime(_started)))
            {
                return false;
            }
        }

        Span<byte> payload = stackalloc byte[SeekBody + Signatures.Size];
        BinaryPrimitives.WriteUInt64BigEndian(payload, (ulong)(time.GetUtcNow() + Lifetime).ToUnixTimeMilliseconds());
        entropy.Bytes(NonceSize).CopyTo(payload[sizeof(ulong)..]);
        var header = new EnvelopeHeader(EnvelopeKind.Seek, 0, EnvelopeHeader.DefaultHopLimit, entropy.UInt64(), self.Id, target, 0, payload.Length);
        Span<byte> signed = stackalloc byte[SignedSize];
        var id = Identify(header, payload[..SeekBody], signed);
        self.Sign(SigningLabel.Flood, signed).CopyTo(payload[SeekBody..]);
        if (TryRemember(id, new(null, target)))
        {
            PassOn(header, payload, null);
        }

        return true;
    }

    /// <summary>Takes a question.</summary>
    public void OnSeek(ILink from, in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        if (payload.Length != SeekBody + Signatures.Size || header.Source == self.Id || !TryTake(from))
        {
            return;
        }

        var until = BinaryPrimitives.ReadUInt64BigEndian(payload);
        var now = (ulong)time.GetUtcNow().ToUnixTimeMilliseconds();
        Span<byte> signed = stackalloc byte[SignedSize];
        var id = Identify(header, payload[..SeekBody], signed);
        if (until + (ulong)Skew.TotalMilliseconds < now || until > now + (ulong)(Lifetime + Skew).TotalMilliseconds || IsSeen(id) || !(header.Source == from.Remote || isKnown(header.Source)))
        {
            return;
        }

        if (!KnownSignatures.Shared.Verify(header.Source, SigningLabel.Flood, signed, payload[SeekBody..]))
        {
            // Who passes on what holds never sends such a thing.
            LogForged(from.Remote.ToShortString());
            _ = from.CloseAsync(LinkEnd.Protocol, "a flood whose signature is wrong");
            return;
        }

        if (!TryRemember(id, new(from, header.Target)))
        {
            return;
        }

        found.Add(header.Source, from.Remote);
        if (header.Target == self.Id)
        {
            Answer(from, header.Source, SHA256.HashData(signed));
        }
        else if (forwards && header.HopLimit > 1)
        {
            Interlocked.Increment(ref _passed);
            PassOn(header with { HopLimit = (byte)(header.HopLimit - 1) }, payload, from);
        }
    }

    /// <summary>Takes an answer.</summary>
    public void OnFound(ILink from, in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        if (payload.Length != FoundBody + Signatures.Size || !TryTake(from))
        {
            return;
        }

        Asked? asked;
        lock (_lock)
        {
            asked = _seen.GetValueOrDefault(BinaryPrimitives.ReadUInt128BigEndian(payload));
            if (asked is null || asked.IsAnswered || asked.Target != header.Source)
            {
                return;
            }
        }

        Span<byte> signed = stackalloc byte[1 + 2 * NodeId.Size + FoundBody];
        Identify(header, payload[..FoundBody], signed);
        if (!KnownSignatures.Shared.Verify(header.Source, SigningLabel.Flood, signed, payload[FoundBody..]))
        {
            LogForged(from.Remote.ToShortString());
            _ = from.CloseAsync(LinkEnd.Protocol, "an answer to a flood whose signature is wrong");
            return;
        }

        lock (_lock)
        {
            if (asked.IsAnswered)
            {
                return;
            }

            asked.IsAnswered = true;
        }

        found.Add(header.Source, from.Remote);
        if (asked.From is { } back && header.HopLimit > 1)
        {
            Send(back, header with { HopLimit = (byte)(header.HopLimit - 1) }, payload);
        }
    }

    public void OnLinkDown(ILink link)
    {
        lock (_lock)
        {
            _limits.Remove(link);
        }

        found.OnLinkDown(link);
    }

    private void Answer(ILink to, NodeId origin, ReadOnlySpan<byte> id)
    {
        Span<byte> payload = stackalloc byte[FoundBody + Signatures.Size];
        id.CopyTo(payload);
        var header = new EnvelopeHeader(EnvelopeKind.Found, 0, EnvelopeHeader.DefaultHopLimit, entropy.UInt64(), self.Id, origin, 0, payload.Length);
        Span<byte> signed = stackalloc byte[1 + 2 * NodeId.Size + FoundBody];
        Identify(header, payload[..FoundBody], signed);
        self.Sign(SigningLabel.Flood, signed).CopyTo(payload[FoundBody..]);
        Send(to, header, payload);
    }

    // To the sought node alone where it is a neighbour; a full link misses this question, and the next one goes over it again.
    private void PassOn(in EnvelopeHeader header, ReadOnlySpan<byte> payload, ILink? except)
    {
        if (links.TryGet(header.Target, out var direct))
        {
            Send(direct, header, payload);
            return;
        }

        foreach (var link in links.Snapshot)
        {
            if (link != except && link.Remote != header.Source)
            {
                Send(link, header, payload);
            }
        }
    }

    private static void Send(ILink link, in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        Span<byte> head = stackalloc byte[EnvelopeHeader.Size];
        header.Write(head);
        link.TrySend(LinkFrame.Envelope, head, payload);
    }

    // What is signed: kind ‖ source ‖ target ‖ body. Its SHA-256 is the flood's id, of which half is enough to tell floods apart.
    private static UInt128 Identify(in EnvelopeHeader header, ReadOnlySpan<byte> body, Span<byte> signed)
    {
        signed[0] = (byte)header.Kind;
        header.Source.CopyTo(signed[1..]);
        header.Target.CopyTo(signed[(1 + NodeId.Size)..]);
        body.CopyTo(signed[(1 + 2 * NodeId.Size)..]);
        Span<byte> id = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(signed[..(1 + 2 * NodeId.Size + body.Length)], id);
        return BinaryPrimitives.ReadUInt128BigEndian(id);
    }

    private bool TryTake(ILink from)
    {
        lock (_lock)
        {
            if (!_limits.TryGetValue(from, out var limit))
            {
                _limits.Add(from, limit = new(Interval, Burst));
            }

            return limit.TryTake(time.GetElapsedTime(_started));
        }
    }

    private bool IsSeen(UInt128 id)
    {
        lock (_lock)
        {
            return _seen.ContainsKey(id);
        }
    }

    private bool TryRemember(UInt128 id, Asked asked)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            while (_order.TryPeek(out var oldest) && oldest.Until <= now)
            {
                _seen.Remove(_order.Dequeue().Id);
            }

            if (_seen.Count >= MaxSeen || !_seen.TryAdd(id, asked))
            {
                return false;
            }

            // Longer than anybody takes it, by whatever clock.
            _order.Enqueue((id, now + (long)((Lifetime + 2 * Skew).TotalSeconds * time.TimestampFrequency)));
            return true;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Peer} sent a flood that nobody signed so; its link is closed")]
    private partial void LogForged(string peer);
}
