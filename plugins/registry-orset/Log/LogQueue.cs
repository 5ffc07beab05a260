namespace Dawn.Registries.OrSet;

/// <summary>Lines that wait for the disk, and those who wait for the lines. Bounded; thread-safe.</summary>
/// <remarks>Once a line had no room, none is taken until a refill: so what waits is always without gaps.</remarks>
internal sealed class LogQueue
{
    // What may wait for the disk: minutes of a busy network's changes, and as much memory as half of all records.
    private const int MaxLines = 16_384;
    private const long MaxBytes = 32 * 1024 * 1024;

    // A transaction's share, so that those who wait for the first of many lines don't wait for the last.
    private const int MaxBatch = 1_024;
    private const long MaxBatchBytes = 4 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly Queue<Waiting> _waiting = [];
    private readonly List<(long Ticket, TaskCompletionSource Done)> _commits = [];
    private IOException? _failure;
    private bool _isBehind;
    private bool _isClosed;
    private long _bytes;
    private long _last;
    private long _appended;
    private long _written;

    /// <summary>The number of the newest line on the disk.</summary>
    public long LastNumber
    {
        get
        {
            lock (_lock)
            {
                return _last;
            }
        }

        set
        {
            lock (_lock)
            {
                _last = value;
            }
        }
    }

    /// <summary>Whether lines are lost, until a refill.</summary>
    public bool IsBehind
    {
        get
        {
            lock (_lock)
            {
                return _isBehind;
            }
        }

        set
        {
            lock (_lock)
            {
                _isBehind = value;
            }
        }
    }

    /// <summary>Why nothing is written now.</summary>
    public IOException Failure
    {
        get
        {
            lock (_lock)
            {
                return new(_failure?.Message ?? "The registry's log is closed: this node ends, or has not begun.", _failure);
            }
        }
    }

    /// <param name="isFirstLost">Whether it is the first that has no room.</param>
    /// <returns>False where the line is lost.</returns>
    public bool TryAppend(DateTimeOffset at, RegistryEventKind kind, NodeId node, ulong sequence, ReadOnlyMemory<byte> encoded, out bool isFirstLost)
    {
        lock (_lock)
        {
            _appended++;
            isFirstLost = !_isBehind && (_waiting.Count >= MaxLines || _bytes + encoded.Length > MaxBytes);
            _isBehind |= isFirstLost;
            if (!_isBehind)
            {
                Enqueue(new(_appended, At(at), kind, node, sequence, encoded));
            }

            return !_isBehind;
        }
    }

    /// <summary>Takes all records that are held, in place of the lines that wait or are lost.</summary>
    public void Refill(DateTimeOffset at, IEnumerable<RegistryRecord> records)
    {
        lock (_lock)
        {
            (_bytes, _isBehind) = (0, false);
            _waiting.Clear();
            RegistryRecord? last = null;
            foreach (var record in records)
            {
                Add(last, _written);
                last = record;
            }

            // Whoever waits for a line that was lost waits for the last of these.
            Add(last, _appended);
            if (last is null)
            {
                Done(_appended);
            }
        }

        void Add(RegistryRecord? record, long ticket)
        {
            if (record is not null)
            {
                Enqueue(new(ticket, At(at), RegistryEventKind.Changed, record.Node, record.Sequence, record.Encoded));
            }
        }
    }

    /// <summary>Completes when all lines that were appended before are written.</summary>
    /// <exception cref="IOException">They can't be.</exception>
    public Task WrittenAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_written >= _appended)
            {
                return Task.CompletedTask;
            }

            if (_failure is not null || _isClosed)
            {
                return Task.FromException(Failure);
            }

            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _commits.Add((_appended, done));
            return done.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>All lines that wait, with the numbers that they will have.</summary>
    /// <param name="first">The first of these numbers.</param>
    public List<RegistryEvent> Lines(out long first)
    {
        lock (_lock)
        {
            var number = first = _last + 1;
            return [.. _waiting.Select(line => line.Line(number++))];
        }
    }

    /// <summary>The next lines to be written, which stay until they are.</summary>
    public (List<RegistryEvent> Lines, long Ticket, long Bytes) Batch()
    {
        lock (_lock)
        {
            var (lines, ticket, bytes) = (new List<RegistryEvent>(Math.Min(_waiting.Count, MaxBatch)), 0L, 0L);
            foreach (var line in _waiting)
            {
                if (lines.Count == MaxBatch || bytes > MaxBatchBytes)
                {
                    break;
                }

                lines.Add(line.Line(_last + 1 + lines.Count));
                (ticket, bytes) = (line.Ticket, bytes + line.Encoded.Length);
            }

            return (lines, ticket, bytes);
        }
    }

    /// <summary>The next lines are written.</summary>
    public void Written(int count, long ticket)
    {
        lock (_lock)
        {
            _last += count;
            for (; count > 0; count--)
            {
                _bytes -= _waiting.Dequeue().Encoded.Length;
            }

            Done(ticket);
        }
    }

    /// <summary>Whether nothing can be written now.</summary>
    public bool IsFailing
    {
        get
        {
            lock (_lock)
            {
                return _failure is not null;
            }
        }
    }

    /// <summary>Who waits is told, and who comes next too, until it is well again.</summary>
    public void Fail(IOException cause)
    {
        lock (_lock)
        {
            _failure = cause;
            Release();
        }
    }

    /// <returns>Whether it was not well before.</returns>
    public bool Recover()
    {
        lock (_lock)
        {
            var wasFailing = _failure is not null;
            _failure = null;
            return wasFailing;
        }
    }

    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            Release();
        }
    }

    private void Enqueue(Waiting line)
    {
        _waiting.Enqueue(line);
        _bytes += line.Encoded.Length;
    }

    private void Done(long ticket)
    {
        _written = Math.Max(_written, ticket);
        foreach (var (_, done) in _commits.Where(commit => commit.Ticket <= _written))
        {
            done.TrySetResult();
        }

        _commits.RemoveAll(commit => commit.Ticket <= _written);
    }

    private void Release()
    {
        foreach (var (_, done) in _commits)
        {
            done.TrySetException(Failure);
        }

        _commits.Clear();
    }

    // As exact as the file keeps it, so that a line is the same before and after.
    private static DateTimeOffset At(DateTimeOffset time) => DateTimeOffset.FromUnixTimeMilliseconds(time.ToUnixTimeMilliseconds());

    /// <summary>A line that waits for the disk.</summary>
    /// <param name="Ticket">Who waits for this number of appended lines may go on once this one is written.</param>
    private sealed record Waiting(long Ticket, DateTimeOffset At, RegistryEventKind Kind, NodeId Node, ulong Sequence, ReadOnlyMemory<byte> Encoded)
    {
        public RegistryEvent Line(long number) => new(number, At, Kind, Node, Sequence, Encoded);
    }
}
