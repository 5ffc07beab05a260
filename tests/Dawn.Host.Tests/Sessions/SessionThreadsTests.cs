using System.Threading.Channels;
using Dawn.Identity;
using Dawn.Noise;
using Dawn.Routing;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dawn.Tests.Sessions;

/// <summary>On real threads, where the simulation has one: what the locks are for.</summary>
public class SessionThreadsTests
{
    [Theory(Timeout = 120_000)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Many_channels_at_once_keep_their_order_over_several_links(int links)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var network = new TestNetwork();
        await using var a = new ThreadedNode(network.Node(1), links);
        await using var b = new ThreadedNode(network.Node(2), links);
        (a.Other, b.Other) = (b, a);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(number => Task.Run(() => TalkAsync(number % 2 == 0 ? (a, b) : (b, a), number), cancellation)));
        Assert.All(a.Table.Snapshot, status => Assert.Equal("open", status.State));

        async Task TalkAsync((ThreadedNode From, ThreadedNode To) ends, int number)
        {
            var random = new Random(number);
            await using var channel = await ends.From.Table.OpenChannelAsync(ends.To.Id, "echo", "gateway", cancellation);
            var lengths = Enumerable.Range(0, 400).Select(i => i % 50 == 0 ? 100_000 : random.Next(4, 2_000)).ToArray();
            var sending = Task.Run(async () =>
            {
                for (var i = 0; i < lengths.Length; i++)
                {
                    var message = new byte[lengths[i]];
                    BitConverter.TryWriteBytes(message, i);
                    await channel.SendAsync(message, cancellation);
                }
            }, cancellation);
            for (var i = 0; i < lengths.Length; i++)
            {
                using var message = (await channel.ReceiveAsync(cancellation))!.Value;
                Assert.Equal((i, lengths[i]), (BitConverter.ToInt32(message.Span), message.Span.Length));
            }

            await sending;
        }
    }

    /// <summary>A node with a bounded queue and a reading loop for each link, envelopes taking turns: they arrive out of order and at the same time.</summary>
    private sealed class ThreadedNode : IEnvelopePort, IChannelAcceptor, IAsyncDisposable
    {
        private readonly Channel<(EnvelopeHeader, byte[])>[] _links;
        private readonly Task[] _reading;
        private int _turn;

        public ThreadedNode(TestIdentity identity, int links)
        {
            var entropy = new SeededEntropy(identity.Id.GetHashCode());
            Id = identity.Id;
            Table = new(
                this, identity, new(new StaticKey(entropy), EncryptionMode.Required), new Lazy<IChannelAcceptor>(this), entropy, TimeProvider.System,
                NullLogger<SessionTable>.Instance);
            _links = [.. Enumerable.Range(0, links).Select(_ => Channel.CreateBounded<(EnvelopeHeader, byte[])>(16))];
            _reading = [.. _links.Select(link => Task.Run(async () =>
            {
                await foreach (var (header, payload) in link.Reader.ReadAllAsync())
                {
                    Table.OnEnvelope(header, payload);
                }
            }))];
        }

        public event Action<IReadOnlyList<NodeId>>? PathsChanged { add { } remove { } }

        public NodeId Id { get; }

        public SessionTable Table { get; }

        public ThreadedNode? Other { get; set; }

        public bool TrySend(in EnvelopeHeader header, ReadOnlySpan<byte> payload) => Next().TryWrite((header, payload.ToArray()));

        public bool CanReach(NodeId node) => true;

        public async ValueTask WaitForRoomAsync(NodeId node, CancellationToken cancellationToken) => await Next().WaitToWriteAsync(cancellationToken);

        public Task AcceptAsync(string agent, MeshChannel channel, Caller caller) => SessionTests.Echo(agent, channel, caller);

        public async ValueTask DisposeAsync()
        {
            await Table.StopAsync(CancellationToken.None);
            foreach (var link in _links)
            {
                link.Writer.TryComplete();
            }

            await Task.WhenAll(_reading);
        }

        private ChannelWriter<(EnvelopeHeader, byte[])> Next() => Other!._links[(uint)Interlocked.Increment(ref _turn) % (uint)_links.Length].Writer;
    }
}
