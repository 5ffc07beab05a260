using System.Net;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Testing.InMemory;
using Dawn.Tests.Links;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Hostile;

/// <summary>What strangers and neighbours may cost a node by saying too much, too little or too slowly.</summary>
[Collection(MeasuresMemory.Name)]
public class LinkFloodTests
{
    private static readonly TestNetwork Network = new();
    private static readonly TimeSpan HandshakeTimeout = new LinkOptions().HandshakeTimeout;

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_flood_from_one_address_holds_16_places_and_keeps_nobody_else_out()
    {
        await using var listener = await new LinkNode(Network.Node(2), _network, _time).ListenAsync();
        var before = Memory();
        var flood = await KnockAsync(listener, "198.51.100.7", 400);
        // The last one in the queue was served: so were all before it.
        await Eventually.HoldsAsync(() => flood.Count(c => c.IsOpen) == listener.Options.MaxHandshakesPerAddress);
        Assert.InRange(Memory() - before, long.MinValue, 4 * 1024 * 1024);

        await using var honest = new LinkNode(Network.Node(1), _network, _time, from: "203.0.113.9");
        await honest.DialAsync(listener, listener.Id);
        await listener.Handler.NextAsync(LinkEventKind.Up);

        _time.Advance(HandshakeTimeout);
        await Eventually.HoldsAsync(() => flood.All(c => !c.IsOpen));
        Assert.Single(listener.Table.Snapshot);
    }

    [Fact]
    public async Task Byte_after_byte_buys_a_stranger_no_more_than_5_s()
    {
        await using var listener = await new LinkNode(Network.Node(2), _network, _time).ListenAsync();
        var hello = Hello.Create(EncryptionMode.Required, null, new SeededEntropy(1)).Encoded;
        var slow = new List<Knock>();
        for (var address = 1; address <= 7; address++)
        {
            slow.AddRange(await KnockAsync(listener, $"198.51.100.{address}", listener.Options.MaxHandshakesPerAddress));
        }

        await using var honest = new LinkNode(Network.Node(1), _network, _time, from: "203.0.113.9");
        for (var second = 0; second < 5; second++)
        {
            Assert.All(slow, c => Assert.True(c.IsOpen));
            foreach (var one in slow)
            {
                await one.Connection.Transport.Output.WriteAsync(hello.Slice(second, 1), Cancel);
            }

            if (second == 2)
            {
                await honest.DialAsync(listener, listener.Id);
                await listener.Handler.NextAsync(LinkEventKind.Up);
            }

            _time.Advance(TimeSpan.FromSeconds(1));
        }

        // Each one's 5 s began when it was accepted, at the latest before the honest one was.
        _time.Advance(HandshakeTimeout - TimeSpan.FromSeconds(2));
        await Eventually.HoldsAsync(() => slow.All(c => !c.IsOpen));
        Assert.Single(listener.Table.Snapshot);
        // Their places are free again.
        Assert.All(await KnockAsync(listener, "198.51.100.1", 1), c => Assert.True(c.IsOpen));
    }

