using Dawn.Identity;
using Dawn.Routing;

namespace Dawn.Sessions;

/// <summary>The port, with the headers that this node's envelopes have.</summary>
internal sealed class EnvelopeOutlet(IEnvelopePort port, NodeId self, Entropy entropy)
{
    private ulong _lastId = entropy.UInt64();

    public bool TrySend(EnvelopeKind kind, NodeId target, ulong tag, ReadOnlySpan<byte> payload) => port.TrySend(
        new EnvelopeHeader(kind, 0, EnvelopeHeader.DefaultHopLimit, Interlocked.Increment(ref _lastId), self, target, tag, payload.Length), payload);

    public void OnStalled(NodeId target) => port.OnStalled(target);

    public bool CanReach(NodeId target) => port.CanReach(target);

    public ValueTask WaitForRoomAsync(NodeId target, CancellationToken cancellationToken) => port.WaitForRoomAsync(target, cancellationToken);
}
