using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Dawn.Testing.InMemory;
using Microsoft.AspNetCore.Connections;

namespace Dawn.Testing.Simulation;

/// <summary>How the network is when nothing goes wrong.</summary>
internal sealed record NetworkConditions
{
    /// <summary>One way between two hosts: drawn once for each pair, between these.</summary>
    public TimeSpan MinLatency { get; init; } = TimeSpan.FromMilliseconds(2);

    public TimeSpan MaxLatency { get; init; } = TimeSpan.FromMilliseconds(60);

    /// <summary>What comes on top for each packet, exponential.</summary>
    public TimeSpan Jitter { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>What a host can send.</summary>
    public long BytesPerSecond { get; init; } = 12_500_000;
}

/// <summary>Hosts, by number, and the byte streams between them. Host 7 listens at <c>sim://host-7:7610</c>.</summary>
internal sealed class SimulatedNetwork
{
    public const string Scheme = "sim";

    private const int Port = 7610;

    private readonly NetworkConditions _conditions;
    private readonly ulong _seed;
    private readonly SeededRandom _random;
    private readonly Host[] _hosts;
    private readonly List<SimulatedConnection> _connections = [];
    private readonly List<SimulatedStream> _holding = [];
    private readonly Stack<Packet> _packets = [];
    private Func<int, int, bool>? _isBlocked;
    private int _numbers;

    public SimulatedNetwork(Simulation simulation, int hosts, NetworkConditions conditions, ulong seed)
    {
        (Simulation, _conditions, _seed, _random) = (simulation, conditions, seed, SeededRandom.Of(seed, 2));
        _hosts = [.. Enumerable.Range(0, hosts).Select(_ => new Host { BytesPerSecond = conditions.BytesPerSecond })];
    }

    public Simulation Simulation { get; }

    /// <summary>Connections that are up or being made.</summary>
    public IReadOnlyList<SimulatedConnection> Connections => _connections;

    public long Bytes { get; private set; }

    public long Packets { get; private set; }

    public static Uri AddressOf(int host) => new($"{Scheme}://host-{host}:{Port}");

    /// <summary>The transport of one process on a host.</summary>
    public IPeerTransport TransportOf(SimulatedProcess process) => new SimulatedTransport(this, process);

    /// <summary>Says which hosts hear nothing from which others: (from, to). What is sent is held back, as TCP goes on trying; null lets all of it go.</summary>
    public void Block(Func<int, int, bool>? isBlocked)
    {
        _isBlocked = isBlocked;
        SimulatedStream[] held = [.. _holding];
        _holding.Clear();
        foreach (var stream in held)
        {
            stream.Release();
        }
    }

    public bool IsBlocked(int from, int to) => _isBlocked?.Invoke(from, to) is true;

    /// <summary>A host that is slow from here on: its line, and its answers.</summary>
    public void SlowDown(int host, long bytesPerSecond, TimeSpan latency) => (_hosts[host].BytesPerSecond, _hosts[host].Latency) = (bytesPerSecond, latency.Ticks);

    /// <summary>The process on a host is gone: its connections break, or, where the machine itself is gone, nobody is told.</summary>
    public void Kill(int host, bool silently)
    {
        _hosts[host].Listener = null;
        foreach (var connection in _connections.Where(connection => connection.Touches(host)).ToArray())
        {
            connection.AbortFrom(host, silently);
        }
    }

    internal void Hold(SimulatedStream stream) => _holding.Add(stream);

    internal void Forget(SimulatedConnection connection)
    {
        if (connection.Slot < 0)
        {
            return;
        }

        var last = _connections[^1];
        (_connections[connection.Slot], last.Slot) = (last, connection.Slot);
        _connections.RemoveAt(_connections.Count - 1);
        connection.Slot = -1;
    }

    internal Packet Rent(SimulatedStream stream, PacketKind kind, byte[]? buffer, int length)
    {
        var packet = _packets.TryPop(out var used) ? used : new(this);
        (packet.Stream, packet.Kind, packet.Buffer, packet.Length) = (stream, kind, buffer, length);
        return packet;
    }