    [Fact]
    public async Task A_neighbour_that_never_reads_costs_a_queue_and_its_own_link()
    {
        var faults = new ConnectionFaults();
        _network.Faults = number => number == 0 ? faults : null;
        await using var node = await new LinkNode(Network.Node(2), _network, _time).ListenAsync();
        // Which waits longer than the node does.
        await using var deaf = new LinkNode(Network.Node(1), _network, _time, new() { DeadAfter = TimeSpan.FromMinutes(5) });
        await using var honest = new LinkNode(Network.Node(3), _network, _time);
        await deaf.DialAsync(node, node.Id);
        var toDeaf = (await node.Handler.NextAsync(LinkEventKind.Up)).Link;
        var fromHonest = await honest.DialAsync(node, node.Id);
        var toHonest = (await node.Handler.NextAsync(LinkEventKind.Up)).Link;
        await honest.Handler.NextAsync(LinkEventKind.Up);

        faults.ToDialer.Pause();
        var before = Memory();
        var taken = 0L;
        var body = new byte[10_000];
        for (var i = 0; i < 2_000; i++)
        {
            taken += toDeaf.TrySend(LinkFrame.Envelope, default, body) ? body.Length : 0;
            if (i % 10 == 0)
            {
                // Meanwhile the other neighbour's frames come and go.
                Assert.True(toHonest.TrySend(LinkFrame.Envelope, default, [1, 2, 3]));
                await honest.Handler.NextAsync(LinkEventKind.Frame);
            }
        }

        // One queue, one batch in flight, and what pipe and pump take.
        Assert.InRange(taken, node.Options.QueueBytes / 2, 4 * node.Options.QueueBytes);
        Assert.InRange(Memory() - before, long.MinValue, 16 * 1024 * 1024);
        using var heard = new SemaphoreSlim(0);
        node.Handler.OnFrame = _ => heard.Release();
        for (var second = 0; second <= node.Options.WriteTimeout.TotalSeconds && !toDeaf.Ended.IsCompleted; second++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.True(fromHonest.TrySend(LinkFrame.Envelope, default, [4]));
            Assert.True(toHonest.TrySend(LinkFrame.Envelope, default, [5]));
            await honest.Handler.NextAsync(LinkEventKind.Frame);
            // Both ways: a second that passes before what was said is heard is one of silence.
            Assert.True(await heard.WaitAsync(LinkNode.Patience, Cancel));
        }

        // Whichever clock of the node's strikes first: nothing was written, or nothing was heard.
        Assert.Contains(await toDeaf.Ended.WaitAsync(LinkNode.Patience, Cancel), new[] { LinkEnd.Limit, LinkEnd.Silent });
        Assert.Equal([honest.Id], node.Table.Snapshot.Select(link => link.Remote));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_neighbour_that_sends_for_ever_costs_no_memory_and_leaves_others_their_turn(bool isValid)
    {
        await using var node = await new LinkNode(Network.Node(2), _network, _time).ListenAsync();
        await using var endless = new LinkNode(Network.Node(1), _network, _time);
        await using var honest = new LinkNode(Network.Node(3), _network, _time);
        var flooding = await endless.DialAsync(node, node.Id);
        await node.Handler.NextAsync(LinkEventKind.Up);
        var calling = await honest.DialAsync(node, node.Id);
        var answering = (await node.Handler.NextAsync(LinkEventKind.Up)).Link;
        await honest.Handler.NextAsync(LinkEventKind.Up);
        node.Handler.OnFrame = type =>
        {
            if (type == LinkFrame.Record)
            {
                answering.TrySend(LinkFrame.Record, default, [1]);
            }
        };

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var sent = 0L;
        // Padding and pings are handled by the link itself: nothing above it slows the sender. Type 99 is nobody's.
        var flood = Task.Run(
            async () =>
            {
                var body = new byte[isValid ? 8 : 500];
                while (!stop.IsCancellationRequested && !flooding.Ended.IsCompleted)
                {
                    if (flooding.TrySend(isValid ? LinkFrame.Ping : (LinkFrame)99, default, body))
                    {
                        Interlocked.Increment(ref sent);
                    }
                    else
                    {
                        await flooding.WaitForRoomAsync(stop.Token);
                    }
                }
            },
            Cancel);
        var before = Memory();
        for (var call = 0; call < 200; call++)
        {
            Assert.True(calling.TrySend(LinkFrame.Record, default, [0]));
            await honest.Handler.NextAsync(LinkEventKind.Frame);
        }

        await Eventually.HoldsAsync(() => isValid ? Interlocked.Read(ref sent) > 50_000 : flooding.Ended.IsCompleted);
        Assert.InRange(Memory() - before, long.MinValue, 32 * 1024 * 1024);
        Assert.Equal(!isValid, flooding.Ended.IsCompleted);
        await stop.CancelAsync();
        await flood.ContinueWith(_ => { }, Cancel, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private async Task<List<Knock>> KnockAsync(LinkNode listener, string from, int count)
    {
        var transport = new InMemoryTransport(_network, IPAddress.Parse(from));
        var knocks = new List<Knock>();
        for (var i = 0; i < count; i++)
        {
            knocks.Add(new(await transport.ConnectAsync(new UriEndPoint(listener.Address), Cancel)));
        }

        return knocks;
    }

    private static long Memory() => GC.GetTotalMemory(forceFullCollection: true);

    private sealed class Knock
    {
        private volatile bool _closed;

        public Knock(ConnectionContext connection)
        {
            Connection = connection;
            connection.ConnectionClosed.UnsafeRegister(_ => _closed = true, null);
        }

        public ConnectionContext Connection { get; }

        public bool IsOpen => !_closed;
    }
}
