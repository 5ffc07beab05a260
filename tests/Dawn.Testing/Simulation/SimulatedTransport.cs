using System.Net;
using System.Threading.Channels;
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

/// <summary>Hands out what others have dialled.</summary>
internal sealed class SimulatedListener(Uri address, Action unbind) : IConnectionListener
{
    // As a socket's backlog: whoever comes when it is full is refused.
    private const int Backlog = 512;

    private readonly Channel<ConnectionContext> _queue = Channel.CreateBounded<ConnectionContext>(Backlog);

    public EndPoint EndPoint { get; } = new UriEndPoint(address);

    public bool TryQueue(ConnectionContext connection) => _queue.Writer.TryWrite(connection);

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        while (await _queue.Reader.WaitToReadAsync(cancellationToken))
        {
            if (_queue.Reader.TryRead(out var connection))
            {
                return connection;
            }
        }

        return null;
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
    {
        unbind();
        _queue.Writer.TryComplete();
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await UnbindAsync();
        while (_queue.Reader.TryRead(out var connection))
        {
            connection.Abort();
        }
    }
}
