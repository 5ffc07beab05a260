using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Dawn.Links;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Dawn.Tests.Invariants;

/// <summary>
/// Somebody on the wire between dialers and listeners, who knows where hellos, handshake messages and records begin and end:
/// sees each of these units, in the order in which they were sent, and passes on whatever it likes.
/// </summary>
/// <param name="pass">Given the direction and the unit with its length prefix; returns what arrives in its place.</param>
internal sealed class TappedTransport(IPeerTransport inner, Func<bool, byte[], IEnumerable<byte[]>> pass) : IPeerTransport
{
    private readonly Lock _lock = new();
    private readonly List<TappedConnection> _connections = [];

    public IReadOnlyCollection<string> Schemes => inner.Schemes;

    /// <summary>Nobody gets through while it is true.</summary>
    public Func<bool> IsDown { get; set; } = () => false;

    /// <summary>Bytes at a time that arrive; 0 for whole units.</summary>
    public int Chunk { get; init; }

    /// <summary>Breaks every connection, as when a process dies.</summary>
    public void AbortAll()
    {
        TappedConnection[] connections;
        lock (_lock)
        {
            connections = [.. _connections];
            _connections.Clear();
        }

        foreach (var connection in connections)
        {
            connection.Abort(new ConnectionAbortedException());
        }
    }

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => inner.BindAsync(endpoint, cancellationToken);

    public async ValueTask<ConnectionContext> ConnectAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        if (IsDown())
        {
            throw new SocketException((int)SocketError.NetworkUnreachable);
        }

        var connection = new TappedConnection(await inner.ConnectAsync(endpoint, cancellationToken), pass, Chunk);
        lock (_lock)
        {
            _connections.Add(connection);
        }

        return connection;
    }
}

/// <summary>The dialer's end of a connection, with a pump in either direction.</summary>
internal sealed class TappedConnection : ConnectionContext, IDuplexPipe
{
    private readonly Pipe _incoming = new();
    private readonly Pipe _outgoing = new();
    private readonly CancellationTokenSource _aborted = new();
    private readonly ConnectionContext _inner;
    private readonly Func<bool, byte[], IEnumerable<byte[]>> _pass;
    private readonly int _chunk;

    public TappedConnection(ConnectionContext inner, Func<bool, byte[], IEnumerable<byte[]>> pass, int chunk)
    {
        (_inner, _pass, _chunk) = (inner, pass, chunk);
        (Transport, ConnectionId, LocalEndPoint, RemoteEndPoint, ConnectionClosed) = (this, inner.ConnectionId, inner.LocalEndPoint, inner.RemoteEndPoint, inner.ConnectionClosed);
        _ = FinishAsync(PumpAsync(_outgoing.Reader, inner.Transport.Output, true), PumpAsync(inner.Transport.Input, _incoming.Writer, false));
    }

    public override string ConnectionId { get; set; }

    public override IFeatureCollection Features { get; } = new FeatureCollection();

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>();

    public override IDuplexPipe Transport { get; set; }

    public PipeReader Input => _incoming.Reader;

    public PipeWriter Output => _outgoing.Writer;

    public override void Abort(ConnectionAbortedException abortReason)
    {
        _aborted.Cancel();
        _inner.Abort(abortReason);
    }

    public override async ValueTask DisposeAsync()
    {
        // What was written before still arrives; what comes later is for nobody.
        await Output.CompleteAsync();
        await Input.CompleteAsync();
        _inner.Transport.Input.CancelPendingRead();
    }

    private async Task PumpAsync(PipeReader from, PipeWriter to, bool toListener)
    {
        Exception? failure = null;
        try
        {
            for (var isFirst = true; ;)
            {
                var read = await from.ReadAsync(_aborted.Token);
                var buffer = read.Buffer;
                for (; TryTake(ref buffer, isFirst, out var unit); isFirst = false)
                {
                    foreach (var bytes in _pass(toListener, unit))
                    {
                        foreach (var chunk in _chunk == 0 ? [bytes] : bytes.Chunk(_chunk))
                        {
                            await to.WriteAsync(chunk, _aborted.Token);
                            await Task.Yield();
                        }
                    }
                }

                from.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted || read.IsCanceled)
                {
                    break;
                }
            }
        }
        catch (Exception e)
        {
            // Aborted, or the other end has torn the connection down: so it is for this end.
            failure = new ConnectionAbortedException(e.Message);
        }

        await to.CompleteAsync(toListener ? null : failure);
        await from.CompleteAsync();
    }

    private async Task FinishAsync(Task toListener, Task toDialer)
    {
        await Task.WhenAll(toListener, toDialer);
        await _inner.DisposeAsync();
    }

    // The hello says its length in its first eight bytes; all that follows has a length before it.
    private static bool TryTake(ref ReadOnlySequence<byte> buffer, bool isFirst, out byte[] unit)
    {
        unit = [];
        var head = isFirst ? Hello.HeadSize : RecordWriter.LengthSize;
        if (buffer.Length < head)
        {
            return false;
        }

        var start = buffer.Slice(0, head).ToArray();
        var rest = isFirst ? Hello.RestOf(start) ?? 0 : BinaryPrimitives.ReadUInt16BigEndian(start);
        if (buffer.Length < head + rest)
        {
            return false;
        }

        unit = buffer.Slice(0, head + rest).ToArray();
        buffer = buffer.Slice(head + rest);
        return true;
    }
}
