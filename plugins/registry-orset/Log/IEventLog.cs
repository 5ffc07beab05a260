namespace Dawn.Registries.OrSet;

/// <summary>Where the registry's accepted changes are kept. Thread-safe.</summary>
internal interface IEventLog : IAsyncDisposable
{
    /// <summary>What is held from former lives. Where the disk fails, the log goes on trying.</summary>
    LogState Open(CancellationToken cancellationToken);

    /// <summary>From here on lines are written.</summary>
    void Start();

    /// <summary>Takes a line, in the order of the calls. Never waits.</summary>
    void Append(DateTimeOffset at, RegistryEventKind kind, NodeId node, ulong sequence, ReadOnlyMemory<byte> encoded);

    /// <summary>Takes all records that are held, in place of the lines that wait or are lost.</summary>
    void Refill(DateTimeOffset at, IEnumerable<RegistryRecord> records);

    /// <inheritdoc cref="IAgentRegistry.CommitAsync"/>
    Task CommitAsync(CancellationToken cancellationToken);

    /// <inheritdoc cref="IAgentRegistry.ReadLogAsync"/>
    IAsyncEnumerable<RegistryEvent> ReadAsync(DateTimeOffset? since, CancellationToken cancellationToken);

    Task StopAsync(CancellationToken cancellationToken);
}
