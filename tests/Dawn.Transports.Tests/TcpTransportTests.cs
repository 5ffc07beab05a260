using System.Reflection;
using Dawn.Testing.Transports;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Dawn.Transports.Tests;

public class TcpTransportTests : TransportTestKit
{
    private readonly ServiceProvider _services = PluginServices.Of(Assembly.Load("Dawn.Transports.Tcp"));

    protected override string Address => "tcp://127.0.0.1:0";

    protected override IPeerTransport CreateTransport() => _services.GetRequiredService<IPeerTransport>();

    [Fact]
    public async Task An_address_without_a_port_is_refused_with_an_example()
    {
        var error = await Assert.ThrowsAsync<NotSupportedException>(async () => await Transport.BindAsync(new UriEndPoint(new Uri("tcp://127.0.0.1")), TestContext.Current.CancellationToken));
        Assert.Contains("tcp://127.0.0.1:7611", error.Message, StringComparison.Ordinal);
    }
}
