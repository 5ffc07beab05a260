using System.Buffers;
using System.Net;
using System.Reflection;
using Dawn.Testing.Transports;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Dawn.Transports.Tests;

public class AddressTests
{
    [Theory(Timeout = 30_000)]
    [InlineData("Dawn.Transports.Tcp", "tcp://[::1]:0", "tcp://[::1]")]
    [InlineData("Dawn.Transports.Tcp", "tcp://localhost:0", "tcp://localhost")]
    [InlineData("Dawn.Transports.Tcp", "tcp://0.0.0.0:0", "tcp://127.0.0.1")]
    [InlineData("Dawn.Transports.Tcp", "tcp://[::]:0", "tcp://127.0.0.1")]
    [InlineData("Dawn.Transports.WebSockets", "ws://[::1]:0", "ws://[::1]")]
    [InlineData("Dawn.Transports.WebSockets", "ws://localhost:0", "ws://localhost")]
    [InlineData("Dawn.Transports.WebSockets", "ws://0.0.0.0:0", "ws://127.0.0.1")]
    [InlineData("Dawn.Transports.WebSockets", "ws://[::]:0", "ws://127.0.0.1")]
    public async Task Addresses_of_all_kinds_are_listened_at_and_dialled(string plugin, string listenAt, string dial)
    {
        await using var services = PluginServices.Of(Assembly.Load(plugin));
        var transport = services.GetRequiredService<IPeerTransport>();
        await using var listener = await transport.BindAsync(new UriEndPoint(new Uri(listenAt)), TestContext.Current.CancellationToken);
        var port = ((UriEndPoint)listener.EndPoint).Uri.Port;
        await using var dialled = await transport.ConnectAsync(new UriEndPoint(new Uri($"{dial}:{port}")), TestContext.Current.CancellationToken);
        await using var accepted = (await listener.AcceptAsync(TestContext.Current.CancellationToken))!;
        await dialled.Transport.Output.WriteAsync("hello"u8.ToArray(), TestContext.Current.CancellationToken);
        var read = await accepted.Transport.Input.ReadAtLeastAsync(5, TestContext.Current.CancellationToken);
        Assert.Equal("hello"u8.ToArray(), read.Buffer.ToArray());
        accepted.Transport.Input.AdvanceTo(read.Buffer.End);

        // Limits count by address: an IPv4 peer of a listener for both is known as one.
        var remote = Assert.IsType<IPEndPoint>(accepted.RemoteEndPoint);
        Assert.False(remote.Address.IsIPv4MappedToIPv6);
    }

    [Theory(Timeout = 30_000)]
    [InlineData("Dawn.Transports.Tcp", "tcp://127.0.0.1:0")]
    [InlineData("Dawn.Transports.WebSockets", "ws://127.0.0.1:0")]
    public async Task Disposing_the_transport_ends_its_connections(string plugin, string address)
    {
        var services = PluginServices.Of(Assembly.Load(plugin));
        var transport = services.GetRequiredService<IPeerTransport>();
        await using var listener = await transport.BindAsync(new UriEndPoint(new Uri(address)), TestContext.Current.CancellationToken);
        await using var dialled = await transport.ConnectAsync(listener.EndPoint, TestContext.Current.CancellationToken);
        await using var accepted = (await listener.AcceptAsync(TestContext.Current.CancellationToken))!;
        await services.DisposeAsync();
        foreach (var connection in new[] { dialled, accepted })
        {
            var closed = new TaskCompletionSource();
            connection.ConnectionClosed.Register(closed.SetResult);
            await closed.Task.WaitAsync(TestContext.Current.CancellationToken);
        }
    }
}
