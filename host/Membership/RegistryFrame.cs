using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>What a registry frame says.</summary>
internal enum RegistryFrameKind : byte
{
    /// <summary>The sender's registry in 32 bytes.</summary>
    Summary = 1,

    /// <summary>A step of a reconciliation.</summary>
    Message = 2,

    /// <summary>Two records of one node with one sequence.</summary>
    Conflict = 3,

    /// <summary>The sender gets its records from others: from here on it is told of them instead.</summary>
    Prune = 4,

    /// <summary>Nodes of which the sender has newer records, and their sequences.</summary>
    Have = 5,

    /// <summary>Nodes whose records the sender wants, or none; from here on it is sent all news at once again.</summary>
    Want = 6,
}

/// <summary>How a registry makes its summaries and messages; those of different forms don't understand each other.</summary>
internal enum RegistryForm : byte
{
    /// <summary>The host's own.</summary>
    Listing = 0,

    /// <summary>A plugin's.</summary>
    Plugin = 1,
}

/// <summary>The body of <see cref="Links.LinkFrame.Registry"/> (docs/protocol.md, "Registry").</summary>
internal static class RegistryFrame
{
    public const byte Version = 1;
    public const int SummarySize = 32;
    public const int MaxMessage = 16 * 1024;

    /// <summary>Messages of one reconciliation, both ways.</summary>
    public const int MaxSteps = 32;

    /// <summary>Nodes in one frame of tidings, or of wants.</summary>
    public const int MaxHaves = 256;

    public const int HaveSize = NodeId.Size + 8;

    public static byte[] Summary(RegistryForm form, ReadOnlySpan<byte> summary) => Head(RegistryFrameKind.Summary).UInt8((byte)form).Bytes(summary).ToArray();

    /// <param name="number">Which reconciliation of the link, as its beginner counts.</param>
    /// <param name="step">1 for the beginner's first message; each answer is one more.</param>
    /// <param name="message">Empty: the sender is done.</param>
    public static byte[] Message(byte number, int step, ReadOnlySpan<byte> message) => Head(RegistryFrameKind.Message).UInt8(number).UInt8(step).Bytes(message).ToArray();

    // What both begin with stands there once: two records of the greatest size fit into a frame so.
    public static byte[] Conflict(RegistryConflict conflict) =>
        Head(RegistryFrameKind.Conflict).Block16(conflict.Counts.Encoded.Span).Bytes(conflict.Other.Encoded.Span[NodeRecord.HeadSize..]).ToArray();

    public static byte[] Prune() => Head(RegistryFrameKind.Prune).ToArray();

    public static byte[] Have(IEnumerable<(NodeId Node, ulong Sequence)> records)
    {
        var frame = Head(RegistryFrameKind.Have);
        foreach (var (node, sequence) in records)
        {
            frame.NodeId(node).UInt64(sequence);
        }

        return frame.ToArray();
    }

    public static byte[] Want(IEnumerable<NodeId> nodes)
    {
        var frame = Head(RegistryFrameKind.Want);
        foreach (var node in nodes)
        {
            frame.NodeId(node);
        }

        return frame.ToArray();
    }

    /// <summary>Reads what follows the head of a proof; false where it is malformed.</summary>
    public static bool TryReadConflict(ReadOnlySpan<byte> body, out byte[] first, out byte[] second)
    {
        var reader = new WireReader(body);
        first = reader.Block16(NodeRecord.MaxSize).ToArray();
        second = [];
        if (reader.Failed || first.Length <= NodeRecord.HeadSize || reader.Remaining is 0 or > NodeRecord.MaxSize - NodeRecord.HeadSize)
        {
            return false;
        }

        second = [.. first.AsSpan(0, NodeRecord.HeadSize), .. reader.Bytes(reader.Remaining)];
        return true;
    }

    private static WireWriter Head(RegistryFrameKind kind) => new WireWriter().UInt8(Version).UInt8((byte)kind);
}
