using System.Buffers;
using System.Buffers.Binary;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Dawn.Sessions;
using Dawn.Tests;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>
/// New keys for a link and for a session, with an other end that is proven and, step by step, honest or not. The first byte: bit 0 for a session, bit 1 where the node under
/// attack is the initiator, bit 2 for a sealed link. Then steps, each a <see cref="Step"/>, a u16 length and so many bytes.
/// </summary>
internal sealed class RekeyTarget : IFuzzTarget, ILinkHandler
{
    private const int MaxSteps = 32;
    // Hops from loop to loop until nothing is left to do.
    private const int Hops = 8;

    private static readonly Uri Address = new("tcp://198.51.100.1:1");
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly byte[] TheirKey = SeededEntropy.Derive(1, "peer key");
    private static readonly byte[] OurKey = SeededEntropy.Derive(1, "link key");

    private readonly FakeTimeProvider _time = World.Time();
    private readonly Pump _pump;
    private int _downs;

    public RekeyTarget() => _pump = new(_time);

    private enum Step : byte
    {
        /// <summary>A rekey frame with these bytes.</summary>
        Raw,

        /// <summary>The message that is due; the bytes are xored into it, from where the first two say on.</summary>
        Due,

        /// <summary>To the newest keys; on a link by a frame with these bytes.</summary>
        Switch,

        /// <summary>Seconds pass.</summary>
        Wait,

        Ping,
    }

    public string Name => "rekey";

    // Handshakes, and a session's first buffers.
    public long AllocationLimit(int length) => 2 * 1024 * 1024 + 256L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        if (!input.IsEmpty)
        {
            var (mode, steps) = (input[0], input[1..].ToArray());
            _pump.Run(() => (mode & 1) != 0 ? RunSessionAsync(mode, steps) : RunLinkAsync(mode, steps));
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        byte[] ping = Make(Step.Ping), due = Make(Step.Due), wait = Make(Step.Wait, 3), toNew = Make(Step.Switch);
        byte[][] cheap =
        [
            [.. ping, .. Make(Step.Raw, 0)],
            [.. ping, .. wait, .. Make(Step.Raw, 0), .. Make(Step.Raw, 0)],
            [.. ping, .. toNew],
            [.. ping, .. Make(Step.Raw, [1, .. new byte[48]])],
            [.. ping, .. Make(Step.Raw, [2, .. new byte[300]])],
            [.. ping, .. wait, .. Make(Step.Raw, [3, .. new byte[300]]), .. ping],
            [.. ping, .. Make(Step.Raw)],
        ];
        byte[][] dear =
        [
            // To the end, twice; the initiator's own messages need as many steps as the responder's.
            [.. ping, .. wait, .. due, .. due, .. toNew, .. ping, .. wait, .. due, .. due, .. toNew, .. ping],
            [.. ping, .. wait, .. wait, .. due, .. toNew, .. ping, .. due, .. toNew],
            [.. ping, .. wait, .. due, .. toNew, .. ping, .. wait, .. due, .. toNew, .. ping],
            [.. ping, .. wait, .. due, .. Make(Step.Due, 0, 20, 1)],
            [.. ping, .. wait, .. Make(Step.Due, 0, 60, 1), .. due],
            [.. ping, .. wait, .. due, .. toNew, .. due],
            [.. ping, .. wait, .. due, .. due, .. due, .. toNew],
        ];
        // Handshakes cost a hundred times as much as what is refused without one.
        for (var mode = 0; mode < 8; mode++)
        {
            for (var i = 0; i < 16 * cheap.Length; i++)
            {
                yield return [(byte)mode, .. cheap[i % cheap.Length]];
            }

            foreach (var steps in dear)
            {
                yield return [(byte)mode, .. steps];
            }
        }
    }

    void ILinkHandler.OnUp(ILink link)
    {
    }

    void ILinkHandler.OnFrame(ILink link, LinkFrame type, ReadOnlySpan<byte> body)
    {
    }

    void ILinkHandler.OnDown(ILink link, LinkEnd reason) => _downs++;

