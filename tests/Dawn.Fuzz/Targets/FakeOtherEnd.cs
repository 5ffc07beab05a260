using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Dawn.Tests;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>The other end of one real session, which has its keys and says whatever it wants; what the session says must be well formed.</summary>
internal sealed class FakeOtherEnd : IEnvelopePort
{
    public const ulong Tag = 77;

    private static readonly byte[] TheirKey = SeededEntropy.Derive(1, "peer key");
    private static readonly byte[] OurKey = SeededEntropy.Derive(1, "session key");

    // Brief keys cost a twentieth and do the same.
    private readonly List<(Aead Send, Aead Receive)> _epochs = [(Aead.CreateBrief(TheirKey), Aead.CreateBrief(OurKey))];
    private readonly byte[] _plaintext = new byte[SegmentHeader.MaxPlaintext];
    private ushort _epoch;
    private ushort _heardEpoch;
    private ulong _heardSequence;
    private ulong _nonce;

    /// <param name="sessionBegan">The session began it: its own channels are even, and it begins the handshakes that follow.</param>
    public FakeOtherEnd(FakeTimeProvider time, bool sessionBegan = false, TimeSpan? rekeyAfter = null, SessionSigning? signing = null)
    {
        Memory = new(MemoryBudget.PerProcess);
        var handshakes = new SessionHandshakes(new(World.SelfStatic, EncryptionMode.Required) { RekeyAfter = rekeyAfter ?? TimeSpan.FromMinutes(10) }, World.Self, new SeededEntropy(7), time);
        Session = new(
            new(World.Self.Id, new(this, World.Self.Id, new SeededEntropy(5)), time, Memory, handshakes, signing),
            new(World.Peer.Id, World.Peer.Certificate, Tag, sessionBegan, IsSealed: true, new byte[32]) { Secret = new byte[32] },
            (Aead.CreateBrief(OurKey), Aead.CreateBrief(TheirKey)), (_, opened) => Opened.Add(opened), _ => Endings++);
    }

    public event Action<IReadOnlyList<NodeId>>? PathsChanged { add { } remove { } }

    public Session Session { get; }

    public MemoryBudget Memory { get; }

    public List<OpenedChannel> Opened { get; } = [];

    public int Endings { get; private set; }

    /// <summary>Segments that the session sent.</summary>
    public int Sent { get; private set; }

    /// <summary>The code of the goodbye that it said, if any.</summary>
    public MeshError? Goodbye { get; private set; }

    /// <summary>Hears the rekey frames that the session says, each once.</summary>
    public Action<ReadOnlySpan<byte>>? OnRekey { get; init; }

    /// <summary>The next epoch's keys are there: what the session says under them opens.</summary>
    public void Add((Aead Send, Aead Receive) keys) => _epochs.Add(keys);

    /// <summary>Speaks under the newest keys from now on; nonces start anew.</summary>
    public void Switch() => (_epoch, _nonce) = ((ushort)(_epochs.Count - 1), _epoch == _epochs.Count - 1 ? _nonce : 0);

    public void Say(ReadOnlySpan<byte> plaintext) => Session.OnSegment(Seal(plaintext, _nonce++));

    public byte[] Seal(ReadOnlySpan<byte> plaintext, ulong nonce)
    {
        var segment = new byte[SegmentHeader.Size + plaintext.Length + SegmentHeader.TagSize];
        var header = new SegmentHeader(_epoch, false, nonce);
        header.Write(segment);
        var associated = SegmentHeader.AssociatedPrefix(World.Peer.Id, World.Self.Id, Tag);
        header.Write(associated.AsSpan(^SegmentHeader.Size..));
        _epochs[_epoch].Send.Seal(nonce, associated, plaintext, segment.AsSpan(SegmentHeader.Size));
        return segment;
    }

    public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        Sent++;
        Property.Holds(Goodbye is null, "something was said after goodbye");
        Property.Holds(payload.Length <= EnvelopeHeader.MaxPayload && SegmentHeader.TryRead(payload, out var segment) && !segment.IsClear, "a segment that nobody would take");
        SegmentHeader.TryRead(payload, out segment);
        var associated = SegmentHeader.AssociatedPrefix(World.Self.Id, World.Peer.Id, Tag);
        payload[..SegmentHeader.Size].CopyTo(associated.AsSpan(^SegmentHeader.Size..));
        var plaintext = _plaintext.AsSpan(0, payload.Length - SegmentHeader.Size - SegmentHeader.TagSize);
        Property.Holds(segment.Epoch >= _heardEpoch && segment.Epoch < _epochs.Count, $"a segment of epoch {segment.Epoch} after one of {_heardEpoch}, of {_epochs.Count}");
        _heardEpoch = segment.Epoch;
        Property.Holds(_epochs[segment.Epoch].Receive.TryOpen(segment.Nonce, associated, payload[SegmentHeader.Size..], plaintext), "a segment that doesn't open");
        for (ReadOnlySpan<byte> rest = plaintext; !rest.IsEmpty;)
        {
            Property.Holds(Frame.TryRead(ref rest, out var frame), "a frame that nobody would take");
            Goodbye = frame.Type == FrameType.Goodbye ? (MeshError)frame.Code : Goodbye;
            if (frame.Type == FrameType.Rekey && frame.Sequence >= _heardSequence)
            {
                _heardSequence = frame.Sequence + 1;
                OnRekey?.Invoke(frame.Body);
            }
        }

        return true;
    }

    public bool CanReach(NodeId node) => true;

    public ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken) => default;
}
