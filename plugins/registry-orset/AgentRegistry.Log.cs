using Microsoft.Extensions.Logging;

namespace Dawn.Registries.OrSet;

/// <summary>How the registry comes back from its log, and into it.</summary>
internal sealed partial class AgentRegistry
{
    // Where the hash of what is over is unknown, nothing with its sequence counts.
    private static readonly Digest Highest = new(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue);

    public Task StartAsync(CancellationToken cancellationToken) => Task.Run(() => Open(cancellationToken), cancellationToken);

    /// <summary>Comes back from the log, which takes as long as the disk does.</summary>
    internal void Open(CancellationToken cancellationToken)
    {
        var lines = _log.Open(cancellationToken);
        lock (_lock)
        {
            Restore(lines);
        }

        _log.Start();
    }

    public Task StopAsync(CancellationToken cancellationToken) => _log.StopAsync(cancellationToken);

    public ValueTask DisposeAsync() => _log.DisposeAsync();

    private void Restore(LogState state)
    {
        var now = _time.GetUtcNow();
        var (leftOut, why) = (0, "");
        foreach (var line in state.Newest)
        {
            if (line.Kind == RegistryEventKind.Expired)
            {
                Remember(line, Highest, now);
            }
            else if (Read(line, out var problem) is { } record && new Held(record) is var held && (problem = ProblemWith(held, null)) is null)
            {
                Put(held, null);
            }
            else
            {
                Remember(line, Digest.Of(line.Encoded.Span), now);
                (leftOut, why) = (leftOut + 1, problem ?? "it is not what it says");
            }
        }

        foreach (var line in state.Conflicting)
        {
            if (_conflicts.Length < MaxConflicts && _set.TryGet(line.Node, out var one) && one.Sequence == line.Sequence && Read(line, out _) is { } other)
            {
                var two = new Held(other);
                _conflicts = _conflicts.Add(ReferenceEquals(Held.Join(one, two), one) ? new(one.Record, two.Record, line.At) : new(two.Record, one.Record, line.At));
            }
        }

        if (leftOut > 0)
        {
            LeftOut(leftOut, why);
        }
    }

    private RegistryRecord? Read(RegistryEvent line, out string? problem) =>
        _reader.Read(line.Encoded, out problem) is { } record && record.Node == line.Node && record.Sequence == line.Sequence && record.NotAfter > _time.GetUtcNow() ? record : null;

    // The line's time is by this node's clock, and after the record was issued but for clocks that disagree. A time that is still to come is that of a wrong clock.
    private void Remember(RegistryEvent line, Digest hash, DateTimeOffset now)
    {
        if (line.At + Memory > now && line.At <= now + MaxAhead)
        {
            _set.End(new(line.Node, line.Sequence));
            _over[line.Node] = (hash, line.At + Memory);
        }
    }

    // The log has lost lines, or itself: it goes on with all that is held.
    private void Relog()
    {
        lock (_lock)
        {
            _log.Refill(_time.GetUtcNow(), _tree.In(Prefix.All).Select(held => held.Record));
        }
    }

    [LoggerMessage(LogLevel.Information, "{Count} records of the log count no more and are left out, the last because: {Cause}")]
    private partial void LeftOut(int count, string cause);
}
