using System.IO.Pipelines;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;

namespace Dawn.Testing.Simulation;

/// <summary>A connection between two hosts: a stream each way, and what breaks both.</summary>
internal sealed class SimulatedConnection
{
    private readonly SimulatedNetwork _network;
    private bool _isBroken;
    private int _open = 2;

    public SimulatedConnection(SimulatedNetwork network, int dialer, int listener, int number, EndPoint from, EndPoint to)
    {
        _network = network;
        (ToListener, ToDialer) = (new(network, this, dialer, listener), new(network, this, listener, dialer));
        Dialer = new(this, $"sim-{number}-a", ToListener, ToDialer, from, to);
        Listener = new(this, $"sim-{number}-b", ToDialer, ToListener, to, from);
    }

    public SimulatedStream ToListener { get; }

    public SimulatedStream ToDialer { get; }

    public SimulatedEnd Dialer { get; }

    public SimulatedEnd Listener { get; }

    /// <summary>Its place among the network's connections; the network's.</summary>
    public int Slot { get; set; }

    public bool Touches(int host) => ToListener.From == host || ToListener.To == host;

    /// <summary>Both ends find it broken at once, as when a box in the middle forgets it.</summary>
    public void Reset()
    {
        if (!_isBroken)
        {
            _isBroken = true;
            _network.Simulation.Trace(ToListener.From, TraceKind.Reset, ToListener.To);
            ToListener.Break();
            ToDialer.Break();
            _network.Forget(this);
        }
    }

    /// <summary>One end is gone; the other hears of it when the word gets there, or never.</summary>
    public void AbortFrom(int host, bool silently)
    {
        if (_isBroken)
        {
            return;
        }

        _isBroken = true;
        var (mine, theirs) = host == ToListener.From ? (ToListener, ToDialer) : (ToDialer, ToListener);
        _network.Simulation.Trace(host, TraceKind.Reset, mine.To);
        if (silently)
        {
            theirs.Lose();
            mine.Lose();
        }
        else
        {
            theirs.Break();
            mine.SendReset();
        }

        _network.Forget(this);
    }

    public void OnReset(SimulatedStream stream)
    {
        stream.Break();
        (stream == ToListener ? ToDialer : ToListener).Break();
    }

    public void OnDisposed()
    {
        if (--_open == 0)
        {
            _network.Forget(this);
        }
    }
}

/// <summary>One end, as a transport hands it out.</summary>
internal sealed class SimulatedEnd : ConnectionContext, IDuplexPipe
{
    private readonly SimulatedConnection _connection;
    private readonly SimulatedStream _out;
    private bool _isDisposed;

    public SimulatedEnd(SimulatedConnection connection, string id, SimulatedStream outgoing, SimulatedStream incoming, EndPoint local, EndPoint remote)
    {
        (_connection, _out, Input, ConnectionId) = (connection, outgoing, incoming.Reader, id);
        (LocalEndPoint, RemoteEndPoint, Transport) = (local, remote, this);
    }

    public override string ConnectionId { get; set; }

    public override IFeatureCollection Features { get; } = new FeatureCollection(0);

    public override IDictionary<object, object?> Items { get; set; } = new Dictionary<object, object?>(0);

    public override IDuplexPipe Transport { get; set; }

    public PipeReader Input { get; }

    public PipeWriter Output => _out;

    public override void Abort(ConnectionAbortedException abortReason) => _connection.AbortFrom(_out.From, silently: false);

    public override ValueTask DisposeAsync()
    {
        if (!_isDisposed)
        {
            _isDisposed = true;
            _out.Complete();
            Input.Complete();
            _connection.OnDisposed();
        }

        return default;
    }
}
