using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Routing.Modes;
using Dawn.Sessions;
using Dawn.Tests;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>An envelope that a neighbour sends, given to the router and, where it is for this node, to its sessions, which live on from input to input.</summary>
internal sealed class EnvelopeTarget : IFuzzTarget, IEnvelopePort, IChannelAcceptor
{
    private readonly FakeTimeProvider _time = World.Time();
    private readonly SessionTable _sessions;
    private readonly Router _router;
    private readonly End _end = new();
    private int _sent;

    public EnvelopeTarget()
    {
        _sessions = new(this, World.Self, new(World.SelfStatic, EncryptionMode.Required), new Lazy<IChannelAcceptor>(this), new SeededEntropy(31), _time, NullLogger<SessionTable>.Instance);
        var links = new LinkTable(World.Self, new(), () => throw new PropertyException("no link is up"), _time, NullLogger<LinkTable>.Instance);
        var modes = new RoutingModes(NullLogger<RoutingModes>.Instance);
        modes.Use([new DecentralizedMode()], "decentralized");
        var (records, found) = (new RecordTable(World.Self, _time, NullLogger<RecordTable>.Instance), new FoundWays(_time));
        var peers = new PeerTable(World.Self, records, new Random(1), _time, NullLogger<PeerTable>.Instance);
        _router = new(World.Self, modes, new(World.Self, links, peers, records, new([]), found), links, found, new(), () => _sessions, new SeededEntropy(33), _time, NullLogger<Router>.Instance);
    }

    public event Action<IReadOnlyList<NodeId>>? PathsChanged { add { } remove { } }

    public string Name => "envelope";

    public long AllocationLimit(int length) => 256 * 1024 + 64L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        var (dropped, closes, sent, answers) = (_router.Malformed, _end.Closes, _sent, _end.Answers);
        var isWhole = EnvelopeHeader.TryRead(input, out var header);
        if (isWhole)
        {
            var again = new byte[EnvelopeHeader.Size];
            header.Write(again);
            Property.Canonical(input[..EnvelopeHeader.Size], again);
        }

        _router.OnEnvelope(_end, input);
        var isOurs = isWhole && header.Target == World.Self.Id;
        Property.Holds(_router.Malformed == dropped + (isWhole ? 0 : 1), "an envelope was counted wrongly");
        Property.Holds(_end.Closes == closes + (isWhole ? 0 : 1), "what is malformed, and nothing else, ends the neighbour's link");
        Property.Holds(_sent - sent <= (isOurs ? 1 : 0), $"{_sent - sent} envelopes answer one");
        Property.Holds(_end.Answers - answers <= (isWhole && header.Kind is not (EnvelopeKind.Undeliverable or EnvelopeKind.Traced) ? 1 : 0), "the router answered more than once, or an answer");
        Property.Holds(_sessions.HalfOpen <= SessionTable.MaxHalfOpen && _sessions.Snapshot.Count == 0, "more handshakes than may be, or a session that nobody proved");
        _time.Advance(TimeSpan.FromMilliseconds(1));
    }

    public IEnumerable<byte[]> Seeds()
    {
        var handshakes = new SessionHandshakes(new(World.PeerStatic, EncryptionMode.Required), World.Peer, new SeededEntropy(32), _time);
        using var handshake = handshakes.Create(HandshakeRole.Initiator, World.Self.Id, 7);
        var first = SessionHandshakes.Numbered(1, handshake.WriteMessage());
        yield return Envelope(EnvelopeKind.Handshake, first);
        yield return Envelope(EnvelopeKind.Handshake, SessionHandshakes.Numbered(2, new byte[300]));
        yield return Envelope(EnvelopeKind.Handshake, SessionHandshakes.Numbered(3, new byte[300]));
        yield return Envelope(EnvelopeKind.Segment, new byte[SegmentHeader.Size + 60]);
        yield return Envelope(EnvelopeKind.Segment, new byte[EnvelopeHeader.MaxPayload]);
        yield return Envelope(EnvelopeKind.Undeliverable, [1, 2, 3, 4, 5, 6, 7, 8, 3]);
        yield return Envelope(EnvelopeKind.Undeliverable, [1, 2, 3, 4, 5, 6, 7, 8, 1]);
        yield return Envelope(EnvelopeKind.Trace, [1, 2, 3, 4, 5, 6, 7, 8]);
        yield return Envelope(EnvelopeKind.Traced, [1, 2, 3, 4, 5, 6, 7, 8, 1]);
        yield return Envelope((EnvelopeKind)9, []);
    }

    private static byte[] Envelope(EnvelopeKind kind, byte[] payload)
    {
        var envelope = new byte[EnvelopeHeader.Size + payload.Length];
        new EnvelopeHeader(kind, 0, 16, 5, World.Peer.Id, World.Self.Id, 7, payload.Length).Write(envelope);
        payload.CopyTo(envelope, EnvelopeHeader.Size);
        return envelope;
    }

    bool IEnvelopePort.TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload)
    {
        _sent++;
        return true;
    }

    bool IEnvelopePort.CanReach(NodeId node) => true;

    ValueTask IEnvelopePort.WaitForRoomAsync(NodeId node, CancellationToken cancellationToken) => default;

    Task IChannelAcceptor.AcceptAsync(string agent, MeshChannel channel, Caller caller) => throw new PropertyException("a channel was opened by nobody");

    private sealed class End() : MuteLink(World.Peer)
    {
        public int Closes { get; private set; }

        public int Answers { get; private set; }

        // Hints for what can't be passed on, and answers to traces, go back the way it came.
        public override bool TrySend(LinkFrame type, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
        {
            Property.Holds(type == LinkFrame.Envelope && EnvelopeHeader.TryRead(head, out var answer) && answer.Kind is EnvelopeKind.Undeliverable or EnvelopeKind.Traced, "the router answered with something else");
            Answers++;
            return true;
        }

        public override ValueTask CloseAsync(LinkEnd reason, string? text = null)
        {
            Property.Holds(reason == LinkEnd.Protocol, $"closed for {reason}");
            Closes++;
            return default;
        }
    }
}
