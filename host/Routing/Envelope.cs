using System.Buffers.Binary;

namespace Dawn.Routing;

/// <summary>What an envelope's payload is; routers pass on kinds that they don't know.</summary>
internal enum EnvelopeKind : byte
{
    /// <summary>A message of a session's handshake.</summary>
    Handshake = 1,

    /// <summary>A segment of a session.</summary>
    Segment = 2,

    /// <summary>A router's word that it could not pass an envelope on: a hint, never proof.</summary>
    Undeliverable = 3,

    /// <summary>Goes to everybody, to find a way to its target.</summary>
    Seek = 4,

    /// <summary>The sought node's answer; takes the way back.</summary>
    Found = 5,

    /// <summary>Asks whoever takes it when its hop limit runs out, or its target, to answer.</summary>
    Trace = 6,

    /// <summary>The answer: a hint, never proof.</summary>
    Traced = 7,
}

/// <summary>Codes of <see cref="EnvelopeKind.Undeliverable"/>.</summary>
internal enum UndeliverableCode : byte
{
    NoRoute = 1,
    Limit = 2,
    NoSession = 3,
}

/// <summary>The payload of <see cref="EnvelopeKind.Undeliverable"/>: the id of the lost envelope and a code (docs/protocol.md, "Envelope").</summary>
internal static class Undeliverable
{
    public const int Size = sizeof(ulong) + 1;

    public static void Write(Span<byte> to, ulong lost, UndeliverableCode code)
    {
        BinaryPrimitives.WriteUInt64BigEndian(to, lost);
        to[Size - 1] = (byte)code;
    }

    /// <summary>False for a payload of another length.</summary>
    public static bool TryRead(ReadOnlySpan<byte> payload, out UndeliverableCode code)
    {
        code = payload.Length == Size ? (UndeliverableCode)payload[^1] : default;
        return payload.Length == Size;
    }
}

/// <summary>Bits of an envelope's flags.</summary>
[Flags]
internal enum EnvelopeFlags : byte
{
    None = 0,

    /// <summary>Handed to a node because the target's record names it as a relay: it may hand it to the target alone, or along a way that a flood has found, so that relays with old news don't send it in circles.</summary>
    ToRelay = 1,
}

/// <summary>The clear header that routing looks at. Layout: docs/protocol.md, "Envelope".</summary>
/// <param name="Id">Counts up from a random start for each origin; a retransmission gets a new one.</param>
/// <param name="Tag">The session, as its initiator named it.</param>
internal readonly record struct EnvelopeHeader(EnvelopeKind Kind, byte Flags, byte HopLimit, ulong Id, NodeId Source, NodeId Target, ulong Tag, int Length)
{
    public const int Size = 4 + 8 + 2 * NodeId.Size + 8 + 4;

    /// <summary>Bytes in the longest payload: a segment of 16 KiB sealed, and room for what later versions add.</summary>
    public const int MaxPayload = 17 * 1024;

    public const byte DefaultHopLimit = 16;

    private const byte Version = 1;

    public void Write(Span<byte> to)
    {
        to[0] = Version;
        to[1] = (byte)Kind;
        to[2] = Flags;
        to[3] = HopLimit;
        BinaryPrimitives.WriteUInt64BigEndian(to[4..], Id);
        Source.CopyTo(to[12..]);
        Target.CopyTo(to[44..]);
        BinaryPrimitives.WriteUInt64BigEndian(to[76..], Tag);
        BinaryPrimitives.WriteInt32BigEndian(to[84..], Length);
    }

    /// <summary>Reads the header of a whole envelope; false where version or length are wrong.</summary>
    public static bool TryRead(ReadOnlySpan<byte> envelope, out EnvelopeHeader header)
    {
        header = default;
        if (envelope.Length < Size || envelope[0] != Version)
        {
            return false;
        }

        header = new(
            (EnvelopeKind)envelope[1], envelope[2], envelope[3],
            BinaryPrimitives.ReadUInt64BigEndian(envelope[4..]),
            new NodeId(envelope.Slice(12, NodeId.Size)),
            new NodeId(envelope.Slice(44, NodeId.Size)),
            BinaryPrimitives.ReadUInt64BigEndian(envelope[76..]),
            BinaryPrimitives.ReadInt32BigEndian(envelope[84..]));
        return header.Length == envelope.Length - Size && header.Length <= MaxPayload;
    }
}

/// <summary>The way out of a node for envelopes; the router behind it chooses the link. Thread-safe.</summary>
internal interface IEnvelopePort
{
    /// <summary>Queues an envelope (header and payload are copied); false where there is no way now or its link is full.</summary>
    bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload);

    /// <summary>True where a path to the node exists now.</summary>
    bool CanReach(NodeId node);

    /// <summary>Waits until the path to the node exists and has room.</summary>
    ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken);

    /// <summary>What went over the path in use was not acknowledged for a while: another one is taken where there is one.</summary>
    void OnStalled(NodeId node)
    {
    }

    /// <summary>Raised after the paths to these nodes came, went or changed, with all that one change of the network brings about at once; handlers return at once.</summary>
    event Action<IReadOnlyList<NodeId>>? PathsChanged;
}

/// <summary>Takes the envelopes that are addressed to this node. Called on a link's reading loop: it returns soon and keeps nothing of the span.</summary>
internal interface IEnvelopeReceiver
{
    void OnEnvelope(in EnvelopeHeader header, ReadOnlySpan<byte> payload);

    /// <summary>A relay had to drop an envelope of the session for want of room: less should be on the way.</summary>
    void OnCongested(NodeId target, ulong tag);
}