    internal void Return(Packet packet)
    {
        if (packet.Buffer is { } buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        (packet.Stream, packet.Buffer) = (null!, null);
        _packets.Push(packet);
    }

    /// <summary>When a packet that leaves now arrives, in whole microseconds.</summary>
    internal long ArrivalOf(int from, int to, int bytes)
    {
        Packets++;
        Bytes += bytes;
        var line = _hosts[from];
        line.FreeAt = Math.Max(Simulation.Now, line.FreeAt) + bytes * TimeSpan.TicksPerSecond / Math.Min(line.BytesPerSecond, _hosts[to].BytesPerSecond);
        var jitter = _random.Exponential(_conditions.Jitter.Ticks);
        return (line.FreeAt + LatencyOf(from, to) + (long)jitter) / TimeSpan.TicksPerMicrosecond * TimeSpan.TicksPerMicrosecond;
    }

    internal IConnectionListener Bind(SimulatedProcess process)
    {
        if (_hosts[process.Node].Listener is not null)
        {
            throw new AddressInUseException($"{AddressOf(process.Node)} is in use.");
        }

        return _hosts[process.Node].Listener = new(AddressOf(process.Node), _ => _hosts[process.Node].Listener = null);
    }

    internal Task<ConnectionContext> ConnectAsync(SimulatedProcess process, Uri uri, CancellationToken cancellationToken)
    {
        Simulation.Guard();
        var (from, to) = (process.Node, HostOf(uri));
        var done = new TaskCompletionSource<ConnectionContext>();
        Simulation.Trace(from, TraceKind.Dial, to);
        if (IsBlocked(from, to) || IsBlocked(to, from))
        {
            // Nobody answers, until whoever dials has waited long enough.
            return done.Task.WaitAsync(cancellationToken);
        }

        var there = ArrivalOf(from, to, 60);
        Simulation.At(TimeSpan.FromTicks(there), () =>
        {
            var back = TimeSpan.FromTicks(ArrivalOf(to, from, 60));
            var ends = (IPEndPoint)EndPointOf(from);
            var connection = new SimulatedConnection(this, from, to, ++_numbers, new IPEndPoint(ends.Address, 32_768 + _numbers % 16_384), new UriEndPoint(uri));
            if (_hosts[to].Listener?.TryQueue(connection.Listener) is not true)
            {
                Simulation.At(back, () =>
                {
                    Simulation.Trace(from, TraceKind.DialFailed, to);
                    done.TrySetException(new SocketException((int)SocketError.ConnectionRefused));
                });
                return;
            }

            connection.Slot = _connections.Count;
            _connections.Add(connection);
            Simulation.Trace(to, TraceKind.Accept, from);
            Simulation.At(back, () =>
            {
                if (process.IsDead)
                {
                    connection.AbortFrom(from, silently: false);
                }
                else
                {
                    done.TrySetResult(connection.Dialer);
                }
            });
        });
        return done.Task.WaitAsync(cancellationToken);
    }

    private static int HostOf(Uri uri) =>
        uri.Scheme == Scheme && uri.Host.StartsWith("host-", StringComparison.Ordinal) && int.TryParse(uri.Host.AsSpan(5), out var host)
            ? host
            : throw new NotSupportedException($"{uri} is no address of the simulated network.");

    private static IPEndPoint EndPointOf(int host) => new(new IPAddress([10, (byte)(host >> 16), (byte)(host >> 8), (byte)host]), Port);

    // Made of the two numbers, so that no table of all pairs is kept.
    private long LatencyOf(int from, int to)
    {
        var (low, high) = (Math.Min(from, to), Math.Max(from, to));
        var part = (SeededRandom.Mix(_seed ^ SeededRandom.Mix((ulong)low << 32 | (uint)high)) >> 11) * (1.0 / (1UL << 53));
        return _conditions.MinLatency.Ticks + (long)(part * (_conditions.MaxLatency - _conditions.MinLatency).Ticks) + _hosts[from].Latency + _hosts[to].Latency;
    }

    private sealed class Host
    {
        public long BytesPerSecond { get; set; }

        public long Latency { get; set; }

        public long FreeAt { get; set; }

        public InMemoryListener? Listener { get; set; }
    }
}
