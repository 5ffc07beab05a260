using Dawn.Gateway;
using Dawn.Identity;
using Dawn.Sessions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using ModelContextProtocol.Protocol;
using Xunit;

namespace Dawn.Tests.Gateway;

public sealed class LegPoolTests : IAsyncDisposable
{
    private readonly FakeNetwork _network = new();
    private readonly FakeTimeProvider _time = new();
    private readonly GatewayMetrics _metrics = new();
    private readonly LegDialer _dialer;
    private readonly LegPool _pool;

    public LegPoolTests()
    {
        _dialer = new(_network, _metrics, _time, NullLogger<LegDialer>.Instance);
        _pool = new(_dialer, _time);
    }

    [Fact(Timeout = 30_000)]
    public async Task IdleLegsAreClosedInTime()
    {
        var key = new LegKey(_network.Add("first", FakeNetwork.Here, new TestAgent("first").Options), AgentId.Gateway, Initialized: true);
        await CallAsync(key, TestContext.Current.CancellationToken);
        await CallAsync(key, TestContext.Current.CancellationToken);
        Assert.Equal((1, 1), (_dialer.Open, _network.Dials));
        _time.Advance(TimeSpan.FromSeconds(80));
        await Eventually.HoldsAsync(() => _dialer.Open == 0, "the idle leg closed");
    }

    [Fact(Timeout = 30_000)]
    public async Task RestingLegsAreBounded()
    {
        var key = new LegKey(_network.Add("first", FakeNetwork.Here, new TestAgent("first").Options), AgentId.Gateway, Initialized: true);
        await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => CallAsync(key, TestContext.Current.CancellationToken)));
        Assert.InRange(_dialer.Open, 1, 8);
        await _pool.DisposeAsync();
        Assert.Equal(0, _dialer.Open);
        await CallAsync(key, TestContext.Current.CancellationToken);
        Assert.Equal(0, _dialer.Open);
    }

    [Fact(Timeout = 30_000)]
    public async Task ARefusalIsNotExecution()
    {
        // A refusal comes with the first receive: the request was transmitted, and yet nobody has seen it.
        var address = _network.Add("closed", FakeNetwork.There, channel => channel.CloseAsync(MeshError.Refused, "Not for you.").AsTask());
        var error = await Assert.ThrowsAsync<RelayException>(() => CallAsync(new(address, AgentId.Gateway, Initialized: false), TestContext.Current.CancellationToken));
        Assert.Equal((Outcome.NotExecuted, "Not for you."), (error.Outcome, error.Message));
        Assert.Equal(0, _dialer.Open);
    }

    [Fact(Timeout = 30_000)]
    public async Task AnAgentThatTalksNonsenseIsCutOff()
    {
        var address = _network.Add("mad", FakeNetwork.There, async channel =>
        {
            (await channel.ReceiveAsync(CancellationToken.None))?.Dispose();
            await channel.SendAsync("nonsense"u8.ToArray(), CancellationToken.None);
        });
        var error = await Assert.ThrowsAsync<RelayException>(() => CallAsync(new(address, AgentId.Gateway, Initialized: false), TestContext.Current.CancellationToken));
        Assert.Equal(Outcome.Unknown, error.Outcome);
        Assert.Contains("not MCP", error.Message);
        Assert.Equal(0, _dialer.Open);
    }

    [Fact(Timeout = 30_000)]
    public async Task OpeningIsBounded()
    {
        _network.Way = _ => Task.Delay(Timeout.Infinite, GatewayFixture.Stop);
        var opening = CallAsync(new(new(FakeNetwork.There, "far"), AgentId.Gateway, Initialized: false), TestContext.Current.CancellationToken);
        _time.Advance(LegDialer.OpenTimeout);
        var error = await Assert.ThrowsAsync<RelayException>(() => opening);
        Assert.Equal(Outcome.NotExecuted, error.Outcome);
    }

    [Fact(Timeout = 30_000)]
    public async Task AHandshakeIsBounded()
    {
        var waiting = new TaskCompletionSource();
        var address = _network.Add("mute", FakeNetwork.There, async channel =>
        {
            (await channel.ReceiveAsync(CancellationToken.None))?.Dispose();
            waiting.SetResult();
        });
        var call = CallAsync(new(address, AgentId.Gateway, Initialized: true), TestContext.Current.CancellationToken);
        await waiting.Task.WaitAsync(GatewayFixture.Patience, GatewayFixture.Stop);
        _time.Advance(LegDialer.HandshakeTimeout);
        var error = await Assert.ThrowsAsync<RelayException>(() => call);
        Assert.Equal(Outcome.NotExecuted, error.Outcome);
        Assert.Equal(0, _dialer.Open);
    }

    public async ValueTask DisposeAsync()
    {
        await _pool.DisposeAsync();
        _metrics.Dispose();
    }

    private Task<JsonRpcMessageWithId> CallAsync(LegKey key, CancellationToken stop) =>
        _pool.CallAsync(key, new Nobody(), RequestMethods.ToolsList, null, null, stop);

    private sealed class Nobody : ILegPeer
    {
        public Task OnNotificationAsync(Leg leg, JsonRpcNotification notification, Exchange? exchange, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<JsonRpcMessageWithId> OnRequestAsync(Leg leg, JsonRpcRequest request, Exchange? exchange, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("Nobody is here.");
    }
}
