using Dawn.Identity;
using Dawn.Links;
using Dawn.Membership;
using Dawn.Tests;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Dawn.Fuzz.Targets;

/// <summary>A registry frame that a neighbour sends. The first byte says to which of two nodes: the one that begins reconciliations, or the one that answers.</summary>
internal sealed class RegistryTarget : IFuzzTarget
{
    private readonly FakeTimeProvider _time = World.Time();
    private readonly End[] _ends;

    public RegistryTarget() => _ends = [new(World.Self, World.Peer, _time), new(World.Peer, World.Self, _time)];

    public string Name => "registry";

    public long AllocationLimit(int length) => 512 * 1024 + 128L * length;

    public void Run(ReadOnlySpan<byte> input)
    {
        if (!input.IsEmpty)
        {
            _ends[input[0] & 1].Run(input[1..]);
            _time.Advance(TimeSpan.FromMilliseconds(500));
        }
    }

    public IEnumerable<byte[]> Seeds()
    {
        var known = new RegistryInMemory(World.Peer.Id, World.Time());
        known.Merge(Record(World.Peer, 6, 0));
        known.Merge(Record(World.Network.Node(7), 3, 0));
        var page = known.Reconcile(default).Message;
        var wants = new RegistryInMemory(World.Self.Id, World.Time()).Reconcile(page).Message;
        var (one, other) = (Record(World.Peer, 9, 0), Record(World.Peer, 9, 1));
        for (byte end = 0; end < 2; end++)
        {
            yield return [end, .. RegistryFrame.Summary(RegistryForm.Listing, new byte[32])];
            yield return [end, .. RegistryFrame.Summary(RegistryForm.Plugin, new byte[32])];
            yield return [end, .. RegistryFrame.Message(1, 1, page.Span)];
            yield return [end, .. RegistryFrame.Message(1, 2, wants.Span)];
            yield return [end, .. RegistryFrame.Message(1, 2, default)];
            yield return [end, .. RegistryFrame.Message(1, 3, page.Span)];
            yield return [end, .. RegistryFrame.Conflict(new(one, other, World.Now))];
            yield return [end, .. RegistryFrame.Prune()];
            yield return [end, .. RegistryFrame.Have([(World.Network.Node(7).Id, 3), (World.Network.Node(9).Id, 6), (World.Self.Id, 7)])];
            yield return [end, .. RegistryFrame.Want([World.Network.Node(9).Id, World.Network.Node(8).Id, World.Peer.Id])];
        }
    }

    private static NodeRecord Record(TestIdentity node, ulong sequence, int port) =>
        NodeRecord.Sign(node, sequence, World.Now, EncryptionMode.Required, port == 0 ? [] : [new($"ws://192.0.2.1:{port}")], [], out _);

    private sealed class End : MuteLink
    {
        private readonly RecordTable _table;
        private readonly RecordExchange _exchange;
        private int _closes;
        private int _frames;

        public End(TestIdentity self, TestIdentity remote, TimeProvider time)
            : base(remote)
        {
            _table = new(self, time, NullLogger<RecordTable>.Instance);
            _exchange = new(_table, self, time, NullLogger<RecordExchange>.Instance, new Random(1));
            _table.Put(Record(self, 5, 0), out _);
            _table.Put(Record(World.Network.Node(9), 5, 0), out _);
            _exchange.Add(this);
        }

        public void Run(ReadOnlySpan<byte> body)
        {
            var (closes, frames) = (_closes, _frames);
            _exchange.OnRegistry(this, body);
            Property.Holds(_closes <= closes + 1, "closed twice for one frame");
            Property.Holds(_frames - frames <= 8, $"{_frames - frames} frames answer one");
            // Whoever signed nothing new adds nothing: the seeds' records are all there are.
            Property.Holds(_table.Snapshot().Count <= 3 && _table.Conflicts.Snapshot.Count <= 1, "a record or a proof that nobody signed");
            if (_closes != closes)
            {
                _exchange.Remove(this);
                _exchange.Add(this);
            }
        }

        public override bool TrySend(LinkFrame type, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
        {
            Property.Holds(type is LinkFrame.Record or LinkFrame.Registry && head.Length + body.Length <= Link.MaxFrame, $"a frame of type {type} with {body.Length} bytes");
            _frames++;
            return true;
        }

        public override ValueTask CloseAsync(LinkEnd reason, string? text = null)
        {
            Property.Holds(reason == LinkEnd.Protocol, $"closed for {reason}");
            _closes++;
            return default;
        }
    }
}
