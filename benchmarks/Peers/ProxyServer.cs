using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy.Forwarder;

namespace Dawn.Benchmarks.Peers;

/// <summary>A reverse proxy that understands nothing of what it passes on: the least that a process in the middle costs. HTTP in front, TLS behind.</summary>
internal static class ProxyServer
{
    public static async Task<(ServedAt At, IAsyncDisposable Server)> StartAsync(ServedAt target)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddRouting();
        builder.Services.AddHttpForwarder();
        var app = builder.Build();
        var behind = new HttpMessageInvoker(SelfSigned.Handler(target.Thumbprint));
        app.MapForwarder("/{**path}", target.Address, ForwarderRequestConfig.Empty, HttpTransformer.Default, behind);
        await app.StartAsync();
        var address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        return (new($"http://127.0.0.1:{address.Port}", ""), app);
    }
}
