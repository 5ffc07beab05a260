using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Xunit;

namespace Dawn.Tests.Protocol;

/// <summary>One end of the example's session: the product's own, whose envelopes go onto the page and wait to be delivered.</summary>
internal sealed class ExampleSession : IEnvelopePort
{
    private readonly ExamplePage _page;
    private readonly ExampleNode _self;
    private readonly ExampleNode _other;
    private readonly bool _isInitiator;
    private readonly Queue<byte[]> _waiting;
    private readonly byte[] _associated;
    private readonly List<(ulong Sequence, byte[] Frame)> _leaves = [];
    private readonly byte[] _previous = new byte[Checkpoint.HashSize];
    private int _firstCipher;
    private Salts? _salts;
    private Session? _session;

    public ExampleSession(ExamplePage page, string name, ExampleNode self, ExampleNode other, bool isInitiator, ulong tag, byte idByte, Queue<byte[]> waiting)
    {
        (_page, Name, _self, _other, _isInitiator, Tag, _waiting) = (page, name, self, other, isInitiator, tag, waiting);
        _associated = SegmentHeader.AssociatedPrefix(self.Id, other.Id, tag);
        // The same byte eight times, since an id is drawn in the machine's order of bytes.
        Outlet = new(this, self.Id, new WrittenEntropy([.. Enumerable.Repeat(idByte, 8)]));
    }

    public event Action<IReadOnlyList<NodeId>>? PathsChanged
    {
        add { }
        remove { }
    }

    public string Name { get; }

    public ulong Tag { get; }

    public EnvelopeOutlet Outlet { get; }

    public Session Session => _session!;

    /// <summary>Reads the rekeying's messages along, once there is one.</summary>
    public Action<byte, byte[]>? OnRekey { get; set; }

    public void Begin(SessionContext context, SessionPeer peer, (Aead, Aead) keys, Action<OpenedChannel> onOpened)
    {
        _firstCipher = _self.Static.Ciphers.Count - 2;
        _salts = new(Salts.Key(peer.Secret, _isInitiator));
        _session = new(context, peer, keys, (_, channel) => onOpened(channel), _ => { });
    }

    public bool CanReach(NodeId node) => true;

    public ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken) => default;

    public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        var envelope = new byte[EnvelopeHeader.Size + payload.Length];
        header.Write(envelope);
        payload.CopyTo(envelope.AsSpan(EnvelopeHeader.Size));
        _waiting.Enqueue(envelope);
        if (header.Kind == EnvelopeKind.Segment)
        {
            Describe(envelope, payload);
        }
        else
        {
            _page.Line($"session {Name} envelope with message {payload[0]}", envelope);
        }

        return true;
    }

    private void Describe(byte[] envelope, ReadOnlySpan<byte> segment)
    {
        Assert.True(SegmentHeader.TryRead(segment, out var header));
        segment[..SegmentHeader.Size].CopyTo(_associated.AsSpan(SegmentHeader.AssociatedSize - SegmentHeader.Size));
        // Of each handshake the initiator's key comes first.
        using var key = Aead.CreateBrief(_self.Static.Ciphers[_firstCipher + 2 * header.Epoch + (_isInitiator ? 0 : 1)]);
        var plaintext = new byte[segment.Length - SegmentHeader.Size - SegmentHeader.TagSize];
        Assert.True(key.TryOpen(header.Nonce, _associated, segment[SegmentHeader.Size..], plaintext));
        var what = $"session {Name} epoch {header.Epoch} nonce {header.Nonce}";
        List<byte[]> checkpoints = [];
        for (ReadOnlySpan<byte> rest = plaintext; !rest.IsEmpty;)
        {
            var before = rest;
            Assert.True(Frame.TryRead(ref rest, out var frame));
            var bytes = before[..^rest.Length].ToArray();
            _page.Line($"{what} frame {frame.Type.ToString().ToLowerInvariant()}", bytes);
            if (frame.Type == FrameType.Checkpoint)
            {
                checkpoints.Add(bytes);
            }
            else if (frame.IsSequenced)
            {
                _leaves.Add((frame.Sequence, bytes));
            }

            if (frame.Type == FrameType.Rekey)
            {
                OnRekey?.Invoke(frame.Body[0], frame.Body[1..].ToArray());
            }
        }

        _page.Line($"{what} associated data", _associated);
        _page.Line($"{what} envelope", envelope);
        checkpoints.ForEach(Describe);
    }

    // What a checkpoint signs, from what was sent before it.
    private void Describe(byte[] frame)
    {
        Assert.True(Checkpoint.TryRead(frame.AsSpan(11), out var checkpoint, out var signature));
        using var hash = new LeafHash();
        var leaves = new byte[checkpoint.Count * Checkpoint.HashSize];
        var what = $"checkpoint {checkpoint.Number} of {Name}";
        for (var i = 0; i < checkpoint.Count; i++)
        {
            var (sequence, bytes) = _leaves[i];
            var leaf = leaves.AsSpan(i * Checkpoint.HashSize, Checkpoint.HashSize);
            hash.Leaf(_salts!.Of(sequence), bytes, leaf);
            _page.Line($"{what} salt of {sequence}", _salts.Of(sequence));
            _page.Line($"{what} leaf of {sequence}", leaf);
        }

        _leaves.RemoveRange(0, checkpoint.Count);
        var root = new byte[Checkpoint.HashSize];
        hash.Root(leaves, root);
        var signed = checkpoint.Signed(new(_self.Id, _other.Id, _isInitiator, Tag), _previous, root);
        Assert.True(Signatures.Verify(_self.Id, SigningLabel.Checkpoint, signed, signature));
        _page.Line($"{what} root", root);
        _page.Line($"{what} signed content", signed);
        _page.Line($"{what} signature", signature);
        hash.Chain(signed, signature, _previous);
        _page.Line($"{what} hash, the next one's previous", _previous);
    }
}
