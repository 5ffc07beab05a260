using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Xunit;

namespace Dawn.Testing.Transports;

/// <summary>What every <see cref="IPeerTransport"/> promises, as tests: derive from it, say how to create yours, and run.</summary>
/// <remarks>The cases that push many bytes are in <see cref="TransportTestKit"/>'s other part.</remarks>
public abstract partial class TransportTestKit : IAsyncLifetime
{
    /// <summary>How long a case waits for what must come at once; generous, for machines that are busy.</summary>
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private const int Limit = 60_000;

    private readonly List<IAsyncDisposable> _made = [];
    private IPeerTransport? _transport;

    /// <summary>Creates the transport; disposed after each case where it is disposable.</summary>
    protected abstract IPeerTransport CreateTransport();

    /// <summary>An address to listen at, with port 0 where there are ports: <c>ws://127.0.0.1:0</c>.</summary>
    protected abstract string Address { get; }

    /// <summary>False for transports whose addresses have no ports.</summary>
    protected virtual bool HasPorts => true;

    /// <summary>The transport under test.</summary>
    protected IPeerTransport Transport => _transport ??= CreateTransport();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <inheritdoc/>
    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var thing in Enumerable.Reverse(_made))
        {
            await thing.DisposeAsync();
        }

        if (_transport is IAsyncDisposable later)
        {
            await later.DisposeAsync();
        }
        else
        {
            (_transport as IDisposable)?.Dispose();
        }
    }

    [Fact]
    public void Schemes_are_lower_case() =>
        Assert.All(Transport.Schemes, scheme => Assert.Matches("^[a-z][a-z0-9+.-]*$", scheme));

    [Fact]
    public void The_scheme_of_the_address_is_among_the_schemes() => Assert.Contains(new Uri(Address).Scheme, Transport.Schemes);

    [Fact]
    public void CanBind_takes_its_own_schemes() =>
        Assert.All(Transport.Schemes, scheme => Assert.True(Transport.CanBind(new UriEndPoint(new Uri($"{scheme}://127.0.0.1:1")))));

    [Fact]
    public void CanBind_refuses_what_is_foreign()
    {
        Assert.False(Transport.CanBind(new UriEndPoint(new Uri("gopher://127.0.0.1:70"))));
        Assert.False(Transport.CanBind(new IPEndPoint(IPAddress.Loopback, 1)));
    }

    [Fact(Timeout = Limit)]
    public async Task Binding_refuses_what_is_foreign() =>
        await Assert.ThrowsAsync<NotSupportedException>(async () => await Transport.BindAsync(new UriEndPoint(new Uri("gopher://127.0.0.1:70")), Cancelled));

    [Fact(Timeout = Limit)]
    public async Task Dialling_refuses_what_is_foreign() =>
        await Assert.ThrowsAsync<NotSupportedException>(async () => await Transport.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 1), Cancelled));

    [Fact(Timeout = Limit)]
    public async Task A_listener_names_the_address_it_listens_at()
    {
        var listener = await ListenAsync();
        var uri = Assert.IsType<UriEndPoint>(listener.EndPoint).Uri;
        Assert.Equal(new Uri(Address).Scheme, uri.Scheme);
        Assert.Equal(new Uri(Address).Host, uri.Host);
        Assert.True(!HasPorts || uri.Port > 0);
    }

    [Fact(Timeout = Limit)]
    public async Task What_is_said_is_heard_and_answered()
    {
        var (dialled, accepted) = await PairAsync(await ListenAsync());
        await SendAsync(dialled, "hello"u8.ToArray());
        Assert.Equal("hello"u8.ToArray(), await ReceiveAsync(accepted, 5));
        await SendAsync(accepted, "good day"u8.ToArray());
        Assert.Equal("good day"u8.ToArray(), await ReceiveAsync(dialled, 8));
    }

    [Fact(Timeout = Limit)]
    public async Task The_listener_may_speak_first()
    {
        var (dialled, accepted) = await PairAsync(await ListenAsync());
        await SendAsync(accepted, "first"u8.ToArray());
        Assert.Equal("first"u8.ToArray(), await ReceiveAsync(dialled, 5));
    }

    [Fact(Timeout = Limit)]
    public async Task Dialling_nobody_fails_soon()
    {
        var listener = await ListenAsync();
        await listener.DisposeAsync();
        var error = await Assert.ThrowsAnyAsync<Exception>(() => Transport.ConnectAsync(listener.EndPoint, Cancelled).AsTask().WaitAsync(Patience, Cancelled));
        Assert.True(error is IOException or SocketException, error.ToString());
    }

    [Fact(Timeout = Limit)]
    public async Task An_address_in_use_is_named()
    {
        var listener = await ListenAsync();
        var error = await Assert.ThrowsAsync<AddressInUseException>(async () => await Transport.BindAsync(listener.EndPoint, Cancelled));
        Assert.Contains(((UriEndPoint)listener.EndPoint).Uri.Authority, error.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task An_address_is_free_again_once_its_listener_is_disposed()
    {
        var first = await ListenAsync();
        await first.DisposeAsync();
        var second = Keep(await Transport.BindAsync(first.EndPoint, Cancelled));
        var (dialled, accepted) = await PairAsync(second);
        await SendAsync(dialled, [1]);
        Assert.Equal([1], await ReceiveAsync(accepted, 1));
    }

    [Fact(Timeout = Limit)]
    public async Task One_transport_listens_at_several_addresses()
    {
        var (one, two) = (await ListenAsync(), await ListenAsync());
        Assert.NotEqual(one.EndPoint, two.EndPoint);
        var ((toOne, atOne), (toTwo, atTwo)) = (await PairAsync(one), await PairAsync(two));
        await SendAsync(toOne, [1]);
        await SendAsync(toTwo, [2]);
        Assert.Equal([1], await ReceiveAsync(atOne, 1));
        Assert.Equal([2], await ReceiveAsync(atTwo, 1));
    }

    [Fact(Timeout = Limit)]
    public async Task A_cancelled_accept_leaves_the_listener_well()
    {
        var listener = await ListenAsync();
        using var cancel = new CancellationTokenSource();
        var accepting = listener.AcceptAsync(cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => accepting.WaitAsync(Patience, Cancelled));
        var (dialled, accepted) = await PairAsync(listener);
        await SendAsync(dialled, [7]);
        Assert.Equal([7], await ReceiveAsync(accepted, 1));
    }

    [Fact(Timeout = Limit)]
    public async Task A_cancelled_dial_says_so()
    {
        var listener = await ListenAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Transport.ConnectAsync(listener.EndPoint, new CancellationToken(true)));
    }

    [Fact(Timeout = Limit)]
    public async Task Unbinding_ends_a_waiting_accept()
    {
        var listener = await ListenAsync();
        var accepting = listener.AcceptAsync(Cancelled).AsTask();
        await listener.UnbindAsync(Cancelled);
        Assert.Null(await accepting.WaitAsync(Patience, Cancelled));
        Assert.Null(await listener.AcceptAsync(Cancelled).AsTask().WaitAsync(Patience, Cancelled));
    }

    [Fact(Timeout = Limit)]
    public async Task Unbinding_leaves_connections_alone()
    {
        var listener = await ListenAsync();
        var (dialled, accepted) = await PairAsync(listener);
        await listener.UnbindAsync(Cancelled).AsTask().WaitAsync(Patience, Cancelled);
        await SendAsync(dialled, [1, 2]);
        Assert.Equal([1, 2], await ReceiveAsync(accepted, 2));
        await SendAsync(accepted, [3]);
        Assert.Equal([3], await ReceiveAsync(dialled, 1));
    }

    [Fact(Timeout = Limit)]
    public async Task Nobody_gets_in_after_unbinding()
    {
        var listener = await ListenAsync();
        await listener.UnbindAsync(Cancelled);
        var error = await Assert.ThrowsAnyAsync<Exception>(() => Transport.ConnectAsync(listener.EndPoint, Cancelled).AsTask().WaitAsync(Patience, Cancelled));
        Assert.True(error is IOException or SocketException, error.ToString());
    }

    [Fact(Timeout = Limit)]
    public async Task Disposing_twice_is_as_good_as_once()
    {
        var listener = await ListenAsync();
        var (dialled, accepted) = await PairAsync(listener);
        foreach (var thing in new IAsyncDisposable[] { dialled, accepted, listener })
        {
            await thing.DisposeAsync().AsTask().WaitAsync(Patience, Cancelled);
            await thing.DisposeAsync().AsTask().WaitAsync(Patience, Cancelled);
        }
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Disposal_is_the_end_of_the_stream_for_the_other_side(bool byDialler)
    {
        var (here, there) = await PairAsync(await ListenAsync(), byDialler);
        var ending = EndOfStreamAsync(there);
        await here.DisposeAsync().AsTask().WaitAsync(Patience, Cancelled);
        await ending.WaitAsync(Patience, Cancelled);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_was_written_before_disposal_arrives(bool byDialler)
    {
        var (here, there) = await PairAsync(await ListenAsync(), byDialler);
        var last = Bytes(1, 50_000);
        await SendAsync(here, last);
        var receiving = ReceiveAsync(there, last.Length);
        await here.DisposeAsync().AsTask().WaitAsync(Patience, Cancelled);
        Assert.Equal(last, await receiving);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_abort_ends_the_stream_for_the_other_side(bool byDialler)
    {
        var (here, there) = await PairAsync(await ListenAsync(), byDialler);
        var ending = EndOfStreamAsync(there);
        here.Abort();
        await ending.WaitAsync(Patience, Cancelled);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_abort_ends_the_reading_of_its_own_side(bool byDialler)
    {
        var (here, _) = await PairAsync(await ListenAsync(), byDialler);
        var ending = EndOfStreamAsync(here);
        here.Abort();
        await ending.WaitAsync(Patience, Cancelled);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ConnectionClosed_fires_at_an_abort(bool byDialler)
    {
        var (here, there) = await PairAsync(await ListenAsync(), byDialler);
        here.Abort();
        await Fired(here.ConnectionClosed).WaitAsync(Patience, Cancelled);
        await Fired(there.ConnectionClosed).WaitAsync(Patience, Cancelled);
    }

    [Theory(Timeout = Limit)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ConnectionClosed_fires_when_the_other_side_is_disposed(bool byDialler)
    {
        var (here, there) = await PairAsync(await ListenAsync(), byDialler);
        await here.DisposeAsync().AsTask().WaitAsync(Patience, Cancelled);
        await Fired(there.ConnectionClosed).WaitAsync(Patience, Cancelled);
    }

    [Fact(Timeout = Limit)]
    public async Task Writing_to_one_who_is_gone_ends()
    {
        var (dialled, accepted) = await PairAsync(await ListenAsync());
        await accepted.DisposeAsync().AsTask().WaitAsync(Patience, Cancelled);
        await Fired(dialled.ConnectionClosed).WaitAsync(Patience, Cancelled);
        var chunk = new byte[16 * 1024];
        try
        {
            for (var round = 0; round < 100_000; round++)
            {
                if ((await dialled.Transport.Output.WriteAsync(chunk, Cancelled).AsTask().WaitAsync(Patience, Cancelled)).IsCompleted)
                {
                    return;
                }
            }
        }
        catch (IOException)
        {
            return;
        }

        Assert.Fail("Writing went on for ever.");
    }

    [Fact(Timeout = Limit)]
    public async Task Both_sides_know_each_other_and_have_names()
    {
        var listener = await ListenAsync();
        var (dialled, accepted) = await PairAsync(listener);
        var (another, _) = await PairAsync(listener);
        Assert.NotNull(dialled.RemoteEndPoint);
        Assert.NotNull(accepted.RemoteEndPoint);
        Assert.NotEmpty(dialled.ConnectionId);
        Assert.NotEqual(dialled.ConnectionId, another.ConnectionId);
    }

    [Fact(Timeout = Limit)]
    public async Task One_connection_ends_alone()
    {
        var listener = await ListenAsync();
        var (one, two) = (await PairAsync(listener), await PairAsync(listener));
        await one.Here.DisposeAsync().AsTask().WaitAsync(Patience, Cancelled);
        await EndOfStreamAsync(one.There).WaitAsync(Patience, Cancelled);
        await SendAsync(two.Here, [5]);
        Assert.Equal([5], await ReceiveAsync(two.There, 1));
    }

    [Fact(Timeout = Limit)]
    public async Task A_cancelled_read_leaves_the_connection_well()
    {
        var (dialled, accepted) = await PairAsync(await ListenAsync());
        using var cancel = new CancellationTokenSource();
        var reading = dialled.Transport.Input.ReadAsync(cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.WaitAsync(Patience, Cancelled));
        await SendAsync(accepted, [9]);
        Assert.Equal([9], await ReceiveAsync(dialled, 1));
    }

    [Fact(Timeout = Limit)]
    public async Task An_empty_flush_sends_nothing()
    {
        var (dialled, accepted) = await PairAsync(await ListenAsync());
        await dialled.Transport.Output.FlushAsync(Cancelled);
        await SendAsync(dialled, []);
        await SendAsync(dialled, [4]);
        Assert.Equal([4], await ReceiveAsync(accepted, 1));
    }
}
