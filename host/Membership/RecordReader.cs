using Dawn.Identity;

namespace Dawn.Membership;

/// <summary>Verifies records of this node's network for whoever keeps their bytes.</summary>
internal sealed class RecordReader(INodeIdentity self, TimeProvider time) : IRecordReader
{
    public RegistryRecord? Read(ReadOnlyMemory<byte> encoded, out string? problem)
    {
        problem = NodeRecord.TryRead(encoded.Span, self.Network.Key, time.GetUtcNow(), out var record);
        return record;
    }
}
