using System.Buffers.Binary;
using Dawn.Identity;
using Dawn.Sessions;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>
/// Signatures over what a session is sent, by a proven other end that may sign anything. Steps, each a <see cref="Step"/>, a u16 length and so many bytes.
/// What must be taken and what ends the session is known beforehand: a checkpoint that says exactly what is true, and any other.
/// </summary>
internal sealed class CheckpointTarget : IFuzzTarget, IEvidenceSink
{
    private const int MaxSteps = 64;
    // Type, sequence, length.
    private const int Head = 1 + 8 + 2;
    private const int BodySize = Checkpoint.FrameSize - Head;

    private readonly FakeTimeProvider _time = World.Time();
    private readonly Pump _pump;
    private readonly LeafHash _hash = new();
    private int _kept;

    public CheckpointTarget() => _pump = new(_time);

    private enum Step : byte
    {
        /// <summary>A checkpoint with this body.</summary>
        Raw,

        /// <summary>Data, on a channel that is open.</summary>
        Data,

        /// <summary>A true checkpoint over all that was said.</summary>
        Sign,

        /// <summary>The same with these bytes xored into its numbers, then signed: number, first, count, time, and into the direction's flag.</summary>
        SignOther,

        /// <summary>The same with these bytes xored into the body after it was signed.</summary>
        Alter,

        /// <summary>A moment passes.</summary>
        Wait,
    }

    public string Name => "checkpoint";

