using System.Collections.Immutable;
using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>What neighbours tell each other about the mesh (docs/protocol.md, "Membership").</summary>
internal abstract record MembershipMessage
{
    /// <summary>Bytes of the longest message.</summary>
    public const int MaxSize = 1_200;

    /// <summary>NodeIds in a shuffle or its reply: self, 3 active and 4 passive.</summary>
    public const int MaxShuffled = 8;

    private const byte Version = 1;

    private enum Type : byte
    {
        Join = 1,
        ForwardJoin = 2,
        Neighbour = 3,
        NeighbourAnswer = 4,
        Disconnect = 5,
        Shuffle = 6,
        ShuffleReply = 7,
        Probe = 8,
        ProbeAnswer = 9,
        ProbeRequest = 10,
        ProbeResult = 11,
        Suspicion = 12,
        Leave = 13,
    }

    /// <summary>Messages of a kind share a limit on their rate.</summary>
    public MessageClass Class => this switch
    {
        Probe or ProbeAnswer or ProbeRequest or ProbeResult => MessageClass.Probes,
        Suspicion or Leave => MessageClass.Rumours,
        _ => MessageClass.Views,
    };

    public byte[] Encode()
    {
        var to = new WireWriter().UInt8(Version);
        switch (this)
        {
            case Join:
                to.UInt8((byte)Type.Join);
                break;
            case ForwardJoin m:
                to.UInt8((byte)Type.ForwardJoin).UInt8(m.Ttl).NodeId(m.Newcomer);
                break;
            case Neighbour m:
                to.UInt8((byte)Type.Neighbour).UInt8(m.IsUrgent ? 1 : 0);
                break;
            case NeighbourAnswer m:
                to.UInt8((byte)Type.NeighbourAnswer).UInt8(m.IsAccepted ? 1 : 0);
                break;
            case Disconnect:
                to.UInt8((byte)Type.Disconnect);
                break;
            case Shuffle m:
                Nodes(to.UInt8((byte)Type.Shuffle).UInt64(m.Walk).UInt8(m.Ttl), m.Nodes);
                break;
            case ShuffleReply m:
                Nodes(to.UInt8((byte)Type.ShuffleReply).UInt64(m.Walk), m.Nodes);
                break;
            case Probe m:
                to.UInt8((byte)Type.Probe).UInt32(m.Number);
                break;
            case ProbeAnswer m:
                to.UInt8((byte)Type.ProbeAnswer).UInt32(m.Number);
                break;
            case ProbeRequest m:
                to.UInt8((byte)Type.ProbeRequest).UInt32(m.Number).NodeId(m.Target);
                break;
            case ProbeResult m:
                to.UInt8((byte)Type.ProbeResult).UInt32(m.Number).UInt8(m.IsAlive ? 1 : 0);
                break;
            case Suspicion m:
                to.UInt8((byte)Type.Suspicion).Bytes(m.Content).Bytes(m.Signature.Span);
                break;
            case Leave m:
                to.UInt8((byte)Type.Leave).Bytes(m.Content).Bytes(m.Signature.Span);
                break;
        }

        return to.ToArray();
    }

    /// <summary>Reads a message; signatures in it are not checked.</summary>
    /// <param name="message">Null where the type or version is one that this node doesn't know: then it is to be ignored.</param>
    /// <returns>False where it is malformed.</returns>
    public static bool TryRead(ReadOnlySpan<byte> body, out MembershipMessage? message)
    {
        message = null;
        if (body.Length is < 2 or > MaxSize)
        {
            return false;
        }

        if (body[0] != Version)
        {
            return true;
        }

        var reader = new WireReader(body[2..]);
        switch ((Type)body[1])
        {
            case Type.Join:
                message = new Join();
                break;
            case Type.ForwardJoin:
                message = new ForwardJoin(reader.UInt8(), reader.NodeId());
                break;
            case Type.Neighbour:
                message = new Neighbour(Flag(ref reader));
                break;
            case Type.NeighbourAnswer:
                message = new NeighbourAnswer(Flag(ref reader));
                break;
            case Type.Disconnect:
                message = new Disconnect();
                break;
            case Type.Shuffle:
                message = new Shuffle(reader.UInt64(), reader.UInt8(), Nodes(ref reader));
                break;
            case Type.ShuffleReply:
                message = new ShuffleReply(reader.UInt64(), Nodes(ref reader));
                break;
            case Type.Probe:
                message = new Probe(reader.UInt32());
                break;
            case Type.ProbeAnswer:
                message = new ProbeAnswer(reader.UInt32());
                break;
            case Type.ProbeRequest:
                message = new ProbeRequest(reader.UInt32(), reader.NodeId());
                break;
            case Type.ProbeResult:
                message = new ProbeResult(reader.UInt32(), Flag(ref reader));
                break;
            case Type.Suspicion:
                message = new Suspicion(reader.NodeId(), reader.UInt64(), reader.NodeId(), reader.UInt64(), reader.Bytes(Signatures.Size).ToArray());
                break;
            case Type.Leave:
                message = new Leave(reader.NodeId(), reader.UInt64(), reader.UInt64(), reader.Bytes(Signatures.Size).ToArray());
                break;
            default:
                return true;
        }

        message = reader.Complete ? message : null;
        return message is not null;
    }

