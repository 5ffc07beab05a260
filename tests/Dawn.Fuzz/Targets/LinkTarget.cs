using System.Buffers.Binary;
using Dawn.Links;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>
/// What a neighbour says on a link that is up: opened records and the frames in them, given to a whole <see cref="Link"/>.
/// The first byte: bits 0 and 1 into what pieces the stream is cut, bit 2 for a newcomer's link.
/// </summary>
/// <remarks>A second, plain reader of the same bytes says what the link must have handed on.</remarks>
internal sealed class LinkTarget : IFuzzTarget, ILinkHandler
{
    private static readonly int[] Pieces = [int.MaxValue, 1_000, 64, 7];
    private static readonly Uri Address = new("tcp://198.51.100.1:1");

    private readonly FakeTimeProvider _time = World.Time();
    private readonly Pump _pump;
    private readonly List<(LinkFrame, byte[])> _handed = [];
    private int _ups;
    private int _downs;

    public LinkTarget() => _pump = new(_time);

    public string Name => "link";

    // A queue may hold its limit of pongs, in buffers that double.
    public long AllocationLimit(int length) => 512 * 1024 + 256L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
        {
            return;
        }

        var stream = input[1..].ToArray();
        var isNewcomer = (input[0] & 4) != 0;
        var connection = new StreamConnection(stream, Pieces[input[0] & 3]);
        _handed.Clear();
        (_ups, _downs) = (0, 0);
        var options = new LinkOptions();
        var link = new Link(
            connection, new(World.Peer.Id, isNewcomer ? null : World.Peer.Certificate, null, null), isInitiator: false, Address, 1, World.Self, options, this, new(options, _time), _time,
            NullLogger.Instance);
        _pump.Run(link.RunAsync);

        var (expected, records, pings) = Expect(stream);
        Property.Holds(link.Ended.IsCompleted && _downs == 1 && _ups == (records > 0 ? 1 : 0), $"{_ups} ups and {_downs} downs");
        Property.Holds(_handed.Count == expected.Count, $"{_handed.Count} frames were handed on instead of {expected.Count}");
        for (var i = 0; i < expected.Count; i++)
        {
            Property.Holds(_handed[i].Item1 == expected[i].Type && _handed[i].Item2.AsSpan().SequenceEqual(expected[i].Body), $"frame {i} was handed on otherwise than it came");
        }

        CheckSent(connection.Sent, pings);
    }

    public IEnumerable<byte[]> Seeds()
    {
        var ping = Frame(LinkFrame.Ping, 1, 2, 3, 4, 5, 6, 7, 8);
        var envelope = Frame(LinkFrame.Envelope, new byte[100]);
        byte[][][] streams =
        [
            [ping],
            [[.. ping, .. envelope]],
            [ping, envelope, Frame(LinkFrame.Record, 1, 2, 3), Frame(LinkFrame.Close, CloseFrame.Encode(LinkEnd.Stopping, "until later"))],
            [ping, [], [.. Frame(LinkFrame.Padding, new byte[20]), .. Frame(LinkFrame.Pong, new byte[8])]],
            [ping, Frame(LinkFrame.Redeem, 1), Frame(LinkFrame.Redeemed, 1, 0)],
            [ping, Frame(LinkFrame.Rekey, new byte[64])],
            [ping, Frame(LinkFrame.Switch)],
            [Frame(LinkFrame.Envelope), Frame(LinkFrame.Record), Frame((LinkFrame)77, 1)],
            [Frame(LinkFrame.Envelope, new byte[20_000])],
        ];
        for (var i = 0; i < streams.Length; i++)
        {
            yield return [(byte)i, .. streams[i].SelectMany(Record)];
        }
    }

    void ILinkHandler.OnUp(ILink link) => _ups++;

    void ILinkHandler.OnFrame(ILink link, LinkFrame type, ReadOnlySpan<byte> body) => _handed.Add((type, body.ToArray()));

    void ILinkHandler.OnDown(ILink link, LinkEnd reason) => _downs++;

    private static byte[] Frame(LinkFrame type, params byte[] body) => [(byte)type, (byte)(body.Length >> 8), (byte)body.Length, .. body];

    private static byte[] Record(byte[] frames) => [(byte)(frames.Length >> 8), (byte)frames.Length, .. frames];

    private static (List<(LinkFrame Type, byte[] Body)> Frames, int Records, int Pings) Expect(ReadOnlySpan<byte> stream)
    {
        var (frames, records, pings) = (new List<(LinkFrame, byte[])>(), 0, 0);
        while (stream.Length >= 2 && stream.Length >= 2 + BinaryPrimitives.ReadUInt16BigEndian(stream))
        {
            var record = stream.Slice(2, BinaryPrimitives.ReadUInt16BigEndian(stream));
            stream = stream[(2 + record.Length)..];
            if (record.Length > RecordWriter.MaxRecord)
            {
                return (frames, records, pings);
            }

            records++;
            while (!record.IsEmpty)
            {
                if (record.Length < 3 || record.Length < 3 + BinaryPrimitives.ReadUInt16BigEndian(record[1..]))
                {
                    return (frames, records, pings);
                }

                var type = (LinkFrame)record[0];
                var body = record.Slice(3, BinaryPrimitives.ReadUInt16BigEndian(record[1..]));
                record = record[(3 + body.Length)..];
                if (type is LinkFrame.Envelope or LinkFrame.Record or LinkFrame.Registry or LinkFrame.Membership or LinkFrame.Redeem or LinkFrame.Redeemed)
                {
                    frames.Add((type, body.ToArray()));
                }
                else if (type == LinkFrame.Ping && body.Length == 8)
                {
                    pings++;
                }
                else if (type != LinkFrame.Padding && !(type == LinkFrame.Pong && body.Length == 8))
                {
                    // A close, or what has no place here: nothing after it counts.
                    return (frames, records, pings);
                }
            }
        }

        return (frames, records, pings);
    }

    // The link's own words: pings, no more pongs than were asked for, and a close at the end.
    private static void CheckSent(ReadOnlySpan<byte> sent, int pings)
    {
        var closed = false;
        while (!sent.IsEmpty)
        {
            var record = sent.Slice(2, BinaryPrimitives.ReadUInt16BigEndian(sent));
            sent = sent[(2 + record.Length)..];
            while (!record.IsEmpty)
            {
                Property.Holds(!closed, "something was said after the close");
                pings -= (LinkFrame)record[0] == LinkFrame.Pong ? 1 : 0;
                closed = (LinkFrame)record[0] == LinkFrame.Close;
                Property.Holds((LinkFrame)record[0] is LinkFrame.Ping or LinkFrame.Pong or LinkFrame.Close && pings >= 0, $"a frame of type {record[0]} that nobody asked for");
                record = record[(3 + BinaryPrimitives.ReadUInt16BigEndian(record[1..]))..];
            }
        }
    }
}