    // A session with its channel and its first buffers.
    public long AllocationLimit(int length) => 2 * 1024 * 1024 + 256L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        var steps = input.ToArray();
        _pump.Run(() => RunAsync(steps));
    }

    public IEnumerable<byte[]> Seeds()
    {
        byte[] data = Make(Step.Data, 1, 2, 3), sign = Make(Step.Sign), wait = Make(Step.Wait);
        byte[][] cheap =
        [
            [.. data, .. Make(Step.Raw, new byte[BodySize])],
            [.. data, .. wait, .. data, .. Make(Step.Raw, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, .. new byte[BodySize - 18]])],
            [.. data, .. Make(Step.Raw, new byte[20]), .. data],
            [.. Make(Step.Raw, new byte[BodySize])],
            [.. data, .. data, .. data, .. wait, .. data],
        ];
        byte[][] dear =
        [
            [.. data, .. sign, .. data, .. data, .. wait, .. sign],
            [.. sign, .. sign],
            [.. data, .. Make(Step.SignOther, 0, 0, 0, 0, 0, 0, 0, 1)],
            [.. data, .. data, .. Make(Step.SignOther, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)],
            [.. data, .. sign, .. data, .. Make(Step.SignOther, [.. new byte[18], 0, 0, 0, 0, 0, 0, 0, 1])],
            [.. data, .. Make(Step.SignOther, [.. new byte[26], 1])],
            [.. data, .. Make(Step.Alter, [.. new byte[40], 1])],
        ];
        // A signature costs a hundred times as much as what is refused without one.
        for (var i = 0; i < 24 * cheap.Length; i++)
        {
            yield return cheap[i % cheap.Length];
        }

        foreach (var steps in dear)
        {
            yield return steps;
        }
    }

    void IEvidenceSink.Keep(in VerifiedCheckpoint checkpoint, ReadOnlySpan<byte> frames) => _kept++;

    void IEvidenceSink.Missed() => throw new PropertyException("frames were missed that are few");

    private static byte[] Make(Step step, params byte[] body) => [(byte)step, (byte)(body.Length >> 8), (byte)body.Length, .. body];

    private async Task RunAsync(byte[] rest)
    {
        _kept = 0;
        var peer = new FakeOtherEnd(_time, signing: new(World.Self, 64, this));
        var said = new Said(_hash);
        var open = new byte[Frame.MaxControl];
        peer.Say(said.Add(open.AsSpan(0, Frame.WriteOpen(open, 0, 0, SessionChannel.Window, "echo", "gateway"))));
        var expected = 0;
        for (var (at, steps) = (0, 0); steps < MaxSteps && at + 3 <= rest.Length && !peer.Session.Ended.IsCompleted; steps++)
        {
            var step = (Step)rest[at];
            var body = rest.AsMemory(at + 3, Math.Min(BinaryPrimitives.ReadUInt16BigEndian(rest.AsSpan(at + 1)), rest.Length - at - 3));
            at += 3 + body.Length;
            switch (step)
            {
                case Step.Data:
                    var data = new byte[Frame.DataOverhead + Math.Min(body.Length, 256)];
                    Frame.WriteData(data, 0, 0, true, body.Span[..Math.Min(body.Length, 256)]);
                    peer.Say(said.Add(data));
                    Property.Holds(!peer.Session.Ended.IsCompleted, "data ended the session");
                    continue;
                case Step.Wait:
                    _time.Advance(TimeSpan.FromMilliseconds(25));
                    continue;
            }

            var (checkpoint, isTrue) = step switch
            {
                Step.Raw => (body[..Math.Min(body.Length, 1_000)].ToArray(), false),
                Step.SignOther => said.Sign(body.Span, [], _time.GetUtcNow()),
                Step.Alter => said.Sign([], body.Span, _time.GetUtcNow()),
                _ => said.Sign([], [], _time.GetUtcNow()),
            };
            expected += isTrue ? 1 : 0;
            peer.Say(said.Frame(checkpoint));
            Property.Holds(_kept == expected, $"{_kept} checkpoints were taken where {expected} were true");
            Property.Holds(peer.Session.Ended.IsCompleted == !isTrue, isTrue ? "a true checkpoint ended the session" : "a false checkpoint did not end the session");
        }

        Property.Holds(peer.Goodbye is null or MeshError.Protocol && peer.Session.Ended.IsCompleted == (peer.Goodbye is not null), $"ended with goodbye {peer.Goodbye}");
        peer.Session.End(MeshError.Stopping, "the input is over", tell: true);
        foreach (var (channel, _, _) in peer.Opened)
        {
            await channel.CloseAsync();
        }

        Property.Holds(peer.Endings == 1 && peer.Memory.Used == 0, $"{peer.Memory.Used} bytes are still counted as held after all ended");
    }

    /// <summary>What was said and not signed yet, as a sender knows it.</summary>
    private sealed class Said(LeafHash hash)
    {
        private static readonly SessionDirection Direction = new(World.Peer.Id, World.Self.Id, true, FakeOtherEnd.Tag);

        private readonly Salts _salts = new(Salts.Key(new byte[32], true));
        private readonly byte[] _previous = new byte[Checkpoint.HashSize];
        private readonly List<byte> _leaves = [];
        private ulong _sequence;
        private ulong _first;
        private ulong _number;
        private ulong _last;

        private int Count => _leaves.Count / Checkpoint.HashSize;

        public byte[] Add(ReadOnlySpan<byte> frame)
        {
            _first = Count == 0 ? _sequence : _first;
            var leaf = new byte[Checkpoint.HashSize];
            var numbered = frame.ToArray();
            Sessions.Frame.WriteSequence(numbered, _sequence);
            hash.Leaf(_salts.Of(_sequence++), numbered, leaf);
            _leaves.AddRange(leaf);
            return numbered;
        }

        public byte[] Frame(byte[] body)
        {
            var frame = new byte[Head + body.Length];
            frame[0] = (byte)FrameType.Checkpoint;
            Sessions.Frame.WriteSequence(frame, _sequence++);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(9), (ushort)body.Length);
            body.CopyTo(frame, Head);
            return frame;
        }

        /// <summary>The body of a checkpoint, and whether it is true.</summary>
        public (byte[] Body, bool IsTrue) Sign(ReadOnlySpan<byte> numbers, ReadOnlySpan<byte> body, DateTimeOffset now)
        {
            Span<byte> xored = stackalloc byte[8 + 8 + 2 + 8 + 1];
            BinaryPrimitives.WriteUInt64BigEndian(xored, _number);
            BinaryPrimitives.WriteUInt64BigEndian(xored[8..], _first);
            BinaryPrimitives.WriteUInt16BigEndian(xored[16..], (ushort)Count);
            BinaryPrimitives.WriteUInt64BigEndian(xored[18..], (ulong)now.ToUnixTimeMilliseconds());
            Xor(xored, numbers);
            var checkpoint = new Checkpoint(
                BinaryPrimitives.ReadUInt64BigEndian(xored), BinaryPrimitives.ReadUInt64BigEndian(xored[8..]),
                BinaryPrimitives.ReadUInt16BigEndian(xored[16..]), BinaryPrimitives.ReadUInt64BigEndian(xored[18..]));
            var isTrue = checkpoint.Number == _number && checkpoint.First == _first && checkpoint.Count > 0 && checkpoint.Count <= Count
                && checkpoint.Time >= _last && checkpoint.Time <= Checkpoint.MaxTime && (xored[26] & 1) == 0;
            var covered = Math.Min(checkpoint.Count, Count) * Checkpoint.HashSize;
            var root = new byte[Checkpoint.HashSize];
            hash.Root([.. _leaves[..covered]], root);
            var signed = checkpoint.Signed(Direction with { FromInitiator = (xored[26] & 1) == 0 }, _previous, root);
            var signature = World.Peer.Sign(SigningLabel.Checkpoint, signed);
            var frame = new byte[Checkpoint.FrameSize];
            checkpoint.WriteFrame(frame, signature);
            var written = frame[Head..];
            Xor(written, body);
            isTrue &= written.AsSpan().SequenceEqual(frame.AsSpan(Head));
            if (isTrue)
            {
                hash.Chain(signed, signature, _previous);
                (_number, _last, _first) = (_number + 1, checkpoint.Time, _first + (ulong)checkpoint.Count);
                _leaves.RemoveRange(0, covered);
            }

            return (written, isTrue);
        }

        private static void Xor(Span<byte> to, ReadOnlySpan<byte> with)
        {
            for (var i = 0; i < Math.Min(to.Length, with.Length); i++)
            {
                to[i] ^= with[i];
            }
        }
    }
}