    private static bool Flag(ref WireReader reader)
    {
        var value = reader.UInt8();
        if (value > 1)
        {
            reader.Fail();
        }

        return value == 1;
    }

    private static void Nodes(WireWriter to, ImmutableArray<NodeId> nodes)
    {
        to.UInt8(nodes.Length);
        foreach (var node in nodes)
        {
            to.NodeId(node);
        }
    }

    private static ImmutableArray<NodeId> Nodes(ref WireReader reader)
    {
        int count = reader.UInt8();
        if (count > MaxShuffled)
        {
            reader.Fail();
        }

        var nodes = ImmutableArray.CreateBuilder<NodeId>();
        for (var i = 0; i < count && !reader.Failed; i++)
        {
            nodes.Add(reader.NodeId());
        }

        return nodes.ToImmutable();
    }
}

internal enum MessageClass
{
    Views,
    Probes,
    Rumours,
}

/// <summary>The sender has no neighbours and wants the receiver as its first.</summary>
internal sealed record Join : MembershipMessage;

/// <summary>A random walk that finds neighbours for a newcomer.</summary>
internal sealed record ForwardJoin(byte Ttl, NodeId Newcomer) : MembershipMessage;

/// <summary>The sender wants the receiver as a neighbour.</summary>
/// <param name="IsUrgent">It has none, or ends a newcomer's walk: not to be refused.</param>
internal sealed record Neighbour(bool IsUrgent) : MembershipMessage;

internal sealed record NeighbourAnswer(bool IsAccepted) : MembershipMessage;

/// <summary>The sender no longer counts the receiver as a neighbour.</summary>
internal sealed record Disconnect : MembershipMessage;

/// <summary>A random walk that exchanges samples of views. The answer goes back the way it came.</summary>
internal sealed record Shuffle(ulong Walk, byte Ttl, ImmutableArray<NodeId> Nodes) : MembershipMessage;

internal sealed record ShuffleReply(ulong Walk, ImmutableArray<NodeId> Nodes) : MembershipMessage;

internal sealed record Probe(uint Number) : MembershipMessage;

internal sealed record ProbeAnswer(uint Number) : MembershipMessage;

/// <summary>Asks a neighbour to probe somebody.</summary>
internal sealed record ProbeRequest(uint Number, NodeId Target) : MembershipMessage;

internal sealed record ProbeResult(uint Number, bool IsAlive) : MembershipMessage;

/// <summary>A signed statement that somebody answers no probes.</summary>
/// <param name="Sequence">Of the suspect's record: any newer one refutes it.</param>
/// <param name="Time">Unix milliseconds.</param>
internal sealed record Suspicion(NodeId Suspect, ulong Sequence, NodeId Accuser, ulong Time, ReadOnlyMemory<byte> Signature) : MembershipMessage
{
    public byte[] Content => new WireWriter().NodeId(Suspect).UInt64(Sequence).NodeId(Accuser).UInt64(Time).ToArray();

    public bool IsSigned => KnownSignatures.Shared.Verify(Accuser, SigningLabel.Suspicion, Content, Signature.Span);

    public static Suspicion Sign(INodeIdentity self, NodeId suspect, ulong sequence, DateTimeOffset now)
    {
        var bare = new Suspicion(suspect, sequence, self.Id, (ulong)now.ToUnixTimeMilliseconds(), default);
        return bare with { Signature = self.Sign(SigningLabel.Suspicion, bare.Content) };
    }
}

/// <summary>A node's signed word that it stops.</summary>
/// <param name="Sequence">Of its last record: any newer one says that it is back.</param>
internal sealed record Leave(NodeId Node, ulong Sequence, ulong Time, ReadOnlyMemory<byte> Signature) : MembershipMessage
{
    public byte[] Content => new WireWriter().NodeId(Node).UInt64(Sequence).UInt64(Time).ToArray();

    public bool IsSigned => KnownSignatures.Shared.Verify(Node, SigningLabel.Leave, Content, Signature.Span);

    public static Leave Sign(INodeIdentity self, ulong sequence, DateTimeOffset now)
    {
        var bare = new Leave(self.Id, sequence, (ulong)now.ToUnixTimeMilliseconds(), default);
        return bare with { Signature = self.Sign(SigningLabel.Leave, bare.Content) };
    }
}
