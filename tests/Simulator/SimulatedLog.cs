using System.Runtime.CompilerServices;
using Dawn.Registries.OrSet;
using Dawn.Testing.Simulation;

namespace Dawn.Simulator;

/// <summary>What of a registry's log is on a node's disk: it outlives the processes.</summary>
internal sealed class SimulatedLogFile
{
    public Dictionary<NodeId, RegistryEvent> Newest { get; } = [];

    public Dictionary<NodeId, RegistryEvent> Conflicting { get; } = [];

    public long Lines { get; set; }
}

/// <summary>The log of a registry on a simulated disk, which takes its time: what a crash finds unwritten is lost.</summary>
internal sealed class SimulatedLog(SimulatedLogFile file, SimulatedProcess process) : IEventLog
{
    private static readonly TimeSpan Write = TimeSpan.FromMilliseconds(20);

    private readonly List<RegistryEvent> _waiting = [];
    private Task _writing = Task.CompletedTask;

    public LogState Open(CancellationToken cancellationToken) => new([.. file.Newest.Values.OrderBy(line => line.Node)], [.. file.Conflicting.Values.OrderBy(line => line.Node)]);

    public void Start()
    {
        // It writes from the first line on.
    }

    public void Append(DateTimeOffset at, RegistryEventKind kind, NodeId node, ulong sequence, ReadOnlyMemory<byte> encoded)
    {
        _waiting.Add(new(++file.Lines, at, kind, node, sequence, encoded));
        if (_waiting.Count == 1)
        {
            _writing = WriteAsync();
        }
    }

    public void Refill(DateTimeOffset at, IEnumerable<RegistryRecord> records) => throw new InvalidOperationException("This disk loses no line of a process that lives.");

    public Task CommitAsync(CancellationToken cancellationToken) => _writing;

    public async IAsyncEnumerable<RegistryEvent> ReadAsync(DateTimeOffset? since, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await _writing;
        foreach (var line in file.Newest.Values.Where(line => since is null || line.At >= since).OrderBy(line => line.Number))
        {
            yield return line;
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => _writing;

    public ValueTask DisposeAsync() => new(_writing);

    private async Task WriteAsync()
    {
        await Task.Delay(Write, process.Clock);
        foreach (var line in _waiting)
        {
            (line.Kind == RegistryEventKind.Conflicting ? file.Conflicting : file.Newest)[line.Node] = line;
        }

        _waiting.Clear();
    }
}
