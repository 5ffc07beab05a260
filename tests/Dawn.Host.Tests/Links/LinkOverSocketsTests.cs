using System.Net;
using Dawn.Identity;
using Dawn.Links;
using Dawn.Noise;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Xunit;

namespace Dawn.Tests.Links;

/// <summary>The same over the kernel's sockets, whose aborts and closes are less polite than an in-memory twin's.</summary>
public class LinkOverSocketsTests
{
    private static readonly TestNetwork Network = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Links_carry_both_ways_and_close_with_their_reason()
    {
        await using var listener = await new SocketNode(Network.Node(2)).ListenAsync();
        await using var dialer = new SocketNode(Network.Node(1));
        for (var round = 0; round < 20; round++)
        {
            var link = await dialer.DialAsync(listener);
            await dialer.Handler.NextAsync(LinkEventKind.Up);
            var accepted = (await listener.Handler.NextAsync(LinkEventKind.Up)).Link;
            Assert.Equal("tcp", accepted.Address.Scheme);
            var sent = new SeededEntropy(round).Bytes(60_000);
            for (var i = 0; i < 50; i++)
            {
                while (!link.TrySend(LinkFrame.Envelope, default, sent))
                {
                    await link.WaitForRoomAsync(Cancel);
                }
            }

            accepted.TrySend(LinkFrame.Envelope, default, [1]);
            Assert.Equal([1], (await dialer.Handler.NextAsync(LinkEventKind.Frame)).Body);
            await link.CloseAsync(LinkEnd.Stopping).AsTask().WaitAsync(LinkNode.Patience, Cancel);
            for (var i = 0; i < 50; i++)
            {
                Assert.True((await listener.Handler.NextAsync(LinkEventKind.Frame)).Body.AsSpan().SequenceEqual(sent));
            }

            Assert.Equal(LinkEnd.Stopping, (await listener.Handler.NextAsync(LinkEventKind.Down)).End);
            Assert.Equal(LinkEnd.Stopping, (await dialer.Handler.NextAsync(LinkEventKind.Down)).End);
        }
    }

    [Fact]
    public async Task Failures_are_told_apart()
    {
        await using var listener = await new SocketNode(Network.Node(2)).ListenAsync();
        await using var stranger = new SocketNode(new TestNetwork(2).Node(1));
        await using var open = new SocketNode(Network.Node(1), new() { Encryption = EncryptionMode.Off });
        await using var expired = new SocketNode(Network.Node(1, notAfter: DateTimeOffset.UnixEpoch));
        Assert.Equal(DialFault.Secret, (await Assert.ThrowsAsync<LinkDialException>(() => stranger.DialAsync(listener))).Fault);
        Assert.Equal(DialFault.Encryption, (await Assert.ThrowsAsync<LinkDialException>(() => open.DialAsync(listener))).Fault);
        Assert.Equal(DialFault.Certificate, (await Assert.ThrowsAsync<LinkDialException>(() => expired.DialAsync(listener))).Fault);
        Assert.True(listener.Handler.IsQuiet);
    }

    private sealed class SocketNode : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly LinkTable _table;
        private readonly LinkDialer _dialer;
        private readonly LinkListener _links;
        private IConnectionListener? _listener;
        private Task _accepting = Task.CompletedTask;

        public SocketNode(INodeIdentity identity, LinkOptions? options = null)
        {
            options ??= new();
            var handshake = new LinkHandshake(identity, new StaticKey(Entropy.System), options, Entropy.System, TimeProvider.System);
            _table = new LinkTable(identity, options, () => Handler, TimeProvider.System, NullLogger<LinkTable>.Instance);
            _dialer = new LinkDialer(_ => new SocketTransport(), handshake, _table, options, TimeProvider.System);
            _links = new LinkListener(handshake, _table, options, TimeProvider.System, NullLogger<LinkListener>.Instance);
        }

        public RecordingHandler Handler { get; } = new();

        public async Task<SocketNode> ListenAsync()
        {
            _listener = await new SocketTransport().BindAsync(new UriEndPoint(new Uri("tcp://127.0.0.1:0")), Cancel);
            _accepting = _links.RunAsync(new Named(_listener), _stop.Token);
            return this;
        }

        public Task<ILink> DialAsync(SocketNode other) =>
            _dialer.DialAsync(new Uri($"tcp://{other._listener!.EndPoint}"), null, Cancel).WaitAsync(LinkNode.Patience, Cancel);

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _accepting.WaitAsync(LinkNode.Patience);
            await _table.CloseAllAsync().WaitAsync(LinkNode.Patience);
            if (_listener is not null)
            {
                await _listener.DisposeAsync();
            }
        }
    }

    private sealed class SocketTransport : IPeerTransport
    {
        public IReadOnlyCollection<string> Schemes { get; } = ["tcp"];

        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            new SocketTransportFactory(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance).BindAsync(Ip(endpoint), cancellationToken);

        public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
        {
            var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(Ip(endpoint), cancellationToken);
            return new SocketConnectionContextFactory(new(), NullLogger.Instance).Create(socket);
        }

        private static IPEndPoint Ip(EndPoint endpoint) => endpoint is UriEndPoint { Uri: var uri } ? new(IPAddress.Parse(uri.Host), uri.Port) : (IPEndPoint)endpoint;
    }

    /// <summary>A listener under its transport's scheme.</summary>
    private sealed class Named(IConnectionListener inner) : IConnectionListener
    {
        public EndPoint EndPoint { get; } = new UriEndPoint(new Uri($"tcp://{inner.EndPoint}"));

        public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) => inner.AcceptAsync(cancellationToken);

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => inner.UnbindAsync(cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
