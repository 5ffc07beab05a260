using Dawn.Identity;

namespace Dawn.Simulator;

/// <summary>A record that one node has read the others read as the same object: a thousand nodes would hold a million copies.</summary>
internal sealed class SharedRecords
{
    private readonly Dictionary<(NodeId Node, ulong Sequence), NodeRecord> _read = [];

    public string? Read(ReadOnlySpan<byte> encoded, NodeId network, DateTimeOffset now, out NodeRecord? record)
    {
        if (NodeRecord.TryPeek(encoded, out var node, out var sequence) && _read.TryGetValue((node, sequence), out var known)
            && encoded.SequenceEqual(known.Encoded.Span) && known.NotAfter > now && known.Issued <= now + NodeRecord.MaxAhead)
        {
            record = known;
            return null;
        }

        var problem = NodeRecord.TryRead(encoded, network, now, out record);
        if (record is not null)
        {
            _read.TryAdd((node, sequence), record);
        }

        return problem;
    }
}
