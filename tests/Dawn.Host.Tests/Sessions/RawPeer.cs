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
    /// <param name="every">Both ends sign so many frames at once; null where neither does.</param>
    public RawPeer(bool initiator = true, bool isSealed = true, int? every = null, IEvidenceSink? evidence = null)
    {
        var handshakes = new SessionHandshakes(new(new StaticKey(new SeededEntropy(6)), EncryptionMode.Required), new TestNetwork().Node(1), new SeededEntropy(7), Time);
        var secret = SeededEntropy.Derive(1, "secret");
        Certificate = new TestNetwork().Node(2).Certificate;
        ToSession = new(_peer, _self, initiator, Tag);
        FromSession = new(_self, _peer, !initiator, Tag);
        Signer = new(new TestNetwork().Node(2), ToSession, Salts.Key(secret, initiator), Checkpoint.MaxCount);
        Verifier = new(FromSession, new TestNetwork().Node(1).Certificate, Salts.Key(secret, !initiator), null);
        var signing = every is { } frames ? new SessionSigning(new TestNetwork().Node(1), frames, evidence) : null;
        Session = new(
            new(_self, new(this, _self, new SeededEntropy(5)), Time, Memory, handshakes, signing),
            new(_peer, Certificate, Tag, !initiator, isSealed, new byte[32]) { Secret = secret },
            (Aead.Create(SessionKey), Aead.Create(PeerKey)), (_, opened) => Opened.Add(opened), _ => Endings++);
    }

    public event Action<IReadOnlyList<NodeId>>? PathsChanged { add { } remove { } }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    public MemoryBudget Memory { get; } = new(MemoryBudget.PerProcess);

    public Session Session { get; }

    public Certificate Certificate { get; }

    public SessionDirection ToSession { get; }

    public SessionDirection FromSession { get; }

    /// <summary>Signs what this peer says, where a test has it do so.</summary>
    public CheckpointSigner Signer { get; }

    /// <summary>Checks what the session says.</summary>
    public CheckpointVerifier Verifier { get; }

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

    /// <summary>A checkpoint over frames of this peer, numbered next.</summary>
    public byte[] Sign(params byte[][] frames)
    {
        foreach (var frame in frames)
        {
            Signer.Add(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(frame.AsSpan(1)), frame);
        }

        return SignAll();
    }

    /// <summary>A checkpoint over all that the signer has, numbered next.</summary>
    public byte[] SignAll()
    {
        var frame = new byte[Checkpoint.FrameSize];
        Signer.Sign(frame, Time.GetUtcNow());
        Frame.WriteSequence(frame, Sequence++);
        return frame;
    }

    /// <summary>Sequenced frames as the session sent them first, by sequence.</summary>
    public SortedDictionary<ulong, byte[]> Sequenced
    {
        get
        {
            var frames = new SortedDictionary<ulong, byte[]>();
            foreach (var segment in Segments)
            {
                for (ReadOnlySpan<byte> rest = segment; !rest.IsEmpty;)
                {
                    var before = rest;
                    Assert.True(Frame.TryRead(ref rest, out var frame));
                    if (frame.IsSequenced)
                    {
                        var bytes = before[..(before.Length - rest.Length)].ToArray();
                        Assert.True(frames.TryAdd(frame.Sequence, bytes) || frames[frame.Sequence].SequenceEqual(bytes), "A frame changed from one transmission to the next.");
                    }
                }
            }

            return frames;
        }
    }

    /// <summary>Acknowledges all that the session has sent.</summary>
    public void Acknowledge()
    {
        var to = new byte[Frame.MaxAck];
        Send(to[..Frame.WriteAck(to, (ulong)Sequenced.Count, [])]);
    }

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