    private static byte[] Make(Step step, params byte[] body) => [(byte)step, (byte)(body.Length >> 8), (byte)body.Length, .. body];

    private static IEnumerable<(Step Step, byte[] Body)> Steps(byte[] rest)
    {
        for (var (at, steps) = (0, 0); steps < MaxSteps && at + 3 <= rest.Length; steps++)
        {
            var length = Math.Min(BinaryPrimitives.ReadUInt16BigEndian(rest.AsSpan(at + 1)), rest.Length - at - 3);
            yield return ((Step)rest[at], rest.AsSpan(at + 3, length).ToArray());
            at += 3 + length;
        }
    }

    private static byte[] Due(RekeyPartner partner, byte[] change)
    {
        var message = partner.Next();
        var from = change.Length < 2 ? 0 : BinaryPrimitives.ReadUInt16BigEndian(change);
        for (var i = 2; i < change.Length && from + i - 2 < message.Length; i++)
        {
            message[from + i - 2] ^= change[i];
        }

        return message;
    }

    private async Task RunLinkAsync(byte mode, byte[] steps)
    {
        var (isInitiator, isSealed) = ((mode & 2) != 0, (mode & 4) != 0);
        using var partner = new RekeyPartner(SigningLabel.Link.ToArray(), isInitiator ? HandshakeRole.Responder : HandshakeRole.Initiator, _time);
        await using var connection = new LiveConnection();
        using var writer = new RecordWriter(connection.Say, isSealed ? Aead.CreateBrief(TheirKey) : null);
        using var reader = new RecordReader(isSealed ? Aead.CreateBrief(OurKey) : null);
        var entropy = new SeededEntropy(32);
        var peer = new LinkPeer(World.Peer.Id, World.Peer.Certificate, isSealed ? Aead.CreateBrief(OurKey) : null, isSealed ? Aead.CreateBrief(TheirKey) : null)
        {
            Origin = new(new byte[SymmetricState.HashSize], EncryptionMode.Required, World.Self.Certificate, previous => partner.NewOther(previous, entropy)),
        };
        _downs = 0;
        var options = new LinkOptions { RekeyAfter = 3 * Second, RekeyMargin = 2 * Second };
        var link = new Link(connection, peer, isInitiator, Address, 1, World.Self, options, this, new(options, _time), _time, NullLogger.Instance);
        var running = link.RunAsync();
        var (hasClosed, switched) = (false, 0);
        foreach (var (step, body) in Steps(steps))
        {
            switch (step)
            {
                case Step.Raw:
                    Say(LinkFrame.Rekey, body);
                    break;
                case Step.Due:
                    Say(LinkFrame.Rekey, Due(partner, body));
                    break;
                case Step.Switch:
                    Say(LinkFrame.Switch, body);
                    if (isSealed && partner.Completed > switched)
                    {
                        switched = partner.Completed;
                        writer.Switch(partner.Keys.Send);
                    }

                    break;
                case Step.Wait:
                    _time.Advance(Second * (1 + (body.Length > 0 ? body[0] % 16 : 0)));
                    break;
                default:
                    Say(LinkFrame.Ping, new byte[8]);
                    break;
            }

            await connection.Say.FlushAsync();
            for (var i = 0; i < Hops; i++)
            {
                await Task.Yield();
            }

            Hear();
            Property.Holds(link.Epoch <= partner.Completed, $"epoch {link.Epoch} after {partner.Completed} handshakes");
        }

        await connection.Say.CompleteAsync();
        await running;
        Property.Holds(link.Ended.IsCompleted && _downs == 1, $"{_downs} downs");
        Property.Holds(link.Certificate!.Encoded.Span.SequenceEqual(World.Peer.Certificate.Encoded.Span), "another certificate than the other end's");

        void Say(LinkFrame type, byte[] body) => writer.Write([(byte)type, (byte)(body.Length >> 8), (byte)body.Length, .. body]);

        void Hear()
        {
            while (connection.Hear.TryRead(out var read))
            {
                var buffer = read.Buffer;
                while (RecordReader.TryTake(ref buffer, out var record))
                {
                    Property.Holds(reader.TryOpen(record.ToArray(), out var frames), "a record that does not open");
                    for (; !frames.IsEmpty; frames = frames[(3 + BinaryPrimitives.ReadUInt16BigEndian(frames[1..]))..])
                    {
                        Take((LinkFrame)frames[0], frames.Slice(3, BinaryPrimitives.ReadUInt16BigEndian(frames[1..])));
                    }
                }

                connection.Hear.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted || buffer.Length == 0)
                {
                    return;
                }
            }
        }

