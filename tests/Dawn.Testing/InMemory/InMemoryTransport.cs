using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Dawn.Testing.InMemory;

/// <summary>Where in-memory transports find each other: a network of its own, without ports of the machine.</summary>
public sealed class InMemoryNetwork
{
    private readonly ConcurrentDictionary<string, InMemoryListener> _listeners = new(StringComparer.Ordinal);
    private int _connections;
    private int _ports = 1024;

    /// <summary>Faults for the connection of that number (from 0), as the dialer sees its directions; null for none.</summary>
    public Func<int, ConnectionFaults?> Faults { get; set; } = _ => null;

    /// <summary>Connections made so far.</summary>
    public int Connections => _connections;

    internal InMemoryListener Bind(Uri uri)
    {
        if (uri.Port <= 0)
        {
            uri = new UriBuilder(uri) { Port = Interlocked.Increment(ref _ports) }.Uri;
        }

        var listener = new InMemoryListener(uri, Unbind);
        return _listeners.TryAdd(uri.Authority, listener) ? listener : throw new AddressInUseException($"{uri} is in use.");
    }

    private void Unbind(InMemoryListener listener) => _listeners.TryRemove(KeyValuePair.Create(listener.Uri.Authority, listener));

    internal ConnectionContext Connect(Uri uri, IPAddress from)
    {
        if (!_listeners.TryGetValue(uri.Authority, out var listener))
        {
            throw new SocketException((int)SocketError.ConnectionRefused);
        }

        var number = Interlocked.Increment(ref _connections) - 1;
        var (dialed, accepted) = InMemoryConnection.CreatePair(number, uri, from, Faults(number));
        if (!listener.TryQueue(accepted))
        {
            dialed.Abort();
            accepted.Abort();
            throw new SocketException((int)SocketError.ConnectionRefused);
        }

        return dialed;
    }
}

/// <summary>A transport under the scheme <c>mem</c>: byte streams between listeners and dialers of one <see cref="InMemoryNetwork"/>.</summary>
/// <param name="network">The network that listeners and dialers share.</param>
/// <param name="address">Where this side's connections seem to come from; a documentation address (RFC 5737) by default.</param>
public sealed class InMemoryTransport(InMemoryNetwork network, IPAddress? address = null) : IPeerTransport
{
    private readonly IPAddress _address = address ?? IPAddress.Parse("203.0.113.1");

    /// <inheritdoc/>
    public IReadOnlyCollection<string> Schemes { get; } = ["mem"];

    /// <inheritdoc/>
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(network.Bind(UriOf(endpoint)));
    }

    /// <inheritdoc/>
    public ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(network.Connect(UriOf(endpoint), _address));
    }

    private Uri UriOf(EndPoint endpoint) => endpoint is UriEndPoint { Uri: { } uri } && Schemes.Contains(uri.Scheme)
        ? uri
        : throw new NotSupportedException($"{endpoint} is not a mem:// address.");
}

/// <summary>Hands out what others have dialled, on a network that is no system's.</summary>
internal sealed class InMemoryListener(Uri uri, Action<InMemoryListener> unbind) : IConnectionListener
{
    // As a socket's backlog: whoever comes when it is full is refused.
    private const int Backlog = 512;

    private readonly Channel<ConnectionContext> _queue = Channel.CreateBounded<ConnectionContext>(Backlog);

    public Uri Uri => uri;

    public EndPoint EndPoint { get; } = new UriEndPoint(uri);

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
        unbind(this);
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

/// <summary>One end of a connection. Between the ends run two pumps, as a kernel would: whatever one end does to its pipes, the other's stay sound.</summary>
internal sealed class InMemoryConnection : ConnectionContext, IDuplexPipe
{
    private readonly Pipe _incoming = new();
    private readonly Pipe _outgoing = new();
    private readonly CancellationTokenSource _closed = new();
    private readonly CancellationTokenSource _aborted;
    private InMemoryConnection _peer = null!;

    private InMemoryConnection(int number, EndPoint local, EndPoint remote, CancellationTokenSource aborted)
    {
        (ConnectionId, LocalEndPoint, RemoteEndPoint, _aborted) = ($"mem-{number}", local, remote, aborted);
        Transport = this;
        ConnectionClosed = _closed.Token;
    }

    public override string ConnectionId { get; set; }

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    public override IDuplexPipe Transport { get; set; }

    public PipeReader Input => _incoming.Reader;

    public PipeWriter Output => _outgoing.Writer;

    public static (InMemoryConnection Dialed, InMemoryConnection Accepted) CreatePair(int number, Uri uri, IPAddress from, ConnectionFaults? faults)
    {
        // One switch for both ends: an abort tears the whole connection down.
        var aborted = new CancellationTokenSource();
        var (client, server) = (new IPEndPoint(from, 49_152 + number % 16_384), new UriEndPoint(uri));
        var dialed = new InMemoryConnection(number, client, server, aborted);
        var accepted = new InMemoryConnection(number, server, client, aborted);
        (dialed._peer, accepted._peer) = (accepted, dialed);
        var out_ = BytePump.RunAsync(dialed._outgoing.Reader, accepted._incoming.Writer, faults?.ToListener, aborted);
        var back = BytePump.RunAsync(accepted._outgoing.Reader, dialed._incoming.Writer, faults?.ToDialer, aborted);
        _ = FinishAsync(Task.WhenAll(out_, back), dialed, accepted);
        return (dialed, accepted);
    }

    public override void Abort(ConnectionAbortedException abortReason) => _aborted.Cancel();

    public override async ValueTask DisposeAsync()
    {
        // What was written before still arrives; what comes later is for nobody.
        await Output.CompleteAsync();
        await Input.CompleteAsync();
        _peer._outgoing.Reader.CancelPendingRead();
        if (!_closed.IsCancellationRequested)
        {
            await _closed.CancelAsync();
        }
    }

    private static async Task FinishAsync(Task pumps, InMemoryConnection dialed, InMemoryConnection accepted)
    {
        await pumps;
        await dialed._closed.CancelAsync();
        await accepted._closed.CancelAsync();
    }
}
