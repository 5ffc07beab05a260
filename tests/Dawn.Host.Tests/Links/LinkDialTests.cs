using System.Net;
using Dawn.Links;
using Dawn.Testing.InMemory;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Dawn.Tests.Links;

public class LinkDialTests
{
    private static readonly TestNetwork Network = new();

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InMemoryNetwork _network = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Dials_say_why_they_failed()
    {
        await using var dialer = new LinkNode(Network.Node(1), _network, _time);
        Assert.Equal(DialFault.Unreachable, (await Assert.ThrowsAsync<LinkDialException>(() => dialer.Dialer.DialAsync(new Uri("mem://nobody:1"), null, Cancel))).Fault);
        Assert.Equal(DialFault.NoTransport, (await Assert.ThrowsAsync<LinkDialException>(() => dialer.Dialer.DialAsync(new Uri("carrier-pigeon://x:1"), null, Cancel))).Fault);

        await using var deaf = await dialer.Transport.BindAsync(new UriEndPoint(new Uri("mem://deaf:1")), Cancel);
        var dialing = dialer.Dialer.DialAsync(new Uri("mem://deaf:1"), null, Cancel);
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(DialFault.Timeout, (await Assert.ThrowsAsync<LinkDialException>(() => dialing.WaitAsync(LinkNode.Patience, Cancel))).Fault);

        using var cancel = new CancellationTokenSource();
        dialing = dialer.Dialer.DialAsync(new Uri("mem://deaf:1"), null, cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dialing.WaitAsync(LinkNode.Patience, Cancel));
    }

    [Fact]
    public async Task A_transport_that_heeds_no_token_holds_nobody_up_and_what_it_makes_late_is_dropped()
    {
        await using var node = new LinkNode(Network.Node(1), _network, _time);
        using var key = new Dawn.Noise.StaticKey(Dawn.Identity.Entropy.System);
        var deaf = new Deaf();
        var dialer = new LinkDialer(_ => deaf, new LinkHandshake(node.Identity, key, node.Options, Dawn.Identity.Entropy.System, _time), node.Table, node.Options, _time);
        var dialing = dialer.DialAsync(new Uri("mem://deaf:1"), null, Cancel);
        _time.Advance(node.Options.ConnectTimeout);
        Assert.Equal(DialFault.Timeout, (await Assert.ThrowsAsync<LinkDialException>(() => dialing.WaitAsync(LinkNode.Patience, Cancel))).Fault);

        await using var listener = await node.Transport.BindAsync(new UriEndPoint(new Uri("mem://late:1")), Cancel);
        var late = await node.Transport.ConnectAsync(listener.EndPoint, Cancel);
        var closed = new TaskCompletionSource();
        late.ConnectionClosed.UnsafeRegister(_ => closed.TrySetResult(), null);
        deaf.Connecting.SetResult(late);
        await closed.Task.WaitAsync(LinkNode.Patience, Cancel);
    }

    private sealed class Deaf : IPeerTransport
    {
        public TaskCompletionSource<ConnectionContext> Connecting { get; } = new();

        public IReadOnlyCollection<string> Schemes => ["mem"];

        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => new(Connecting.Task);
    }

    [Fact]
    public async Task A_listener_survives_what_its_transport_throws()
    {
        await using var node = new LinkNode(Network.Node(2), _network, _time);
        using var stop = new CancellationTokenSource();
        var flaky = new FlakyListener();
        var accepting = node.Listener.RunAsync(flaky, stop.Token);
        for (var i = 1; i <= 3; i++)
        {
            await flaky.Accepted.WaitAsync(LinkNode.Patience, Cancel);
            _time.Advance(TimeSpan.FromMilliseconds(200));
        }

        await stop.CancelAsync();
        await accepting.WaitAsync(LinkNode.Patience, Cancel);
    }

    private sealed class FlakyListener : IConnectionListener
    {
        public SemaphoreSlim Accepted { get; } = new(0);

        public EndPoint EndPoint { get; } = new UriEndPoint(new Uri("mem://flaky:1"));

        public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            Accepted.Release();
            throw new IOException("too many open files");
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => default;

        public ValueTask DisposeAsync() => default;
    }
}