        void Take(LinkFrame type, ReadOnlySpan<byte> body)
        {
            Property.Holds(!hasClosed, "something was said after the close");
            hasClosed = type == LinkFrame.Close;
            switch (type)
            {
                case LinkFrame.Rekey:
                    Property.Holds(!body.IsEmpty && body[0] <= 3 && (body[0] == 0) == (body.Length == 1), "a message of no number");
                    partner.Hear(body);
                    break;
                case LinkFrame.Switch:
                    Property.Holds(partner.Completed > 0 && body.IsEmpty, "a switch to keys that nobody agreed on");
                    reader.Switch(isSealed ? partner.Keys.Receive : null);
                    break;
                default:
                    Property.Holds(type is LinkFrame.Ping or LinkFrame.Pong or LinkFrame.Close, $"a frame of type {type} that nobody asked for");
                    break;
            }
        }
    }

    private Task RunSessionAsync(byte mode, byte[] steps)
    {
        var isInitiator = (mode & 2) != 0;
        using var partner = new RekeyPartner(SigningLabel.Session.ToArray(), isInitiator ? HandshakeRole.Responder : HandshakeRole.Initiator, _time);
        FakeOtherEnd peer = null!;
        peer = new FakeOtherEnd(_time, isInitiator, 3 * Second)
        {
            OnRekey = body =>
            {
                var before = partner.Completed;
                partner.Hear(body);
                if (partner.Completed > before)
                {
                    peer.Add(partner.Keys);
                }
            },
        };
        var sequence = 0UL;
        foreach (var (step, body) in Steps(steps))
        {
            switch (step)
            {
                case Step.Raw:
                    Say(body);
                    break;
                case Step.Due:
                    Say(Due(partner, body));
                    break;
                case Step.Wait:
                    _time.Advance(Second * (1 + (body.Length > 0 ? body[0] % 32 : 0)));
                    break;
                default:
                    if (step == Step.Switch)
                    {
                        peer.Switch();
                    }

                    var ping = new byte[9];
                    Frame.WritePing(ping, FrameType.Ping, 1);
                    peer.Say(ping);
                    break;
            }

            Property.Holds(peer.Session.Status.Epoch <= partner.Completed, $"epoch {peer.Session.Status.Epoch} after {partner.Completed} handshakes");
        }

        Property.Holds(peer.Session.Certificate.Encoded.Span.SequenceEqual(World.Peer.Certificate.Encoded.Span), "another certificate than the other end's");
        Property.Holds(peer.Session.Ended.IsCompleted == (peer.Endings == 1), "the end was told wrongly");
        Property.Holds(peer.Goodbye is null or MeshError.Protocol or MeshError.Lost or MeshError.None, $"ended with goodbye {peer.Goodbye}");
        peer.Session.End(MeshError.Stopping, "the input is over", tell: true);
        Property.Holds(peer.Endings == 1 && peer.Session.Budget.Used == 0 && peer.Memory.Used == 0, $"{peer.Session.Budget.Used} bytes are still counted as held after all ended");
        return Task.CompletedTask;

        void Say(byte[] body)
        {
            if (body.Length > PeerHandshake.MaxMessage * 2)
            {
                return;
            }

            var frame = new byte[11 + body.Length];
            frame[0] = (byte)FrameType.Rekey;
            Frame.WriteSequence(frame, sequence++);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(9), (ushort)body.Length);
            body.CopyTo(frame, 11);
            peer.Say(frame);
        }
    }
}
