using Dawn.Evidence;
using Dawn.Identity;
using Dawn.Sessions;
using Dawn.Tests;

namespace Dawn.Fuzz.Targets;

/// <summary>A document of evidence, as anybody may send one. The first byte says whether the network is known that it should be of.</summary>
internal sealed class EvidenceTarget : IFuzzTarget
{
    private static readonly DateTimeOffset Time = World.Now;

    private readonly List<(byte[] Salt, byte[] Frame)> _frames = [];
    private readonly EvidenceProof _true;

    public EvidenceTarget()
    {
        Add((to, sequence) => Frame.WriteOpen(to, sequence, 0, SessionChannel.Window, "echo", "gateway"));
        Add((to, sequence) => Frame.WriteData(to, sequence, 0, true, """{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"r\u001b[2Joll"}}"""u8));
        Add((to, sequence) => Frame.WriteData(to, sequence, 0, false, """{"ok":"""u8));
        Add((to, sequence) => Frame.WriteData(to, sequence, 0, true, "false}"u8));
        Add((to, sequence) => Frame.WriteData(to, sequence, 2, true, [0xff, 0xfe]));
        Add((to, sequence) => Frame.WriteRekey(to, sequence, 1, new byte[48]));
        Add((to, sequence) => Frame.WriteClose(to, sequence, 0, 3, "gone \u202e away"));
        _true = Sign(World.Peer, new(World.Peer.Id, World.Self.Id, true, 77), _frames);
    }

    public string Name => "evidence";

    // What JSON holds as text is read into lists, and written again.
    public long AllocationLimit(int length) => 1024 * 1024 + 256L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var document = input[1..].ToArray();
        var proof = EvidenceProof.TryRead(document, out var problem);
        Property.Holds(proof is not null || problem.Length > 0, "a refusal without a reason");
        if (proof is not null)
        {
            Property.Canonical(document, proof.Write());
        }

        var verdict = EvidenceVerdict.Of(document, (input[0] & 1) != 0 ? World.Network.Keys.Key : null);
        Property.Holds(verdict.Text.Length > 0 && !verdict.Text.Contains('\u001b', StringComparison.Ordinal), "a verdict that is no text");
        if (!verdict.Holds)
        {
            return;
        }

        // Frames may be left out, which is what an export is for; nothing may be put in, changed or moved.
        Property.Holds(proof is not null && proof.Checkpoint == _true.Checkpoint && proof.Direction == _true.Direction && proof.Signature.AsSpan().SequenceEqual(_true.Signature), "something holds that nobody signed");
        var at = 0;
        foreach (var (salt, frame) in proof!.Frames)
        {
            at = _frames.FindIndex(at, one => one.Salt.AsSpan().SequenceEqual(salt) && one.Frame.AsSpan().SequenceEqual(frame)) + 1;
            Property.Holds(at > 0, "a frame holds that nobody signed, or in another place");
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        EvidenceProof[] proofs =
        [
            _true,
            _true with { Frames = [_frames[1]] },
            _true with { Frames = [_frames[2], _frames[4]] },
            _true with { Frames = [] },
            _true with { Frames = [_frames[3], _frames[2]] },
            _true with { Network = new TestNetwork(2).Keys.Key },
            _true with { Direction = _true.Direction with { FromInitiator = false } },
            _true with { Signature = new byte[Signatures.Size] },
            // No member at that time, and none at all.
            _true with { Certificate = World.Network.Node(2, notAfter: Time).Certificate.Encoded.ToArray() },
            _true with { Certificate = new TestNetwork(2).Node(2).Certificate.Encoded.ToArray() },
        ];
        foreach (var proof in proofs)
        {
            yield return [0, .. proof.Write()];
            yield return [1, .. proof.Write()];
        }

        yield return [0, .. "{}"u8];
        yield return [0, .. """{"format":"dawn-evidence-1","checkpoint":{"count":1,"time":0},"leaves":[],"frames":[]}"""u8];
    }

    private static EvidenceProof Sign(TestIdentity sender, SessionDirection direction, List<(byte[] Salt, byte[] Frame)> frames)
    {
        using var hash = new LeafHash();
        var (leaves, root) = (new byte[frames.Count * Checkpoint.HashSize], new byte[Checkpoint.HashSize]);
        for (var i = 0; i < frames.Count; i++)
        {
            hash.Leaf(frames[i].Salt, frames[i].Frame, leaves.AsSpan(i * Checkpoint.HashSize));
        }

        hash.Root(leaves, root);
        var checkpoint = new Checkpoint(0, 0, frames.Count, (ulong)Time.ToUnixTimeMilliseconds());
        var previous = new byte[Checkpoint.HashSize];
        var signature = sender.Sign(SigningLabel.Checkpoint, checkpoint.Signed(direction, previous, root));
        return new(World.Network.Keys.Key, sender.Certificate.Encoded.ToArray(), direction, checkpoint, previous, signature, leaves, [.. frames]);
    }

    private void Add(Func<byte[], ulong, int> write)
    {
        var to = new byte[1_024];
        var number = _frames.Count;
        _frames.Add((SeededEntropy.Derive(number, "salt")[..Salts.Size], to[..write(to, (ulong)number)]));
    }
}
