using Dawn.Testing.InMemory;
using Dawn.Testing.Transports;

namespace Dawn.Transports.Tests;

/// <summary>The twin that other tests stand on keeps the promises of the real ones.</summary>
public class InMemoryTransportTests : TransportTestKit
{
    protected override string Address => "mem://host:0";

    protected override IPeerTransport CreateTransport() => new InMemoryTransport(new InMemoryNetwork());
}
