using Dawn.Sessions;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>A segment as it comes off the way, where anybody may have written it. All valid ones have come before: what comes now is a forgery or a repetition, and must do nothing.</summary>
internal sealed class SegmentTarget : IFuzzTarget
{
    private readonly FakeTimeProvider _time = World.Time();
    private readonly FakeOtherEnd _peer;
    private readonly byte[][] _seeds;
    private readonly SessionStatus _before;
    private readonly int _sent;

    public SegmentTarget()
    {
        _peer = new(_time);
        var plaintexts = SessionTarget.Conversations().SelectMany(c => c).Where(p => p.Length <= SegmentHeader.MaxPlaintext).Take(40).ToArray();
        _seeds = [.. plaintexts.Select((p, i) => _peer.Seal(p, (ulong)i * 3))];
        // Without what the seeds say: a session that has taken their nonces, and padding.
        for (var i = 0; i < _seeds.Length; i++)
        {
            _peer.Session.OnSegment(_peer.Seal([0], (ulong)i * 3));
        }

        (_before, _sent) = (_peer.Session.Status, _peer.Sent);
    }

    public string Name => "segment";

    public long AllocationLimit(int length) => 64 * 1024;

    public void Run(ReadOnlySpan<byte> input)
    {
        if (SegmentHeader.TryRead(input, out var header))
        {
            var again = new byte[SegmentHeader.Size];
            header.Write(again);
            Property.Canonical(input[..SegmentHeader.Size], again);
        }

        _peer.Session.OnSegment(input);
        Property.Holds(_peer.Endings == 0 && _peer.Sent == _sent && _peer.Session.Status == _before, "a segment that doesn't authenticate, or came before, did something");
    }

    public IEnumerable<byte[]> Seeds() => _seeds;
}
