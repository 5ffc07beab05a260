using System.Reflection;
using Dawn;
using Dawn.Testing.Transports;
using Microsoft.Extensions.DependencyInjection;

namespace MyTransport.Tests;

/// <summary>Every case of the kit, against the plugin as a node would build it. Add your own below.</summary>
public sealed class TransportTests : TransportTestKit
{
    private readonly ServiceProvider _services = PluginServices.Of(Assembly.Load("MyTransport"));

    protected override string Address => "myscheme://127.0.0.1:0";

    protected override IPeerTransport CreateTransport() => _services.GetRequiredService<IPeerTransport>();
}
