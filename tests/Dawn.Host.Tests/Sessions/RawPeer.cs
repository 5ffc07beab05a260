using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Sessions;

/// <summary>The other end of one real session, which has its keys and says whatever a test wants.</summary>
internal sealed class RawPeer : IEnvelopePort
{
    private const ulong Tag = 77;

    private static readonly byte[] PeerKey = SeededEntropy.Derive(1, "peer key");
    private static readonly byte[] SessionKey = SeededEntropy.Derive(1, "session key");

    private readonly NodeId _self = TestIdentity.KeyOf(1).Id;
    private readonly NodeId _peer = TestIdentity.KeyOf(2).Id;
    private readonly Aead _send = Aead.Create(PeerKey);
    private readonly Aead _receive = Aead.Create(SessionKey);
    private TaskCompletionSource _room = new();
    private ulong _nonce;

    /// <param name="initiator">This peer began the session: its channels are even.</param>
    public RawPeer(bool initiator = true, bool isSealed = true)
    {
        var network = new TestNetwork();
        var (node, certificate) = (network.Node(1), network.Node(2).Certificate);
        var handshakes = new SessionHandshakes(new(new StaticKey(new SeededEntropy(6)), EncryptionMode.Required), node, new SeededEntropy(7), Time);
        Session = new(
            new(_self, new(this, _self, new SeededEntropy(5)), Time, Memory, handshakes), new(_peer, certificate, Tag, !initiator, isSealed, new byte[32]),
            (Aead.Create(SessionKey), Aead.Create(PeerKey)), (_, opened) => Opened.Add(opened), _ => Endings++);
    }

    public event Action<NodeId>? PathChanged { add { } remove { } }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    public MemoryBudget Memory { get; } = new(MemoryBudget.PerProcess);

    public Session Session { get; }

    public List<OpenedChannel> Opened { get; } = [];

    public int Endings { get; private set; }

    /// <summary>Plaintexts of the segments that the session sent.</summary>
    public List<byte[]> Segments { get; } = [];

    public bool IsFull { get; private set; }

    /// <summary>The sequence of the next frame that this peer sends.</summary>
    public ulong Sequence { get; set; }

    public bool HasEnded => Session.Ended.IsCompleted;

    public (MeshError Code, string Text)? Goodbye
    {
        get
        {
            foreach (var segment in Segments)
            {
                ReadOnlySpan<byte> rest = segment;
                while (Frame.TryRead(ref rest, out var frame))
                {
                    if (frame.Type == FrameType.Goodbye)
                    {
                        return ((MeshError)frame.Code, frame.Text);
                    }
                }
            }

            return null;
        }
    }

    public List<(FrameType Type, ulong Sequence, uint Channel, ushort Code, ulong Window)> Frames
    {
        get
        {
            var frames = new List<(FrameType, ulong, uint, ushort, ulong)>();
            foreach (var segment in Segments)
            {
                ReadOnlySpan<byte> rest = segment;
                while (Frame.TryRead(ref rest, out var frame))
                {
                    frames.Add((frame.Type, frame.Sequence, frame.Channel, frame.Code, frame.Window));
                }
            }

            return frames;
        }
    }

    /// <summary>Lays out a frame whose sequence is the next.</summary>
    public byte[] Make(Func<byte[], ulong, int> write)
    {
        var to = new byte[Frame.MaxControl];
        return to[..write(to, Sequence++)];
    }

    public byte[] Open(uint channel, string agent = "echo", string caller = "gateway") => Make((to, s) => Frame.WriteOpen(to, s, channel, SessionChannel.Window, agent, caller));

    public byte[] Data(uint channel, int length, bool ends = true)
    {
        var to = new byte[Frame.DataOverhead + length];
        Frame.WriteData(to, Sequence++, channel, ends, new byte[length]);
        return to;
    }

    public byte[] Rekey(byte number, byte[] message)
    {
        var to = new byte[Frame.RekeyOverhead + message.Length];
        Frame.WriteRekey(to, Sequence++, number, message);
        return to;
    }

    /// <summary>Acknowledges all that came.</summary>
    public void AckAll()
    {
        var to = new byte[Frame.MaxAck];
        Send(to[..Frame.WriteAck(to, Frames.Where(frame => (byte)frame.Type >= Frame.FirstSequenced).Select(frame => frame.Sequence + 1).DefaultIfEmpty().Max(), [])]);
    }

    public byte[] Close(uint channel) => Make((to, s) => Frame.WriteClose(to, s, channel, 0, ""));

    public void Send(params byte[][] frames) => Session.OnSegment(Seal([.. frames.SelectMany(frame => frame)]));

    public byte[] Seal(byte[] plaintext, ulong? nonce = null, ulong tag = Tag)
    {
        var segment = new byte[SegmentHeader.Size + plaintext.Length + SegmentHeader.TagSize];
        var header = new SegmentHeader(0, false, nonce ?? _nonce++);
        header.Write(segment);
        var associated = SegmentHeader.AssociatedPrefix(_peer, _self, tag);
        header.Write(associated.AsSpan(^SegmentHeader.Size..));
        _send.Seal(header.Nonce, associated, plaintext, segment.AsSpan(SegmentHeader.Size));
        return segment;
    }

    public void Fill() => IsFull = true;

    public void MakeRoom()
    {
        IsFull = false;
        var room = _room;
        _room = new();
        room.SetResult();
    }

    public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        if (IsFull)
        {
            return false;
        }

        Assert.True(SegmentHeader.TryRead(payload, out var segment));
        if (segment.IsClear)
        {
            Segments.Add(payload[SegmentHeader.Size..].ToArray());
            return true;
        }

        var associated = SegmentHeader.AssociatedPrefix(_self, _peer, Tag);
        payload[..SegmentHeader.Size].CopyTo(associated.AsSpan(^SegmentHeader.Size..));
        var plaintext = new byte[payload.Length - SegmentHeader.Size - SegmentHeader.TagSize];
        Assert.True(plaintext.Length <= SegmentHeader.MaxPlaintext);
        Assert.True(_receive.TryOpen(segment.Nonce, associated, payload[SegmentHeader.Size..], plaintext));
        Segments.Add(plaintext);
        return true;
    }

    public bool CanReach(NodeId node) => !IsFull;

    public async ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken)
    {
        if (IsFull)
        {
            await _room.Task.WaitAsync(cancellationToken);
        }
    }
}
