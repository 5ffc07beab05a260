using System.Net;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Testing.Simulation;

/// <summary>The network as one process sees it.</summary>
internal sealed class SimulatedTransport(SimulatedNetwork network, SimulatedProcess process) : IPeerTransport
{
    public IReadOnlyCollection<string> Schemes { get; } = [SimulatedNetwork.Scheme];

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => new(network.Bind(process));

    public ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        new(network.ConnectAsync(process, ((UriEndPoint)endpoint).Uri, cancellationToken));
}
